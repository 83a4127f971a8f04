"""Schedules: who may change which, and that the pass follows the one in use at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from app.clock import utc_now
from app.domain.kinds import RunCause, RunState
from app.errors import Conflict, InUse, Invalid, NotFound
from app.models import DispatchRun, Preference, Schedule
from app.services import configuring, dispatch, preferences, processes
from app.services.installation import Installation
from app.services.schedule_shape import ScheduleBody
from app.services.schedules import SCHEDULES
from app.shapes import parse
from tests.services.makers import ACTOR, audited, count_of, with_bells

NAMES = {
    "30 Second Schedule": {"n": 30, "unit": "seconds"},
    "1 Minute Schedule": {"n": 1, "unit": "minutes"},
    "5 Minute Schedule": {"n": 5, "unit": "minutes"},
    "10 Minute Schedule": {"n": 10, "unit": "minutes"},
    "30 Minute Schedule": {"n": 30, "unit": "minutes"},
    "24 Hour Schedule": {"n": 24, "unit": "hours"},
    "On Demand": None,
}
DAILY: dict[str, Any] = {"every": {"n": 24, "unit": "hours"}}
OFTEN: dict[str, Any] = {"every": {"n": 30, "unit": "seconds"}}


def put(site: Installation, name: str = "Mine", /, **fields: Any) -> dict[str, Any]:
    """Make or replace a schedule."""
    body = parse(ScheduleBody, fields or DAILY)
    return configuring.replace(SCHEDULES, site, ACTOR, name, body).document


def patch(site: Installation, name: str = "Mine", /, **changes: Any) -> dict[str, Any]:
    """Change a part of a schedule."""
    return configuring.patch(SCHEDULES, site, ACTOR, name, changes).document


def choose(site: Installation, name: str = "Mine") -> None:
    """Let the pass run by the schedule of that name."""
    preferences.patch(site, ACTOR, {"postNotificationSchedule": name})


def chosen(site: Installation) -> str:
    """Return the name of the schedule by which the pass runs."""
    return str(preferences.get(site).document["postNotificationSchedule"])


def line_at(moment: datetime) -> str:
    """Return the cron line of the minute of `moment` every day, in UTC."""
    return f"{moment.minute} {moment.hour} * * *"


def ran(site: Installation, **ago: float) -> None:
    """Note a pass by schedule that ran so long ago, and that nothing was changed since."""
    at = utc_now() - timedelta(**ago)
    row = {"cause": RunCause.SCHEDULE, "state": RunState.DONE, "created_at": at}
    counts = dict.fromkeys(("considered", "notified", "held", "skipped", "failed"), 0)
    with site.store.writing() as connection:
        connection.execute(DispatchRun.__table__.insert().values(row | counts))
        changed = at - timedelta(days=1)
        connection.execute(update(Preference).values(updated_at=changed))
        connection.execute(update(Schedule).values(updated_at=changed))


def is_due(site: Installation) -> bool:
    """Whether the pass is queued when somebody looks."""
    return dispatch.request_if_due(site) is not None


def test_the_built_in_schedules_are_there(site: Installation) -> None:
    items, _ = configuring.page(SCHEDULES, site, 100, None)
    assert {item["name"]: item["every"] for item in items} == NAMES
    assert all(item["builtIn"] for item in items)


def test_a_schedule_tells_that_the_job_runs_by_it(site: Installation) -> None:
    used = [{"kind": "settings", "name": "postNotificationSchedule", "url": "/api/v1/settings"}]
    assert configuring.get(SCHEDULES, site, "30 Minute Schedule").document["usedBy"] == used
    choose(site, "On Demand")
    assert configuring.get(SCHEDULES, site, "On Demand").document["usedBy"] == used
    assert configuring.get(SCHEDULES, site, "30 Minute Schedule").document["usedBy"] == []


def test_built_in_schedules_cannot_be_changed_or_deleted(site: Installation) -> None:
    body = parse(ScheduleBody, {"every": {"n": 1, "unit": "hours"}})
    with pytest.raises(Conflict, match="built in"):
        configuring.replace(SCHEDULES, site, ACTOR, "On Demand", body)
    with pytest.raises(Conflict, match="'On Demand' is built in"):
        patch(site, "On Demand", name="Never")
    with pytest.raises(Conflict, match="built in"):
        configuring.delete(SCHEDULES, site, ACTOR, "On Demand")
    # Nor the one in use.
    with pytest.raises(Conflict, match="built in"):
        configuring.delete(SCHEDULES, site, ACTOR, "30 Minute Schedule")
    assert count_of(site, Schedule) == len(NAMES)
    assert audited(site) == []


def test_a_schedule_that_is_not_there_is_not_found(site: Installation) -> None:
    with pytest.raises(NotFound):
        configuring.get(SCHEDULES, site, "Hourly")
    with pytest.raises(NotFound):
        patch(site, "Hourly", **DAILY)


def test_a_schedule_without_times_is_refused(site: Installation) -> None:
    with pytest.raises(Invalid):
        put(site, every=None)
    assert count_of(site, Schedule) == len(NAMES)


def test_a_new_name_takes_the_setting_along_in_one_transaction(site: Installation) -> None:
    put(site)
    choose(site)
    patch(site, name="Ours")
    assert chosen(site) == "Ours"
    with site.store.reading() as connection:
        assert dispatch.current_schedule(connection).interval == timedelta(hours=24)
    with pytest.raises(InUse):
        configuring.delete(SCHEDULES, site, ACTOR, "Ours")


def test_choosing_and_deleting_at_once_never_leaves_a_setting_that_names_nothing(
    site: Installation,
) -> None:
    for number in range(5):
        name = f"Mine {number}"
        put(site, name)

        def delete_it(name: str = name) -> None:
            configuring.delete(SCHEDULES, site, ACTOR, name)

        def choose_it(name: str = name) -> None:
            choose(site, name)

        with ThreadPoolExecutor(2) as pool:
            done = [pool.submit(work) for work in (delete_it, choose_it)]
        errors = [type(one.exception()) for one in done if one.exception()]
        assert errors in ([InUse], [Invalid])
        configuring.get(SCHEDULES, site, chosen(site))


def test_a_setting_that_names_nothing_counts_as_the_default(site: Installation) -> None:
    put(site, **OFTEN)
    choose(site)
    with site.store.writing() as connection:
        connection.execute(delete(Schedule).where(Schedule.name == "Mine"))
    with site.store.reading() as connection:
        assert dispatch.current_schedule(connection).interval == timedelta(minutes=30)


def test_a_shorter_interval_of_the_schedule_in_use_takes_effect_at_once(
    site: Installation,
) -> None:
    site, bells = with_bells(site)
    put(site)
    choose(site)
    ran(site, minutes=2)
    assert not is_due(site)
    bells.rung.clear()

    patch(site, every={"n": 30, "unit": "seconds"})

    assert bells.rung == ["runs"]
    assert is_due(site)


def test_an_interval_that_is_not_over_yet_by_the_new_length_is_waited_for(
    site: Installation,
) -> None:
    put(site)
    choose(site)
    ran(site, minutes=2)
    patch(site, every={"n": 3, "unit": "minutes"})
    assert not is_due(site)


@pytest.mark.parametrize(("name", "changes"), [("Mine", OFTEN), ("On Demand", OFTEN)])
def test_a_change_of_a_schedule_wakes_the_workers_only_where_it_is_in_use(
    site: Installation, name: str, changes: dict[str, Any]
) -> None:
    site, bells = with_bells(site)
    put(site)
    choose(site, name)
    bells.rung.clear()
    patch(site, **changes)
    assert bells.rung == (["runs"] if name == "Mine" else [])
    bells.rung.clear()
    patch(site, **changes)
    patch(site, name="Ours")
    assert bells.rung == []


def test_a_cron_line_is_due_from_its_minute_on_and_once(site: Installation) -> None:
    now = utc_now()
    put(site, cron=line_at(now - timedelta(minutes=5)))
    choose(site)
    ran(site, hours=1)
    assert is_due(site)
    dispatch.run_queued(site, processes.register(site, "worker"))
    assert not is_due(site)


def test_a_cron_line_is_not_due_before_its_minute(site: Installation) -> None:
    put(site, cron=line_at(utc_now() + timedelta(minutes=5)))
    choose(site)
    ran(site, hours=1)
    assert not is_due(site)


def test_a_cron_line_waits_for_its_first_time_when_it_is_chosen_or_changed(
    site: Installation,
) -> None:
    passed = line_at(utc_now() - timedelta(minutes=5))
    ran(site, days=30)
    put(site, cron=passed)
    choose(site)
    assert not is_due(site)
    ran(site, hours=1)
    patch(site, cron=passed, zone="Etc/GMT")
    assert not is_due(site)


def test_of_the_runs_that_a_downtime_missed_one_is_made_up_for(site: Installation) -> None:
    put(site, cron="*/10 * * * *")
    choose(site)
    ran(site, days=2)
    assert is_due(site)
    dispatch.run_queued(site, processes.register(site, "worker"))
    assert not is_due(site)


def test_a_clock_that_was_set_back_does_not_stop_a_cron_line(site: Installation) -> None:
    put(site, cron="0 0 29 2 *")
    choose(site)
    ran(site, days=-3650)
    assert is_due(site)
    dispatch.run_queued(site, processes.register(site, "worker"))
    assert not is_due(site)


def test_a_change_from_cron_to_an_interval_counts_from_the_last_pass(site: Installation) -> None:
    put(site, cron="0 0 29 2 *")
    choose(site)
    ran(site, minutes=2)
    patch(site, cron=None, every={"n": 5, "unit": "minutes"})
    assert not is_due(site)
    patch(site, every={"n": 1})
    assert is_due(site)
