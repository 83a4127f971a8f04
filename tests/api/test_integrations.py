"""Integrations over HTTP: what was reported shows, what is registered stays."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from app.services.installation import Installation
from tests.services.makers import set_up

URL = "/api/v1/integrations"


def test_a_first_report_makes_an_integration_that_can_be_configured(client: FlaskClient) -> None:
    report = {"kind": "global", "message": "it failed"}
    assert client.post(f"{URL}/nightly/failures", json=report).status_code == 202
    document = client.get(f"{URL}/nightly").get_json()
    assert document["forward"]["status"] == "active"
    assert document["forward"]["count"] == 1
    assert document["forward"]["lastFailureAt"]
    assert document["forward"]["failingSince"]
    assert document["backward"]["count"] == 0
    assert client.patch(f"{URL}/nightly", json={"name": "Nightly"}).get_json()["name"] == "Nightly"


def test_the_setting_decides_whether_a_report_makes_an_integration(client: FlaskClient) -> None:
    client.patch("/api/v1/settings", json={"createIntegrationsOnFirstReport": False})
    report = {"kind": "global", "message": "it failed"}
    assert client.post(f"{URL}/nightly/failures", json=report).status_code == 404
    assert client.get(f"{URL}/nightly").status_code == 404


def test_a_registered_one_is_unregistered_before_it_is_deleted(
    client: FlaskClient, site: Installation
) -> None:
    set_up(site)
    answer = client.delete(f"{URL}/jira")
    assert answer.status_code == 409
    (use,) = answer.get_json()["usedBy"]
    assert use == {"kind": "registration", "name": "jira", "url": "/api/v1/registrations/jira"}
    assert client.delete(use["url"]).status_code == 204
    assert client.delete(f"{URL}/jira").status_code == 204


@pytest.mark.parametrize(
    "key", ["a/b", "a//b", "/", "ends/", "failures", "a/failures", "ü ☃", "50%"]
)
def test_a_key_may_hold_whatever_one_line_may_hold(client: FlaskClient, key: str) -> None:
    path = f"/api/v1/integrations/{quote(key, safe='')}"

    assert client.put(path, json={}).status_code == 201
    assert (
        client.post(f"{path}/failures", json={"kind": "global", "message": "x"}).status_code == 202
    )

    assert client.get(path).get_json()["key"] == key
