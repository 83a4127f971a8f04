"""What is refused before a view is asked: in problem+json, and never with 500."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from app import create_app
from app.api import bodies
from app.api.problems import HIDDEN
from app.models import Failure
from app.services.installation import Installation
from tests.api.helpers import FAILURE, faults, is_problem, report, reported
from tests.conftest import settings_in

PATH = "/api/v1/integrations/erp/failures"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/nothing", "/api", "/api/v1", "/in/x", "/ping/x/y/z", "/api/v1/failures/", "/api//v1"],
)
def test_an_unknown_address_is_a_404_problem(client: FlaskClient, path: str) -> None:
    assert is_problem(client.get(path), 404)


def test_outside_the_roots_a_404_is_not_ours(client: FlaskClient) -> None:
    assert client.get("/integrations").content_type.startswith("text/html")


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "PATCH"])
def test_a_method_that_is_not_known_is_a_405_problem_with_allow(
    client: FlaskClient, method: str
) -> None:
    answer = client.open("/api/v1/failures/1", method=method)
    assert is_problem(answer, 405)
    assert answer.headers["Allow"] == "DELETE, GET, HEAD"


@pytest.mark.parametrize("identifier", ["x", "-1", "1.5", "9" * 19, "9" * 400, "%D9%A1", "1%0A"])
def test_an_id_that_is_no_id_names_nothing(client: FlaskClient, identifier: str) -> None:
    assert is_problem(client.get(f"/api/v1/failures/{identifier}"), 404)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Content-Type", "text/plain"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Type", ""),
        ("Content-Type", "application/json; charset=utf-16"),
        ("Content-Encoding", "gzip"),
    ],
)
def test_a_body_of_another_type_is_415(client: FlaskClient, header: str, value: str) -> None:
    headers = {"Content-Type": "application/json", header: value}
    assert is_problem(client.post(PATH, data=json.dumps(FAILURE), headers=headers), 415)


@pytest.mark.parametrize("kind", ["application/json; charset=UTF-8", "Application/JSON"])
def test_the_type_of_a_body_is_read_with_its_parameters(client: FlaskClient, kind: str) -> None:
    answer = client.post(PATH, data=json.dumps(FAILURE), content_type=kind)
    assert answer.status_code == 202


class _Unread(io.BytesIO):
    """A body that must not be read."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")

    readinto = readline = read  # type: ignore[assignment]


def test_a_body_over_8_mib_is_413_before_it_is_read(client: FlaskClient) -> None:
    answer = client.post(
        PATH,
        input_stream=_Unread(bytes(bodies.MAX_BODY + 1)),
        content_type="application/json",
    )
    assert is_problem(answer, 413)


def test_a_body_without_length_is_read_to_8_mib_at_most(client: FlaskClient) -> None:
    stream = io.BytesIO(b" " * (bodies.MAX_BODY + 100_000))
    answer = client.post(
        PATH,
        input_stream=stream,
        content_type="application/json",
        environ_base={"wsgi.input_terminated": True},
    )
    assert is_problem(answer, 413)
    assert stream.tell() <= bodies.MAX_BODY + 64 * 1024


def test_a_body_without_length_that_fits_is_taken(client: FlaskClient) -> None:
    answer = client.post(
        PATH,
        input_stream=io.BytesIO(json.dumps(FAILURE).encode()),
        content_type="application/json",
        environ_base={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"{'kind': 'global'}",
        b'{"kind": "global", "message": "x",}',
        b"\xef\xbb\xbf" + json.dumps(FAILURE).encode(),
        json.dumps(FAILURE).encode("utf-16"),
        b'{"message": "\xff"}',
        b"[" * 100_000,
        b'{"retryCount": ' + b"9" * 10_000 + b"}",
    ],
    ids="empty open nonsense quotes comma bom utf-16 latin-1 deep digits".split(),
)
def test_what_is_not_json_in_utf_8_is_400(client: FlaskClient, body: bytes) -> None:
    assert is_problem(client.post(PATH, data=body, content_type="application/json"), 400)


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"1", b"true"])
def test_json_that_is_no_object_is_422(client: FlaskClient, body: bytes) -> None:
    answer = client.post(PATH, data=body, content_type="application/json")
    assert faults(answer) == {"": "must be an object"}


def test_every_fault_of_a_body_is_named(client: FlaskClient) -> None:
    found = faults(report(client, kind="other", message="", retryCount=-1, unknown=1))
    assert set(found) == {"/kind", "/message", "/retryCount", "/unknown"}


def test_of_a_doubled_key_the_last_counts(client: FlaskClient) -> None:
    body = b'{"kind": "global", "message": "first", "message": "second"}'
    answer = client.post(PATH, data=body, content_type="application/json")
    failure = answer.get_json()["failure"]["id"]
    assert client.get(f"/api/v1/failures/{failure}").get_json()["message"] == "second"


@pytest.mark.parametrize("path", ["/api/v1/failures", "/api/v1/failures/1", "/api/v1/lanes"])
def test_an_unknown_parameter_is_named(client: FlaskClient, path: str) -> None:
    assert faults(client.get(f"{path}?colour=red")) == {
        "/colour": "is not a parameter of this address"
    }


def test_a_parameter_of_a_report_is_named(client: FlaskClient) -> None:
    assert set(faults(client.post(f"{PATH}?dryRun=true", json=FAILURE))) == {"/dryRun"}


def test_a_doubled_parameter_is_named_with_the_other_faults(client: FlaskClient) -> None:
    found = faults(client.get("/api/v1/failures?state=open&state=open&limit=0"))
    assert found == {
        "/state": "is given more than once",
        "/limit": "must be a whole number from 1 to 1,000",
    }


@pytest.mark.parametrize("query", ["q=%FF", "&".join(f"a{n}=1" for n in range(60))])
def test_a_query_that_cannot_be_read_is_400(client: FlaskClient, query: str) -> None:
    assert is_problem(client.get(f"/api/v1/failures?{query}"), 400)


@pytest.mark.parametrize(
    "key", ["%00", "a%0Ab", "a%E2%80%A8b", "a%1Bb", "%20", "%FF", "%EF%BF%BD", "x" * 256]
)
def test_a_key_of_the_path_that_cannot_be_stored_is_named(client: FlaskClient, key: str) -> None:
    assert set(faults(report(client, key))) == {"/key"}


@pytest.mark.parametrize(
    "key",
    ["x" * 255, "a%20b", "%C3%A9", "%F0%9F%94%94", "..%2e", "a+b", "%3Cb%3E", "%27--", "=1+1"],
)
def test_a_key_of_the_path_is_taken_as_it_is_typed(client: FlaskClient, key: str) -> None:
    failure = report(client, key).get_json()["failure"]["id"]
    stored = client.get(f"/api/v1/failures/{failure}").get_json()["integration"]
    assert client.get("/api/v1/failures", query_string={"integration": stored}).get_json()["items"]


def test_an_error_of_our_own_is_500_without_insides_and_one_line_in_the_log(
    client: FlaskClient, site: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    failure = reported(client)
    with site.store.writing() as connection:
        connection.execute(update(Failure).values(decision={"damaged": True}))
    with caplog.at_level(logging.ERROR):
        answer = client.get(f"/api/v1/failures/{failure}/decisions")
    assert is_problem(answer, 500)
    assert answer.get_json()["detail"] == HIDDEN
    (line,) = [record for record in caplog.records if record.name.startswith("app.api")]
    assert line.exc_info
    assert line.getMessage() == f"GET /api/v1/failures/{failure}/decisions failed"


@pytest.mark.parametrize(
    "url", ["sqlite:////nonexistent/tocsin.sqlite3", "postgresql:///tocsin?host=/nonexistent"]
)
def test_while_nothing_can_be_stored_reports_are_503_with_retry_after(
    tmp_path: Path, url: str
) -> None:
    client = create_app(settings_in(tmp_path, url)).test_client()
    answer = client.post(PATH, json=FAILURE, headers={"Authorization": "Bearer some-key"})
    assert is_problem(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert "nonexistent" not in answer.text
