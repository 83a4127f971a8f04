"""Bad input (quality.md): every field of the configuration by each hostile value, never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.services.installation import Installation
from tests.services.makers import NO_LOGIN, put_integration, put_system

API = "/api/v1"
SYSTEM = {
    "kind": "smtp", "version": "N/A", "status": "running", "fallback": None, "retryPolicy": None,
    "options": {
        **NO_LOGIN, "port": 25, "encryption": "starttls", "username": "u", "timeout": 5,
        "toEmail": "a@b.example", "ccEmail": "", "bounceEmail": "", "verifyTls": True,
        "caPem": None, "allowAuthWithoutTls": False,
    },
    "secrets": {"password": "p"},
}  # fmt: skip
INTEGRATION = {
    "name": "n", "system1": "a", "system2": "b", "bidirectional": True, "maxRetryCount": 3,
    "forward": {"status": "active"}, "backward": {"status": "inactive"},
}  # fmt: skip
DIRECTION = {
    "recipients": ["a@b.example"], "cc": [], "subjectPrefix": "",
    "global": {
        "enabled": True, "noActivityMinutes": 5, "immediately": False, "failureCount": 3,
    },
    "processing": {
        "enabled": True, "beforeMaxRetries": False, "recipients": ["a@b.example"], "cc": [],
    },
}  # fmt: skip
REGISTRATION = {
    "system": "Mail", "includeErrorTrace": True, "sameForBackward": False, "tellRecovery": True,
    "forward": DIRECTION, "backward": DIRECTION,
}  # fmt: skip
SETTINGS = {
    "postNotificationSchedule": "On Demand", "smtpSystemForNotification": "Mail", "paused": False,
    "repeatIntervalMinutes": 5, "createIntegrationsOnFirstReport": True,
}  # fmt: skip
INTERVAL = {"every": {"n": 5, "unit": "minutes"}, "cron": None, "zone": None}
CRON = {"every": None, "cron": "0 8 * * MON-FRI", "zone": "Europe/Berlin"}
RESOURCES: list[tuple[str, dict[str, Any]]] = [
    ("/systems/Other", SYSTEM),
    ("/integrations/other", INTEGRATION),
    ("/registrations/job", REGISTRATION),
    ("/settings", SETTINGS),
    ("/schedules/Other", INTERVAL),
    ("/schedules/Another", CRON),
]

HOSTILE: dict[str, Any] = {
    "null": None, "true": True, "minus": -1, "huge": 2**63, "larger": 10**400, "decimal": 1.5,
    "empty": "", "blank": " ", "long": "x" * 70_000, "crlf": "a\r\nBcc: b@example.org",
    "nul": "a\x00b", "surrogate": "a\ud800b", "line": "a\u2028b", "rtl": "a\u202egnp.exe",
    "emoji": "👩‍👩‍👧‍👦", "list": [], "nested": [[{}]], "object": {}, "keys": {"\x00": "\ud800"},
    "sql": "'; DROP TABLE systems; --", "markup": "<script>alert(1)</script>",
}  # fmt: skip


def places(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every field of a document."""
    for name, value in document.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from places(value, (*path, name))


def with_value(document: Any, path: tuple[str, ...], value: Any) -> Any:
    """Return the document with one field changed."""
    name, *rest = path
    inner = with_value(document[name], tuple(rest), value) if rest else value
    return {**document, name: inner}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_each_hostile_value_is_taken_as_it_is_or_refused(
    client: FlaskClient, site: Installation, value: Any
) -> None:
    put_system(site)
    put_integration(site, "job")
    for url, document in RESOURCES:
        for path in places(document):
            for method, body in (
                ("PUT", with_value(document, path, value)),
                ("PATCH", with_value({path[0]: document[path[0]]}, path, value)),
            ):
                answer = client.open(
                    API + url, method=method, data=json.dumps(body), content_type="application/json"
                )
                assert answer.status_code in (200, 201, 400, 404, 422), (url, path, answer.text)
        shown = client.get(API + url)
        assert shown.status_code in (200, 404)
        if shown.status_code == 200:
            back = client.put(API + url, data=shown.data, content_type="application/json")
            assert back.status_code == 200, (url, back.text)
