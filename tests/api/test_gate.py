"""Who may call what: keys, scopes, and the whole URL map."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.api.endpoints import ENDPOINTS
from app.api.gate import from_loopback
from app.clock import sleep
from app.services import api_keys
from app.services.api_keys import Scope
from app.services.installation import Installation
from tests.api.helpers import FAILURE, client_with, is_problem, report

# Open on purpose: what supervisors poll, and the description of the interface.
OPEN = {"/healthz", "/api/docs", "/api/v1/openapi.json"}
LOOPBACK = {"/readyz", "/metrics"}
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.7"}


def test_each_route_of_the_map_was_declared_with_a_scope(app: Flask) -> None:
    declared = {(one.rule, one.method): one for one in ENDPOINTS}
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("api."):
            continue  # a page: tests/web/test_access.py
        for method in (rule.methods or set()) - {"HEAD"}:
            endpoint = declared[rule.rule, method]
            assert (endpoint.scope is None) == (rule.rule in OPEN), rule.rule


def test_each_route_answers_401_without_a_key(app: Flask) -> None:
    client = app.test_client()
    for one in ENDPOINTS:
        if one.path in OPEN:
            continue
        path = re.sub(r"{\w+}", "1", one.path)
        answer = client.open(path, method=one.method, environ_base=ELSEWHERE)
        assert is_problem(answer, 401), path
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Tocsin"'


@pytest.mark.parametrize("scope", list(Scope))
def test_each_route_answers_403_to_a_key_whose_scope_does_not_reach_it(
    app: Flask, scope: Scope
) -> None:
    reach = {
        Scope.REPORT: {Scope.REPORT},
        Scope.READ: {Scope.READ},
        Scope.OPERATE: {Scope.OPERATE, Scope.READ},
        Scope.ADMIN: set(Scope),
    }[scope]
    client = client_with(app, scope)
    for one in ENDPOINTS:
        if one.scope is None:
            continue
        path = re.sub(r"{\w+}", "1", one.path)
        # A parameter that no endpoint knows keeps those that are reached from doing anything.
        answer = client.open(f"{path}?nosuch=1", method=one.method, environ_base=ELSEWHERE)
        assert (answer.status_code == 403) == (one.scope not in reach), path


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic dDp0", "Bearer wrong", "Bearer " + "x" * 600, "Bearer é"],
)
def test_a_key_that_is_not_known_is_401(app: Flask, header: str) -> None:
    answer = app.test_client().get("/api/v1/failures", headers={"Authorization": header})
    assert is_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_name_of_the_scheme_is_taken_in_any_case(app: Flask, client: FlaskClient) -> None:
    key = client.environ_base["HTTP_AUTHORIZATION"].split()[1]
    answer = app.test_client().get("/api/v1/failures", headers={"Authorization": f"bearer {key}"})
    assert answer.status_code == 200


def test_a_revoked_key_is_refused_within_a_second(app: Flask, site: Installation) -> None:
    client = client_with(app, "read")
    assert client.get("/api/v1/failures").status_code == 200
    api_keys.revoke(site, "read ", actor="test")
    sleep(api_keys.CACHE_SECONDS)
    assert client.get("/api/v1/failures").status_code == 401


def test_a_new_key_works_at_once(app: Flask) -> None:
    assert client_with(app, "read").get("/api/v1/failures").status_code == 200


def test_a_key_limited_to_one_integration_reports_for_no_other(app: Flask) -> None:
    limited = client_with(app, "report", integration="erp")
    answer = report(limited, "crm")
    assert is_problem(answer, 403)
    assert "erp" in answer.get_json()["detail"]


def test_a_limited_key_may_not_make_its_integration(app: Flask, client: FlaskClient) -> None:
    limited = client_with(app, "report", integration="erp")
    assert is_problem(report(limited, "erp"), 403)
    assert report(client, "erp").status_code == 202
    assert report(limited, "erp").status_code == 202


@pytest.mark.parametrize("path", sorted(LOOPBACK))
def test_from_elsewhere_readiness_and_metrics_need_a_key_that_may_read(
    app: Flask, path: str
) -> None:
    reporter, reader = client_with(app, "report"), client_with(app, "read")
    assert app.test_client().get(path).status_code in (200, 503)
    assert is_problem(app.test_client().get(path, environ_base=ELSEWHERE), 401)
    assert is_problem(reporter.get(path, environ_base=ELSEWHERE), 403)
    assert reader.get(path, environ_base=ELSEWHERE).status_code == 200


def test_what_x_forwarded_for_says_is_not_believed(app: Flask) -> None:
    headers = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    answer = app.test_client().get("/readyz", headers=headers, environ_base=ELSEWHERE)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.7", False),
        ("192.0.2.7", False),
        ("", False),
        ("unix", False),
    ],
)
def test_loopback_is_told_by_the_address_of_the_peer(peer: str, local: bool) -> None:
    flask = Flask(__name__)
    with flask.test_request_context(environ_base={"REMOTE_ADDR": peer}) as context:
        assert from_loopback(context.request) is local


def test_the_body_is_not_looked_at_before_the_key(app: Flask) -> None:
    answer = app.test_client().post("/api/v1/integrations/erp/failures", data=b"{", json=None)
    assert answer.status_code == 401
    reader = client_with(app, "read")
    assert reader.post("/api/v1/integrations/erp/failures", json=FAILURE).status_code == 403
