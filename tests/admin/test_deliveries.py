"""The screen Deliveries: lists, details, cancelling, CSV, and the lanes that do not flow."""

from __future__ import annotations

from app.domain.kinds import DeliveryState
from app.services import configuring
from app.services.installation import Installation
from app.services.systems import SYSTEMS
from tests.admin.person import Person, words
from tests.services.makers import ACTOR, set_up, waiting_mail


def test_what_waits_is_listed_and_cancelled_after_a_question(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    number = waiting_mail(site)
    assert "Waiting for the next run" in operator.text("/deliveries/")

    assert "will not be sent" in words(operator.post(f"/deliveries/{number}/cancel"))
    said = operator.done(f"/deliveries/{number}/cancel", sure="yes")

    assert "Cancelled: by an operator" in said


def test_a_filter_stands_in_the_url_and_its_chip_takes_it_away(
    site: Installation, viewer: Person
) -> None:
    set_up(site)
    waiting_mail(site)

    found = viewer.get("/deliveries/?state=pending&system=Mail")
    assert "1 delivery" in words(found)
    assert 'href="/deliveries/?system=Mail"' in found.text
    assert "No deliveries match" in viewer.text("/deliveries/?state=dead")


def test_a_parameter_that_is_not_understood_is_told_and_left_out(
    site: Installation, viewer: Person
) -> None:
    set_up(site)
    waiting_mail(site)

    said = viewer.text("/deliveries/?state=gone&period=hours&n=200")

    assert "State must be" in said
    assert "Period must be a whole number from 1 to 99." in said
    assert "1 delivery" in said


def test_nothing_sent_yet_and_nothing_found_differ(viewer: Person) -> None:
    assert "Nothing was sent yet" in viewer.text("/deliveries/")
    assert "No deliveries match" in viewer.text("/deliveries/?kind=test")


def test_csv_holds_every_row_of_the_filter(site: Installation, viewer: Person) -> None:
    set_up(site)
    for _ in range(3):
        waiting_mail(site)

    answer = viewer.get("/deliveries/export.csv?state=pending")

    assert answer.content_type == "text/csv; charset=utf-8"
    assert len(answer.text.splitlines()) == 4
    assert str(DeliveryState.PENDING) in answer.text


def test_a_paused_system_is_told_with_what_waits(site: Installation, viewer: Person) -> None:
    set_up(site)
    waiting_mail(site)
    configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"status": "paused"})

    assert "Mail is paused since" in viewer.text("/deliveries/")
    assert "1 waiting" in viewer.text("/deliveries/")


def test_a_viewer_cancels_nothing(site: Installation, viewer: Person) -> None:
    set_up(site)

    assert viewer.post(f"/deliveries/{waiting_mail(site)}/cancel").status_code == 403
