"""Settings over HTTP: one document, with GET, PUT and PATCH."""

from __future__ import annotations

from flask.testing import FlaskClient

from app.services import api_keys
from app.services.installation import Installation

URL = "/api/v1/settings"
DEFAULTS = {
    "postNotificationSchedule": "30 Minute Schedule",
    "smtpSystemForNotification": None,
    "paused": False,
    "repeatIntervalMinutes": 180,
    "createIntegrationsOnFirstReport": True,
}


def test_get_shows_every_setting(client: FlaskClient) -> None:
    assert client.get(URL).get_json() == DEFAULTS


def test_patch_changes_one_and_put_replaces_all(client: FlaskClient) -> None:
    assert client.patch(URL, json={"paused": True}).get_json() == {**DEFAULTS, "paused": True}
    answer = client.put(URL, json={"repeatIntervalMinutes": 5})
    assert answer.get_json() == {**DEFAULTS, "repeatIntervalMinutes": 5}
    assert client.get(URL).get_json() == answer.get_json()


def test_every_wrong_setting_is_named(client: FlaskClient) -> None:
    body = {"paused": 1, "repeatIntervalMinutes": 0, "colour": "red"}
    answer = client.put(URL, json=body)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.get_json()["errors"]} == {
        "/paused", "/repeatIntervalMinutes", "/colour",
    }  # fmt: skip
    body = {"postNotificationSchedule": "Hourly", "smtpSystemForNotification": "Nobody"}
    answer = client.patch(URL, json=body)
    assert {error["pointer"] for error in answer.get_json()["errors"]} == {
        "/postNotificationSchedule", "/smtpSystemForNotification",
    }  # fmt: skip
    assert client.get(URL).get_json() == DEFAULTS


def test_a_stale_if_match_is_412(client: FlaskClient) -> None:
    old = {"If-Match": client.get(URL).headers["ETag"]}
    assert client.patch(URL, json={"paused": True}, headers=old).status_code == 200
    assert client.put(URL, json={}, headers=old).status_code == 412
    assert client.get(URL).get_json()["paused"] is True


def test_only_admins_change_settings(client: FlaskClient, site: Installation) -> None:
    key = api_keys.create(site, "operator", ["operate"], actor="a test").reveal()
    headers = {"Authorization": f"Bearer {key}"}
    assert client.get(URL, headers=headers).status_code == 200
    assert client.patch(URL, json={"paused": True}, headers=headers).status_code == 403
    assert client.put(URL, json={}, headers=headers).status_code == 403


def test_settings_are_not_made_or_deleted(client: FlaskClient) -> None:
    assert client.post(URL, json={}).status_code == 405
    assert client.delete(URL).status_code == 405
