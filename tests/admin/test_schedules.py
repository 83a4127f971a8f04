"""The screen Schedules: made, used, changed and deleted in the browser."""

from __future__ import annotations

import pytest

from app.services import preferences
from app.services.installation import Installation
from tests.admin.person import Person, words

INTERVAL = {"name": "Often", "how": "interval", "every__n": "20", "every__unit": "minutes"}


def test_a_schedule_is_made_used_and_named_as_in_use(site: Installation, admin: Person) -> None:
    said = admin.done("/schedules/new", **INTERVAL)
    assert "The schedule Often was made." in said
    assert "Every 20 minutes" in said

    admin.done("/schedules/-/use/Often")

    assert preferences.get(site).document["postNotificationSchedule"] == "Often"
    assert "Often in use" in admin.text("/schedules/")


def test_what_is_wrong_stands_at_its_field_and_typed_values_stay(admin: Person) -> None:
    answer = admin.post("/schedules/new", **{**INTERVAL, "every__n": "5", "every__unit": "seconds"})

    assert answer.status_code == 422
    assert "must be a whole number from 10 to" in words(answer)
    assert 'href="#f-every.n"' in answer.text
    assert 'value="5"' in answer.text
    assert 'value="Often"' in answer.text


def test_a_hidden_field_is_ignored_whatever_was_sent_for_it(admin: Person) -> None:
    said = admin.done("/schedules/new", **INTERVAL, cron="nonsense", zone="Mars/Olympus")

    assert "Every 20 minutes" in said


def test_a_cron_line_takes_the_place_of_an_interval(admin: Person) -> None:
    admin.done("/schedules/new", **INTERVAL)

    said = admin.done(
        "/schedules/-/edit/Often", name="Often", how="cron", cron="0 8 * * MON-FRI", zone="UTC"
    )

    assert "Every 20 minutes" not in said


def test_deleting_asks_first_and_is_refused_while_in_use(admin: Person) -> None:
    admin.done("/schedules/new", **INTERVAL)

    asked = admin.post("/schedules/-/delete/Often")
    assert asked.status_code == 200
    assert "The schedule Often will be deleted." in words(asked)
    assert "Often" in admin.text("/schedules/")
    assert "was deleted" in admin.done("/schedules/-/delete/Often", sure="yes")

    used = admin.post("/schedules/-/delete/30 Minute Schedule", sure="yes")
    assert used.status_code == 409


def test_on_demand_warns_that_mail_waits(admin: Person) -> None:
    assert "pending mail waits" in admin.done("/schedules/-/use/On Demand")


def test_pause_is_told_on_every_page(admin: Person) -> None:
    admin.done("/schedules/pause", paused="yes", sure="yes")

    assert "Sending is paused" in admin.text("/deliveries/")


@pytest.mark.parametrize(
    "path", ["/schedules/new", "/schedules/pause", "/schedules/-/use/On Demand"]
)
def test_an_operator_changes_no_schedule(operator: Person, path: str) -> None:
    assert operator.post(path, **INTERVAL).status_code == 403


def test_an_operator_runs_the_job_by_hand(operator: Person) -> None:
    assert "by hand" in operator.done("/schedules/run")
