"""Who may see what, over the whole URL map; and what every page carries."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from app import create_app
from app.api.endpoints import ENDPOINTS
from app.domain.people import Role
from app.pages.access import CHANGING, needs
from app.services.installation import installation
from tests.conftest import settings_in
from tests.web.helpers import add, drawable, sign_in, signed_in, token

# Open on purpose: what leads to a session, or out of one.
OPEN = {("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-out"), ("POST", "/theme")}
OPEN |= {("GET", "/setup"), ("POST", "/setup")}
PASSED = 204


def rules(app: Flask) -> list[Rule]:
    """Return the routes that are no API."""
    return [one for one in app.url_map.iter_rules() if not one.endpoint.startswith("api.")]


def role_of(app: Flask, endpoint: str) -> Role | None:
    """Return the mark of a page."""
    view: Any = app.view_functions[endpoint]
    role: Role | None = view.role
    return role


def methods(rule: Rule) -> set[str]:
    return (rule.methods or set()) - {"HEAD", "OPTIONS"}


def stubbed(app: Flask) -> Flask:
    """Replace what lies behind the gate, so that only the gate itself answers."""
    for endpoint in app.view_functions:
        if not endpoint.startswith("api."):
            app.view_functions[endpoint] = needs(role_of(app, endpoint))(lambda **_: ("", PASSED))
    return app


def path(app: Flask, rule: Rule) -> str:
    """Return a path that matches `rule`."""
    return app.url_map.bind("localhost").build(rule.endpoint, dict.fromkeys(rule.arguments, 1))


def test_every_route_says_who_may_use_it(app: Flask) -> None:
    declared = {f"api.{one.name}" for one in ENDPOINTS}
    for endpoint, view in app.view_functions.items():
        assert endpoint in declared or hasattr(view, "role"), endpoint


def test_only_what_leads_to_a_session_is_open(app: Flask) -> None:
    found = {
        (method, rule.rule)
        for rule in rules(app)
        for method in methods(rule)
        if role_of(app, rule.endpoint) is None
    }
    assert found == OPEN


def test_what_changes_something_is_no_get(app: Flask) -> None:
    for rule in rules(app):
        assert methods(rule) == {"GET"} or methods(rule) <= CHANGING, rule


@pytest.mark.parametrize("role", [None, *Role])
def test_the_gate_answers_as_each_route_says(pages: Flask, role: Role | None) -> None:
    add(pages, email="somebody@example.com")
    client = signed_in(pages, role) if role else pages.test_client()
    form = token(client, "/account" if role else "/sign-in")
    for rule in rules(stubbed(pages)):
        needed = role_of(pages, rule.endpoint)
        for method in methods(rule):
            answer = client.open(path(pages, rule), method=method, data={"csrf_token": form})
            if needed is None or (role and role.includes(needed)):
                expected = PASSED
            elif role:
                expected = 403
                assert f"the role {needed.value}" in answer.text
            else:
                expected = 302 if method == "GET" else 401
            assert answer.status_code == expected, (method, rule.rule)


def test_nothing_is_changed_by_a_form_of_elsewhere(pages: Flask) -> None:
    client = signed_in(pages)
    for rule in rules(stubbed(pages)):
        for method in methods(rule) & CHANGING:
            for data in ({}, {"csrf_token": "x"}):
                answer = client.open(path(pages, rule), method=method, data=data)
                assert answer.status_code == 400, rule.rule


def test_a_page_without_a_rule_is_refused(pages: Flask) -> None:
    pages.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    answer = signed_in(pages).get("/forgotten")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_every_page_carries_the_strict_policy(pages: Flask) -> None:
    client = signed_in(pages)
    for where in ("/account", "/nowhere", "/sign-in"):
        headers = client.get(where).headers
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'self'; script-src 'self'"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in headers
    assert "style-src 'self'; base" in client.get("/api/docs").headers["Content-Security-Policy"]


def test_behind_https_the_cookie_never_travels_in_the_clear(
    app: Flask, tmp_path_factory: pytest.TempPathFactory
) -> None:
    url = installation(app).settings.database_url
    more = {"PUBLIC_URL": "https://tocsin.example.com"}
    safe = drawable(create_app(settings_in(tmp_path_factory.mktemp("safe"), url, **more)))
    add(safe)
    answer = sign_in(safe.test_client(use_cookies=True))
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    assert all("Secure" in one for one in answer.headers.getlist("Set-Cookie"))
    installation(safe).store.engine.dispose()


@pytest.mark.parametrize("signed", [False, True])
def test_an_error_is_a_page_with_one_sentence(pages: Flask, signed: bool) -> None:
    client = signed_in(pages) if signed else pages.test_client()
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.text.count("<h1") == answer.text.count("<main") == 1
    assert client.get("/sign-out").status_code == 405
    assert client.get("/api/v1/nowhere").content_type == "application/problem+json"


def test_the_first_page_says_where_the_link_is(pages: Flask) -> None:
    client = pages.test_client()
    assert client.get("/account").location == "/sign-in"
    assert "There is no user yet" in client.get("/sign-in").text


def test_the_api_reads_no_session(pages: Flask) -> None:
    client = signed_in(pages)
    assert client.get("/api/v1/systems").status_code == 401
