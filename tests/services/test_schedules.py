"""Schedules: the built-in ones of S1, which nobody changes."""

from __future__ import annotations

import pytest

from app.errors import Conflict, NotFound
from app.models import Schedule
from app.services import configuring, preferences
from app.services.installation import Installation
from app.services.schedules import SCHEDULES, ScheduleBody
from app.shapes import parse
from tests.services.makers import ACTOR, count_of

NAMES = {
    "30 Second Schedule": {"n": 30, "unit": "seconds"},
    "1 Minute Schedule": {"n": 1, "unit": "minutes"},
    "5 Minute Schedule": {"n": 5, "unit": "minutes"},
    "10 Minute Schedule": {"n": 10, "unit": "minutes"},
    "30 Minute Schedule": {"n": 30, "unit": "minutes"},
    "24 Hour Schedule": {"n": 24, "unit": "hours"},
    "On Demand": None,
}


def test_the_built_in_schedules_are_there(site: Installation) -> None:
    items, _ = configuring.page(SCHEDULES, site, 100, None)
    assert {item["name"]: item["every"] for item in items} == NAMES
    assert all(item["builtIn"] for item in items)


def test_a_schedule_tells_that_the_job_runs_by_it(site: Installation) -> None:
    used = [{"kind": "settings", "name": "postNotificationSchedule", "url": "/api/v1/settings"}]
    assert configuring.get(SCHEDULES, site, "30 Minute Schedule").document["usedBy"] == used
    preferences.patch(site, ACTOR, {"postNotificationSchedule": "On Demand"})
    assert configuring.get(SCHEDULES, site, "On Demand").document["usedBy"] == used
    assert configuring.get(SCHEDULES, site, "30 Minute Schedule").document["usedBy"] == []


def test_built_in_schedules_cannot_be_changed_or_deleted(site: Installation) -> None:
    body = parse(ScheduleBody, {"every": {"n": 1, "unit": "hours"}})
    with pytest.raises(Conflict, match="built in"):
        configuring.replace(SCHEDULES, site, ACTOR, "On Demand", body)
    with pytest.raises(Conflict, match="built in"):
        configuring.patch(SCHEDULES, site, ACTOR, "On Demand", {"zone": "Europe/Berlin"})
    with pytest.raises(Conflict, match="built in"):
        configuring.delete(SCHEDULES, site, ACTOR, "On Demand")
    assert count_of(site, Schedule) == len(NAMES)


def test_a_schedule_that_is_not_there_is_not_found(site: Installation) -> None:
    with pytest.raises(NotFound):
        configuring.get(SCHEDULES, site, "Hourly")
    with pytest.raises(NotFound):
        configuring.replace(SCHEDULES, site, ACTOR, "Hourly", parse(ScheduleBody, {}))
