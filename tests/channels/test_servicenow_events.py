"""ServiceNow's Event Management over a double: records, severities, keys and lengths."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.channels.base import Receipt
from app.channels.notice import TEST, Notice
from tests.channels.service_system import HOSTILE, LINK, event, notice, resolved
from tests.channels.servicenow_system import refused, tell
from tests.servers.doubles.servicenow import EVENTS, ServiceNow


@pytest.fixture
def instance() -> Iterator[ServiceNow]:
    with ServiceNow() as made:
        yield made


def told(instance: ServiceNow, *messages: Notice) -> list[Receipt]:
    return tell(instance, *messages, mode="Event Management")


def test_an_event_becomes_a_record_in_the_documented_shape(instance: ServiceNow) -> None:
    (receipt,) = told(instance, notice(event(integration="crm")))

    assert instance.requests == [f"POST {EVENTS}"]
    assert receipt.answer.startswith('200 OK: {"result": {"Default Bulk Endpoint": "1 events')
    (record,) = instance.em_events
    more = json.loads(record.pop("additional_info"))
    assert record.pop("description").startswith("Snapshot failed\n\nThe snapshot of node 3")
    assert record == {
        "source": "Tocsin",
        "event_class": "backups",
        "node": "db-3.example.org",
        "resource": "crm",
        "type": "backups",
        "message_key": "tocsin-7",
        "severity": "2",
        "time_of_event": "2026-11-03 10:30:00",
    }
    assert more["label cluster"] == "main"
    assert (more["tocsin"], more["id"], more["count"]) == (LINK, "7", "1")


@pytest.mark.parametrize(
    ("severity", "received", "expected"),
    [
        ("error", "critical", "1"),
        ("error", "error", "2"),
        ("warning", "warning", "4"),
        ("info", "info", "5"),
    ],
)
def test_severities_are_those_of_event_management(
    instance: ServiceNow, severity: str, received: str, expected: str
) -> None:
    told(instance, notice(event(severity=severity, severityReceived=received)))

    assert instance.em_events[0]["severity"] == expected


def test_a_resolve_clears_with_the_same_key(instance: ServiceNow) -> None:
    told(instance, notice(event(7, dedupKey="disk")), resolved(8, dedupKey="disk"))

    shown = [(one["message_key"], one["severity"]) for one in instance.em_events]
    assert shown == [("disk", "2"), ("disk", "0")]


def test_a_test_has_a_key_of_its_own_and_clears_nothing(instance: ServiceNow) -> None:
    told(instance, notice(event(dedupKey="disk", status="resolved"), type=TEST, id="msg_test"))

    (one,) = instance.em_events
    assert (one["message_key"], one["severity"]) == ("tocsin-test-msg_test", "5")


def test_several_events_are_several_records_in_their_order(instance: ServiceNow) -> None:
    told(instance, notice(event(1), event(2, status="resolved"), event(3)))

    shown = [(one["message_key"], one["severity"]) for one in instance.em_events]
    assert shown == [("tocsin-1", "2"), ("tocsin-2", "0"), ("tocsin-3", "2")]


def test_every_attempt_has_the_same_key(instance: ServiceNow) -> None:
    instance.says(503)
    refused(instance, mode="Event Management")
    told(instance, notice())

    keys = {hit.document["records"][0]["message_key"] for hit in instance.server.hits}
    assert (keys, len(instance.em_events)) == ({"tocsin-7"}, 1)


def test_long_texts_are_cut_and_keep_the_link_and_long_keys_stay_distinct(
    instance: ServiceNow,
) -> None:
    labels = {f"label-{number}": "ü" * 1_000 for number in range(50)}
    parts: dict[str, Any] = {"node": "n" * 255, "labels": labels, "trace": "t" * 1_000_000}
    keys = ["k" * 1_024, "k" * 1_025, "k" * 1_026]
    told(instance, *(notice(event(dedupKey=key, **parts)) for key in keys))

    sent = [hit.document["records"][0] for hit in instance.server.hits]
    assert sent == instance.em_events
    assert len({one["message_key"] for one in sent}) == 3
    for one in sent:
        assert len(one["description"]) == 4_000
        assert one["description"].endswith(f"… (cut)\n\nTocsin: {LINK}")
        assert len(one["additional_info"]) <= 4_000
        assert json.loads(one["additional_info"])["tocsin"] == LINK


def test_hostile_text_arrives_as_it_is(instance: ServiceNow) -> None:
    told(instance, notice(event(title=HOSTILE, dedupKey=HOSTILE, labels={HOSTILE: HOSTILE})))

    (one,) = instance.em_events
    assert one["message_key"] == HOSTILE
    assert one["description"].startswith(HOSTILE)
    assert json.loads(one["additional_info"])[f"label {HOSTILE}"] == HOSTILE


@pytest.mark.parametrize("at", [None, "soon", "2026-11-03T12:31:00+02:00"])
def test_a_time_is_in_gmt_and_one_that_is_missing_that_of_the_notice(
    instance: ServiceNow, at: str | None
) -> None:
    told(instance, notice(event(occurredAt=at)))

    assert instance.em_events[0]["time_of_event"] == "2026-11-03 10:31:00"
