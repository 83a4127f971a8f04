"""Events over HTTP: one, an array, NDJSON; all or nothing, and every fault with its place."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.models import Event
from app.services.installation import Installation
from tests.api.helpers import client_with, faults, is_problem, report
from tests.services.event_makers import routed
from tests.services.makers import count_of
from tests.services.spine import deliveries

URL = "/api/v1/events"
EVENT = {"source": "metrics", "severity": "error", "title": "The disk is full"}
NDJSON = "application/x-ndjson"


def post(client: FlaskClient, body: Any = None, **headers: str) -> TestResponse:
    """Report what is JSON."""
    return client.post(URL, json=EVENT if body is None else body, headers=headers)


def lines(client: FlaskClient, *bodies: Any, between: str = "\n") -> TestResponse:
    """Report as NDJSON; texts go as they are."""
    texts = (body if isinstance(body, str) else json.dumps(body) for body in bodies)
    return client.post(URL, data=between.join(texts).encode(), content_type=NDJSON)


def raw(client: FlaskClient, body: bytes, kind: str = "application/json") -> TestResponse:
    """Report bytes."""
    return client.post(URL, data=body, content_type=kind)


def titles(client: FlaskClient) -> list[str]:
    """Return the titles of all events, the oldest first."""
    items = client.get(URL, query_string={"limit": 1000}).get_json()["items"]
    return [item["title"] for item in reversed(items)]


def test_one_event_is_answered_with_its_id_and_can_be_read(
    client: FlaskClient, site: Installation
) -> None:
    system_id, _ = routed(site)

    answer = post(client, EVENT | {"id": "a", "trace": "Traceback"})

    assert answer.status_code == 202
    (taken,) = answer.get_json()["events"]
    assert answer.get_json() == {"accepted": 1, "duplicates": 0, "events": [taken]}
    assert taken == {"id": taken["id"], "clientId": "a", "duplicate": False}
    found = client.get(f"{URL}/{taken['id']}").get_json()
    assert found.items() >= (EVENT | {"id": taken["id"], "trace": "Traceback"}).items()
    assert deliveries(site)[0].system_id == system_id


def test_an_array_and_lines_are_taken_in_order(client: FlaskClient) -> None:
    several = [EVENT | {"title": f"{number}", "id": f"i{number}"} for number in range(3)]
    answer = post(client, several)
    assert answer.status_code == 202
    assert [one["clientId"] for one in answer.get_json()["events"]] == ["i0", "i1", "i2"]

    answer = lines(client, "", *(EVENT | {"title": name} for name in "ab"), " ", "", between="\r\n")
    assert answer.status_code == 202
    assert titles(client) == ["0", "1", "2", "a", "b"]


def test_a_thousand_are_taken_and_one_more_is_refused(
    client: FlaskClient, site: Installation
) -> None:
    assert post(client, [EVENT] * 1000).get_json()["accepted"] == 1000
    assert faults(post(client, [EVENT] * 1001)) == {"": "must have at most 1,000 entries"}
    assert faults(lines(client, *[EVENT] * 1001)) == {"": "must have at most 1,000 entries"}
    assert faults(post(client, [])) == faults(lines(client)) == {"": "must not be empty"}
    assert count_of(site, Event) == 1000


@pytest.mark.parametrize("how", [post, lines])
def test_several_are_taken_as_a_whole_or_not_at_all(
    client: FlaskClient, site: Installation, how: Any
) -> None:
    several = [EVENT, EVENT | {"severity": "bad"}, EVENT, {"title": "x" * 301, "labels": {"a": 1}}]
    answer = post(client, several) if how is post else lines(client, *several[:1], "", *several[1:])
    assert faults(answer) == {
        "/1/severity": "must be 'info', 'warning', 'error' or 'critical'",
        "/3/source": "is required where there is no code",
        "/3/severity": "is required where there is no code",
        "/3/title": "must have at most 300 characters, has 301",
        "/3/labels/a": "must be a text",
    }
    assert count_of(site, Event) == 0


def test_of_many_faults_the_first_hundred_are_named(client: FlaskClient) -> None:
    answer = post(client, [{}] * 1000)
    assert len(faults(answer)) == 100
    answer = raw(client, b"[{" + b",".join(b'"%d":1' % n for n in range(20_000)) + b"}]")
    assert faults(answer) == {"": "has 20,003 faults, too many to be named"}


@pytest.mark.parametrize(
    "bodies",
    [
        ('{"title":', '"x"}'),
        ("{},{}", '{"labels":{"a":"b"', '"c":"d"}}'),
        ('{"title":"}', '{","source":"metrics","severity":"info"}'),
        ("[]",),
        ("null", "1"),
        ('{"title": NaN}',),
        ("{}x",),
        ("\u2028{}",),
    ],
)
def test_a_line_that_is_no_json_object_is_refused_and_nothing_is_taken(
    client: FlaskClient, site: Installation, bodies: tuple[str, ...]
) -> None:
    answer = lines(client, EVENT, *bodies, EVENT)
    assert answer.status_code in (400, 422)
    assert is_problem(answer, answer.status_code)
    assert count_of(site, Event) == 0


def test_the_line_that_is_no_json_is_named(client: FlaskClient) -> None:
    answer = lines(client, EVENT, "", "{")
    assert is_problem(answer, 400)
    assert answer.get_json()["detail"].startswith("Line 1, counted from 0: ")


@pytest.mark.parametrize("how", [post, lines])
def test_a_lone_surrogate_is_named_with_its_field(client: FlaskClient, how: Any) -> None:
    several = [EVENT, EVENT | {"labels": {"a/b": "\ud800"}}]
    answer = post(client, several) if how is post else lines(client, *several)
    assert faults(answer) == {"/1/labels/a~1b": "must not contain lone surrogates"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[", b"[{}", b"nonsense", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"[1,]"],
    ids="empty open array unclosed nonsense latin-1 deep objects comma".split(),
)
def test_what_is_no_json_is_400(client: FlaskClient, body: bytes) -> None:
    assert is_problem(raw(client, body), 400)


@pytest.mark.parametrize("body", [b"1", b"null", b'"x"', b"[1]", b"[[]]", b"[null]", b"[{}]"])
def test_what_is_no_event_is_422(client: FlaskClient, body: bytes) -> None:
    assert faults(raw(client, body))


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-ndjson; charset=utf-16"])
def test_another_content_type_is_415(client: FlaskClient, kind: str) -> None:
    assert is_problem(raw(client, json.dumps(EVENT).encode(), kind), 415)


def test_a_body_over_8_mib_is_413(client: FlaskClient) -> None:
    assert is_problem(raw(client, b" " * (8 * 1024 * 1024 + 1), NDJSON), 413)


def test_the_header_is_the_id_of_a_single_event(client: FlaskClient) -> None:
    (first,) = post(client, **{"Idempotency-Key": "k"}).get_json()["events"]
    assert first["clientId"] == "k"

    (again,) = post(client, EVENT | {"id": "k"}, **{"Idempotency-Key": "k"}).get_json()["events"]
    assert again == first | {"duplicate": True}
    (again,) = post(client, EVENT | {"id": "k"}).get_json()["events"]
    assert again == first | {"duplicate": True}
    answer = post(client, EVENT | {"id": "other"}, **{"Idempotency-Key": "k"})
    assert faults(answer) == {"/id": "must be equal to the header Idempotency-Key, or left out"}
    assert is_problem(post(client, EVENT | {"title": "x"}, **{"Idempotency-Key": "k"}), 409)


def test_the_header_is_refused_with_an_array(client: FlaskClient) -> None:
    assert faults(post(client, [EVENT], **{"Idempotency-Key": "k"})) == {
        "/Idempotency-Key": "must be left out: each event has its own id"
    }


def test_an_id_belongs_to_what_it_was_used_for(client: FlaskClient) -> None:
    assert report(client, id="a").status_code == 202
    assert is_problem(post(client, EVENT | {"id": "a"}), 409)


def test_who_may_report_events(app: Flask, client: FlaskClient) -> None:
    reporter = client_with(app, "report")
    assert post(reporter).status_code == 202
    assert is_problem(post(client_with(app, "read")), 403)
    limited = post(client_with(app, "report", integration="erp"))
    assert is_problem(limited, 403)
    assert is_problem(reporter.get(URL), 403)
    assert is_problem(app.test_client().post(URL, json=EVENT), 401)


def test_31_parallel_reports_with_one_id_give_one_event(
    app: Flask, client: FlaskClient, site: Installation
) -> None:
    routed(site)

    def one(_: int) -> Any:
        own = app.test_client()
        own.environ_base.update(client.environ_base)
        return post(own, EVENT | {"id": "one"}).get_json()["events"][0]

    with ThreadPoolExecutor(31) as pool:
        answers = list(pool.map(one, range(31)))

    assert len({answer["id"] for answer in answers}) == 1
    assert sorted(answer["duplicate"] for answer in answers) == [False, *[True] * 30]
    assert (count_of(site, Event), len(deliveries(site))) == (1, 1)
