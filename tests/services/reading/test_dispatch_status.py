"""The dispatch status of the top bar."""

from __future__ import annotations

from app.clock import utc_now
from app.domain.kinds import RunCause
from app.services import dispatch, preferences, processes
from app.services.installation import Installation
from app.services.reading import dispatch_status
from tests.services.makers import ACTOR


def test_the_status_says_why_no_run_comes_or_when_the_next_does(site: Installation) -> None:
    assert dispatch_status.read(site, utc_now()).text == "no scheduler alive"
    processes.register(site, "scheduler")
    dispatch.request(site, RunCause.SCHEDULE)
    assert dispatch_status.read(site, utc_now()).text == "next run in 29 min"
    preferences.patch(site, ACTOR, {"postNotificationSchedule": "On Demand"})
    assert dispatch_status.read(site, utc_now()).text == "On Demand: runs only by hand"
    preferences.patch(site, ACTOR, {"paused": True})
    assert dispatch_status.read(site, utc_now()).paused
