"""Bad input (quality.md): each field of a report by each hostile value, and what comes back.

Never 500; 422 or 400 names the field; what is taken is stored as it was typed, and alone.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.api.helpers import FAILURE, faults

PATH = "/api/v1/integrations/erp/failures"
LONGEST = {
    "id": 128,
    "errorCode": 100,
    "message": 4000,
    "entityType": 255,
    "entityId": 255,
    "project": 255,
    "cycleId": 255,
    "trace": 1024 * 1024,
}
# Fields that must say something where they are given.
FILLED = {"id", "message", "entityId", "cycleId"}
SHOWN = set(LONGEST) - {"id", "cycleId"}

TEXTS = {
    "empty": "",
    "blank": " \t ",
    "one": "x",
    "crlf": "a\r\nBcc: b@example.org",
    "nul": "a\x00b",
    "esc": "a\x1b[31mb",
    "line-separator": "a\u2028b",
    "rtl-override": "a\u202egnp.exe",
    "combining": "e" + "\u0301" * 90,
    "emoji": "👩‍👩‍👧‍👦🔔",
    "markup": "<script>alert(1)</script>&amp;",
    "template": "{{ 7*7 }}${7*7}#{7*7}%s{0}",
    "sql": "'; DROP TABLE failures; --",
    "path": "../../etc/passwd",
    "formula": "=cmd|' /C calc'!A0",
}
REFUSED = {"nul": set(LONGEST) - {"trace"}, "empty": FILLED, "blank": FILLED}


def _send(client: FlaskClient, **fields: Any) -> TestResponse:
    return client.post(PATH, json=FAILURE | fields)


@pytest.mark.parametrize("name", TEXTS)
def test_each_text_is_stored_as_typed_or_refused_by_name(client: FlaskClient, name: str) -> None:
    for field in LONGEST:
        # A message of its own makes each a row of its own.
        sent = {"message": f"in {field}"} | {field: TEXTS[name]}
        answer = _send(client, **sent)
        if field in REFUSED.get(name, ()):
            assert set(faults(answer)) == {f"/{field}"}
            continue
        assert answer.status_code == 202, (field, answer.text)
        if field in SHOWN:
            _check_stored(client, answer, sent)


def _check_stored(client: FlaskClient, answer: TestResponse, sent: dict[str, str]) -> None:
    failure = client.get(f"/api/v1/failures/{answer.get_json()['failure']['id']}").get_json()
    expected: dict[str, str | None] = dict.fromkeys(SHOWN) | sent
    # An empty trace is no trace.
    expected["trace"] = expected["trace"] or None
    assert {name: failure[name] for name in expected} == expected


@pytest.mark.parametrize("field", LONGEST)
def test_the_longest_text_is_taken_and_one_more_is_refused_with_the_bound(
    client: FlaskClient, field: str
) -> None:
    # The trace is bounded in bytes, the others in characters.
    longest, letter = LONGEST[field], "x" if field == "trace" else "é"
    assert _send(client, **{field: letter * longest}).status_code == 202
    message = faults(_send(client, **{field: "x" * (longest + 1)}))[f"/{field}"]
    assert f"{longest:,}" in message


@pytest.mark.parametrize("field", LONGEST)
def test_a_text_of_a_megabyte_and_one_of_bytes_that_swell_are_answered(
    client: FlaskClient, field: str
) -> None:
    for text in ("x" * 1024 * 1024, "\u0301" * 1000, "\u2028" * 1024 * 1024):
        answer = _send(client, **{field: text})
        assert answer.status_code == 202 or set(faults(answer)) == {f"/{field}"}


@pytest.mark.parametrize("field", LONGEST)
def test_what_is_no_text_is_refused_by_name(client: FlaskClient, field: str) -> None:
    for raw in ("1e999", "NaN", "-Infinity", "-1", "9223372036854775808", "true", "[]", "{}"):
        answer = _send_raw(client, field, raw)
        assert faults(answer) == {f"/{field}": "must be a text"}, raw


@pytest.mark.parametrize("field", LONGEST)
def test_a_lone_surrogate_is_refused_by_name(client: FlaskClient, field: str) -> None:
    answer = _send_raw(client, field, r'"a\ud800b"')
    assert faults(answer) == {f"/{field}": "must not contain lone surrogates"}


def _send_raw(client: FlaskClient, field: str, raw: str) -> TestResponse:
    body = json.dumps({**FAILURE, field: "@"}).replace('"@"', raw)
    return client.post(PATH, data=body, content_type="application/json")


def test_a_lone_surrogate_in_the_name_of_a_field_is_refused(client: FlaskClient) -> None:
    body = json.dumps({**FAILURE, "a\ud800": 1})
    answer = client.post(PATH, data=body, content_type="application/json")
    assert list(faults(answer)) == [""]


@pytest.mark.parametrize("field", ["retryCount", "maxRetryCount"])
def test_a_wrong_number_is_refused_with_its_range(client: FlaskClient, field: str) -> None:
    wrong = '-1 1e999 -1e999 NaN 1.5 1.0 2147483648 9223372036854775808 "1" true [1]'
    for raw in wrong.split():
        message = "must be a whole number from 0 to 2,147,483,647"
        assert faults(_send_raw(client, field, raw)) == {f"/{field}": message}, raw


def test_a_wrong_time_is_refused_by_name(client: FlaskClient) -> None:
    texts = (
        "now 2026-11-03 2026-11-03T10:31:00 2026-13-03T10:31:00Z 0001-01-01T00:00:00Z "
        "9999-12-31T23:59:59-12:00 1969-12-31T23:59:59Z"
    )
    for value in ("", 1, True, *texts.split()):
        assert set(faults(_send(client, occurredAt=value))) == {"/occurredAt"}, value


@pytest.mark.parametrize("field", ["kind", "direction", "accessible"])
def test_a_wrong_choice_is_refused_by_name(client: FlaskClient, field: str) -> None:
    values: list[object] = ["", "GLOBAL", "no", 1, None, [], "x" * 10_000]
    for value in values:
        assert set(faults(_send(client, **{field: value}))) == {f"/{field}"}, value


def test_an_unknown_field_is_refused_with_its_name(client: FlaskClient) -> None:
    for name in ("unknown", "error_code", "Message", "", "__proto__", "a/b~c", "\x00"):
        pointer = "/" + name.replace("~", "~0").replace("/", "~1")
        assert faults(_send(client, **{name: 1})) == {pointer: "is not a field of this body"}


def test_a_wrong_idempotency_key_header_is_refused_by_name(client: FlaskClient) -> None:
    for value in ("", " ", "x" * 129, "a\rb", "a\x1bb", "\xff"):
        environ = {"HTTP_IDEMPOTENCY_KEY": value}
        answer = client.post(PATH, json=FAILURE, environ_overrides=environ)
        assert set(faults(answer)) == {"/Idempotency-Key"}, value


@pytest.mark.parametrize(
    "path",
    ["failures?q={}", "failures?integration={}", "failures?errorCode={}", "failures?entityId={}",
     "failures?cursor={}", "failures?limit={}", "failures?state={}", "failures?since={}",
     "failures?notified={}", "failures/{}", "deliveries?system={}", "deliveries?lane={}",
     "deliveries?failure={}", "deliveries/{}", "lanes?system={}", "lanes/{}", "dispatch-runs/{}"],
)  # fmt: skip
def test_no_parameter_of_a_list_and_no_id_is_answered_with_500(
    client: FlaskClient, path: str
) -> None:
    for name, text in TEXTS.items():
        answer = client.get("/api/v1/" + path.format(quote(text, safe="")))
        assert answer.status_code in (200, 404, 422), (name, answer.text)
        if answer.status_code == 422:
            assert set(faults(answer)) == {"/" + path.partition("?")[2].removesuffix("={}")}
