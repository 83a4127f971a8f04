"""Reports that are answered before Flask are answered as Flask would have them answered."""

from __future__ import annotations

from itertools import product

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import Client, TestResponse

from app.api.direct import Direct
from app.api.endpoints import ENDPOINTS
from tests.conftest import ADMIN_KEY

PATHS = (
    "/api/v1/events",
    "/api/v1/events/",
    "//api/v1/events",
    "/api/v1/events?code=1",
    "/api/v1/integrations/a/failures",
    "/api/v1/integrations/a/activity",
    "/api/v1/integrations/a/activity/",
    "/api/v1/integrations/a%2Fb/failures",
    "/api/v1/integrations/a/failures/failures",
    "/api/v1/integrations/%C3%BC%20%E2%82%AC/failures",
    "/api/v1/integrations/%FF/failures",
    "/api/v1/integrations/%00/failures",
    "/api/v1/integrations/a%0Ab/failures",
    "/api/v1/integrations/%20/failures",
    "/api/v1/integrations//failures",
    "/api/v1/integrations/failures",
    f"/api/v1/integrations/{'k' * 256}/failures",
)
BODIES = (b"{}", b"nonsense", b'{"errorCode": "E", "message": 1}', b"")


def _seen(answer: TestResponse) -> tuple[int, list[tuple[str, str]], bytes]:
    return answer.status_code, sorted(answer.headers), answer.data


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
def test_an_address_gets_the_answer_that_flask_gives(app: Flask, method: str) -> None:
    assert isinstance(app.wsgi_app, Direct)
    for path, body, key in product(PATHS, BODIES, (ADMIN_KEY, "wrong")):
        answers = [
            Client(served).open(
                path,
                method=method,
                data=body,
                content_type="application/json",
                headers={"Authorization": f"Bearer {key}"},
            )
            for served in (app, app.wsgi_app._inner)
        ]
        assert _seen(answers[0]) == _seen(answers[1]), (path, body, key)


def test_a_report_does_not_pass_through_flask(client: FlaskClient, app: Flask) -> None:
    def fail() -> None:
        raise AssertionError("it passed through Flask")

    app.before_request(fail)

    answer = client.post("/api/v1/integrations/a%2Fb/activity", json={"processed": 1})

    assert answer.status_code == 202
    assert sum(one.direct for one in ENDPOINTS) == 3
