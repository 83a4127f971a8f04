"""Names that an address cannot hold: refused for what is new, kept by what is there."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.models import Integration, Schedule, System
from app.services.installation import Installation
from tests.admin.person import Person, words
from tests.conftest import ADMIN_KEY
from tests.services.makers import NO_LOGIN, put_integration, put_system
from tests.services.spine import rows

API, AUTH = "/api/v1", {"Authorization": f"Bearer {ADMIN_KEY}"}
DOTS = (".", "..", "a/../b", "./a", "a/.")
BAD = ("new", "-", "-/used/x", "/a", "a/", "a//b", "//evil.example", *DOTS)
GOOD = ("New", "news", "a/b", "-a", "a.b/..c", "a/new", "a/-/b", "...")
SYSTEM = {"kind": "smtp", "options": {**NO_LOGIN, "encryption": "none"}, "secrets": {}}
EVERY = {"every": {"n": 5, "unit": "minutes"}}
FORM = {"how": "interval", "every__n": "20", "every__unit": "minutes"}


def one(path: str, name: str) -> str:
    return f"{API}{path}/{quote(name, safe='')}"


def said(answer: TestResponse) -> Any:
    """Return the JSON of an answer."""
    return answer.json


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_its_address_cannot_hold_is_refused_with_the_rule(
    site: Installation, client: FlaskClient, admin: Person, name: str
) -> None:
    there = len(rows(site, Schedule))
    for path, body in (("/systems", SYSTEM), ("/schedules", EVERY)):
        made = client.post(API + path, json={**body, "name": name}, headers=AUTH)
        assert (made.status_code, said(made)["errors"][0]["pointer"]) == (422, "/name"), path
        put = client.put(one(path, name), json=body, headers=AUTH)
        assert put.status_code in (404, 405, 422), path
    answer = admin.post("/schedules/new", name=name, **FORM)

    assert answer.status_code == 422
    assert "Name must" in words(answer)
    assert (len(rows(site, System)), len(rows(site, Schedule))) == (0, there)


@pytest.mark.parametrize("name", GOOD)
def test_every_other_name_opens_is_saved_and_is_deleted(
    site: Installation, client: FlaskClient, admin: Person, name: str
) -> None:
    put_system(site, name)
    admin.done("/schedules/new", name=name, **FORM)
    here = quote(name, safe="")

    assert f"<h1>{name}" in admin.get(f"/systems/{here}").text
    assert "was saved" in admin.done(f"/schedules/-/edit/{here}", name=name, **FORM)
    for path in ("/systems", "/schedules"):
        assert said(client.get(one(path, name), headers=AUTH))["name"] == name
        there = admin.done(f"{path}/-/delete/{here}", sure="yes")
        assert "was deleted" in there
        assert client.get(one(path, name), headers=AUTH).status_code == 404


def test_what_has_such_a_name_already_is_read_changed_and_renamed(
    site: Installation, client: FlaskClient
) -> None:
    put_system(site, "old")
    with site.store.writing() as connection:
        connection.execute(System.__table__.update().values(name="new"))
    here = one("/systems", "new")

    assert said(client.get(here, headers=AUTH))["name"] == "new"
    patch = {**AUTH, "Content-Type": "application/merge-patch+json"}
    assert client.patch(here, json={"version": "2"}, headers=patch).status_code == 200
    assert client.put(here, json={**SYSTEM, "name": "new"}, headers=AUTH).status_code == 200
    assert client.patch(here, json={"name": "-"}, headers=patch).status_code == 422
    assert said(client.patch(here, json={"name": "Mail"}, headers=patch))["name"] == "Mail"


@pytest.mark.parametrize("key", DOTS)
def test_a_key_that_clients_resolve_is_refused(
    site: Installation, client: FlaskClient, admin: Person, key: str
) -> None:
    made = client.post(f"{API}/integrations", json={"key": key}, headers=AUTH)
    answer = admin.post("/integrations/new", key=key, bidirectional="yes", maxRetryCount="3")

    assert (made.status_code, answer.status_code) == (422, 422)
    assert "Key must not be . or .." in words(answer)
    assert rows(site, Integration) == []


def test_a_key_may_be_what_no_name_may_be(site: Installation, admin: Person) -> None:
    for key in ("new", "-", "https://a.example/"):
        put_integration(site, key)

    assert "https://a.example/" in admin.text("/integrations/3")
