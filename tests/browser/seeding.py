"""What the screens show in tests and pictures: made by the HTTP interface, as users make it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.harness.client import Api
from tests.harness.fixtures import ON_DEMAND
from tests.harness.waiting import eventually

INTEGRATIONS = (
    ("jira-servicenow", "Jira to ServiceNow", "Jira", "ServiceNow"),
    ("github-azure", "GitHub to Azure DevOps", "GitHub", "Azure DevOps"),
    ("salesforce-sap", "Salesforce to SAP", "Salesforce", "SAP"),
    ("zendesk-jira", "Zendesk to Jira", "Zendesk", "Jira"),
)
EVENTS = (
    ("metrics", "critical", "Disk /var is 97 % full"),
    ("backups", "warning", "Unable to find local snapshot"),
    ("repairs", "info", "Repair of keyspace orders has finished"),
    ("metrics", "error", "Read latency above 200 ms for 10 minutes"),
)
TRACE = "LoginError: 401 Unauthorized\n  at sync/login.py line 42\n  at sync/run.py line 7"


def seed(api: Api) -> Mapping[str, str]:
    """Fill an empty installation; return names and ids that paths of screens need."""
    api.set(postNotificationSchedule=ON_DEMAND)
    api.mail_system("Company mail", 9)  # nothing listens there: mail waits
    for key, name, one, other in INTEGRATIONS:
        api.put(f"/integrations/{key}", {"name": name, "system1": one, "system2": other})
    forward = {"recipients": ["ops@example.com"], "global": {"immediately": True}}
    for key, *_ in INTEGRATIONS[:2]:
        api.put(f"/registrations/{key}", {"system": "Company mail", "forward": forward})
    for number, (key, *_) in enumerate(INTEGRATIONS):
        made = api.fail(key, errorCode="AUTH_401", message="Login refused", trace=TRACE)
        field = api.fail(
            key,
            kind="processing",
            errorCode="FIELD",
            message="Field priority has no value",
            entityType="Issue",
            entityId=f"OPS-{number + 1}",
        )
    api.active(INTEGRATIONS[2][0], processed=12)
    api.put("/schedules/Hourly", {"every": {"n": 1, "unit": "hours"}})
    first = INTEGRATIONS[0][0]
    bulk = {"system": "Company mail", "forward": {"recipients": ["ops@example.com"]}}
    api.sure("POST", "/registrations/bulk", {"integrations": [first], "registration": bulk})
    routed = _seed_events(api)
    waiting = eventually("a mail that waits", lambda: api.items("/deliveries"))
    return {
        "delivery": str(waiting[0]["id"]),
        "schedule": "Hourly",
        "integration": first,
        "integration_id": str(api.get(f"/integrations/{first}")["id"]),
        "job": str(api.items("/jobs")[0]["id"]),
        "failure": str(made["failure"]["id"]),
        "processing": str(field["failure"]["id"]),
        "system": "Company%20mail",
        **routed,
    }


def _seed_events(api: Api) -> dict[str, str]:
    """Route events to a webhook at which nothing listens: its lane is in retry."""
    options = {
        "url": "http://127.0.0.1:9/in",
        "attributes": [{"type": "Header", "key": "X-Team", "value": "$source"}],
        "timeout": 5,
    }
    api.put("/systems/Chat%20hook", {"kind": "webhook", "options": options})
    cells = [
        {"source": source, "severity": severity, "systems": ["Chat hook"]}
        for source, severity in (("metrics", "error"), ("backups", "warning"))
    ]
    api.put("/routes", {"cells": cells, "subscriptions": []})
    events = [
        {
            "source": source,
            "severity": severity,
            "title": title,
            "node": f"node-{number}",
            "labels": {"cluster": "eu-west", "rack": "r1"},
            "dedupKey": f"seed-{number}",
            "trace": TRACE,
        }
        for number, (source, severity, title) in enumerate(EVENTS)
    ]
    taken = api.sure("POST", "/events", events).of(202)["events"]
    event = str(taken[0]["id"])
    found = eventually("a routed delivery", lambda: api.items("/deliveries", event=event))
    return {"event": event, "routed": str(found[0]["id"]), "hook": "Chat%20hook"}
