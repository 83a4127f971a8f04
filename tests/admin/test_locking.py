"""Forms that somebody has overtaken, fields that were emptied, and forms that were left open."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.domain.people import Role
from app.models import Integration
from app.pages.access import LARGEST
from app.services import configuring, people, preferences
from app.services.installation import Installation
from app.services.integrations import INTEGRATIONS
from app.services.named import Collection
from app.services.registrations import REGISTRATIONS
from app.services.schedules import SCHEDULES
from app.services.systems import SYSTEMS
from tests.admin.person import Person, words
from tests.services.makers import put_integration, put_system, register, set_up
from tests.simulated import Simulated
from tests.web.helpers import add, sign_in, token

Typed = dict[str, str]
TOLD = "Somebody else has saved this while the form was open."
SEEN = "seen-version"
EVERY = {"name": "Mine", "how": "interval", "every__n": "20", "every__unit": "minutes"}
INTEGRATION = {"name": "Renamed", "system1": "Jira", "bidirectional": "yes", "maxRetryCount": "4"}
NOTIFICATION = {
    "system": "Mail",
    "includeErrorTrace": "yes",
    "sameForBackward": "yes",
    "forward__recipients": "typed@corp.example",
    "forward__cc": "",
    "forward__subjectPrefix": "",
    "forward__global__enabled": "yes",
    "forward__global__noActivityMinutes": "60",
    "forward__global__failureCount": "7",
    "forward__processing__enabled": "yes",
    "backward__recipients": "",
}


def fields(page: str) -> Typed:
    """Return what the form of a page carries of the version that it was made from."""
    found = re.search(rf'name="{SEEN}" value="([^"]+)"', page)
    assert found, "the form does not say what it was made from"
    return {SEEN: found[1]}


def document(site: Installation, coll: Collection[Any, Any], name: str) -> Mapping[str, Any]:
    return configuring.get(coll, site, name).document


def integration_id(site: Installation, key: str = "jira") -> int:
    with site.store.reading() as connection:
        return connection.scalar(select(Integration.id).where(Integration.key == key)) or 0


def overtaken(
    person: Person, page: str, typed: Typed, other: Callable[[], object], kept: Callable[[], object]
) -> None:
    """Check that saving `typed` after `other` changes nothing, tells it, and does it if repeated.

    `kept` returns what is stored.
    """
    seen = fields(person.get(page).text)
    other()
    before = kept()

    answer = person.post(page, **typed, **seen)

    assert answer.status_code == 422, words(answer)
    assert TOLD in words(answer)
    assert kept() == before
    for value in typed.values():
        assert value in answer.text
    again = person.post(page, **typed, **fields(answer.text))
    assert again.status_code == 303, words(again)
    assert kept() != before


def test_a_registration_is_not_put_over_what_somebody_else_saved(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    page = f"/integrations/{integration_id(site)}/notification"
    changes = {"forward": {"recipients": ["other@corp.example"]}}

    overtaken(
        operator,
        page,
        NOTIFICATION,
        lambda: configuring.patch(REGISTRATIONS, site, "other", "jira", changes),
        lambda: document(site, REGISTRATIONS, "jira"),
    )


def test_what_was_registered_or_unregistered_meanwhile_is_told_first(
    site: Installation, operator: Person
) -> None:
    put_system(site)
    put_integration(site)
    page = f"/integrations/{integration_id(site)}/notification"
    first = fields(operator.get(page).text)
    register(site)
    second = fields(operator.get(page).text)

    assert TOLD in words(operator.post(page, **NOTIFICATION, **first))
    configuring.delete(REGISTRATIONS, site, "other", "jira")
    answer = operator.post(page, **NOTIFICATION, **second)
    assert TOLD in words(answer)
    operator.done(page, **NOTIFICATION, **fields(answer.text))
    assert document(site, REGISTRATIONS, "jira")["forward"]["recipients"] == ["typed@corp.example"]


def test_a_direction_that_came_while_the_form_was_open_is_told_and_begins_like_the_other(
    site: Installation, operator: Person
) -> None:
    put_system(site)
    put_integration(site, bidirectional=False)
    page = f"/integrations/{integration_id(site)}/notification"
    typed = {name: v for name, v in NOTIFICATION.items() if name.startswith(("forward", "system"))}
    seen = fields(operator.get(page).text)
    configuring.patch(INTEGRATIONS, site, "other", "jira", {"bidirectional": True})

    answer = operator.post(page, **typed, **seen)

    assert TOLD in words(answer)
    assert re.search(r'name="sameForBackward" value="yes" checked', answer.text)


def test_the_form_keeps_its_version_through_a_test_and_a_wrong_value_and_reset_renews_it(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    page = f"/integrations/{integration_id(site)}/notification"
    seen = fields(operator.get(page).text)
    changes = {"forward": {"recipients": ["other@corp.example"]}}
    configuring.patch(REGISTRATIONS, site, "other", "jira", changes)

    tested = operator.post(f"{page}/test", **NOTIFICATION, **seen)
    assert fields(tested.text) == seen
    data = {"csrf_token": operator.token, **seen}
    reset = operator.client.post(f"{page}/reset", data=data, headers={"X-Fragment": "yes"})
    assert fields(reset.text) == fields(operator.get(page).text) != seen


def test_an_integration_is_not_put_over_what_somebody_else_saved(
    site: Installation, admin: Person
) -> None:
    put_integration(site)

    overtaken(
        admin,
        f"/integrations/{integration_id(site)}/edit",
        INTEGRATION,
        lambda: configuring.patch(INTEGRATIONS, site, "other", "jira", {"system2": "Elsewhere"}),
        lambda: document(site, INTEGRATIONS, "jira"),
    )


def test_a_schedule_is_not_put_over_what_somebody_else_saved(
    site: Installation, admin: Person
) -> None:
    admin.done("/schedules/new", **EVERY)

    overtaken(
        admin,
        "/schedules/-/edit/Mine",
        {**EVERY, "every__n": "40"},
        lambda: configuring.patch(SCHEDULES, site, "other", "Mine", {"every": {"n": 30}}),
        lambda: document(site, SCHEDULES, "Mine"),
    )


@pytest.mark.parametrize("by", ["an admin", "the user"])
def test_a_user_is_not_put_over_what_somebody_else_saved(
    site: Installation, app: Flask, admin: Person, by: str
) -> None:
    number = add(app, email="new@example.com")

    def other() -> None:
        if by == "the user":
            people.save_account(site, number, name="Me", zone="UTC", theme="auto", actor="me")
        else:
            people.update(site, number, name="", role="operator", disabled=False, actor="other")

    typed = {"name": "Typed", "role": "viewer", "active": "yes"}
    overtaken(admin, f"/users/{number}", typed, other, lambda: people.get(site, number))


def test_a_look_that_a_user_chose_overtakes_no_form_of_an_admin(
    site: Installation, app: Flask, admin: Person
) -> None:
    number = add(app, email="new@example.com")
    seen = fields(admin.get(f"/users/{number}").text)

    people.save_account(site, number, name="", zone="UTC", theme="dark", actor="me")

    admin.done(f"/users/{number}", name="Typed", role="viewer", active="yes", **seen)


def test_an_emptied_field_of_a_system_has_its_default_again(
    site: Installation, admin: Person
) -> None:
    options = {"port": 26, "timeout": 5, "toEmail": "me@example.org", "username": "me"}
    put_system(site)
    configuring.patch(SYSTEMS, site, "other", "Mail", {"options": options, "version": "2"})
    typed = {
        "name": "Mail",
        "options__server": "127.0.0.1",
        "options__encryption": "starttls",
        "options__senderEmail": "tocsin@corp.example",
        "options__authenticationRequired": "yes",
        "secrets__password": "secret",
    }
    emptied = ("port", "timeout", "toEmail", "username")

    typed |= {f"options__{one}": " " for one in emptied}
    admin.done("/systems/Mail", **typed, version="")

    saved = document(site, SYSTEMS, "Mail")
    found = {name: saved["options"][name] for name in emptied}
    assert found == {"port": 587, "timeout": 30.0, "toEmail": "", "username": None}
    assert saved["version"] == "N/A"


def test_an_emptied_field_of_a_registration_has_its_default_again(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    page = f"/integrations/{integration_id(site)}/notification"
    operator.done(page, **NOTIFICATION | {"forward__cc": "cc@corp.example"})
    numbers = {"forward__global__noActivityMinutes": "", "forward__global__failureCount": ""}

    operator.done(page, **NOTIFICATION | numbers)

    forward = document(site, REGISTRATIONS, "jira")["forward"]
    assert forward["cc"] == []
    assert (forward["global"]["noActivityMinutes"], forward["global"]["failureCount"]) == (None, 3)


def test_an_emptied_setting_has_its_default_again(site: Installation, admin: Person) -> None:
    preferences.patch(site, "other", {"repeatIntervalMinutes": 5})
    wishes = {"postNotificationSchedule": "On Demand", "smtpSystemForNotification": ""}

    admin.done("/tocsin/", **wishes, repeatIntervalMinutes="")

    assert preferences.get(site).document["repeatIntervalMinutes"] == 180


def test_a_needed_number_that_was_emptied_is_asked_for(site: Installation, admin: Person) -> None:
    put_integration(site)
    page = f"/integrations/{integration_id(site)}/edit"

    answer = admin.post(page, **INTEGRATION | {"maxRetryCount": ""})

    assert answer.status_code == 422
    assert "Max retry count" in words(answer)


def test_a_form_left_open_for_days_can_be_saved(
    simulated: Simulated, site: Installation, admin: Person
) -> None:
    put_integration(site)
    page = f"/integrations/{integration_id(site)}/edit"
    seen = fields(admin.get(page).text)

    simulated.passes(days=13)

    admin.done(page, **INTEGRATION, **seen)
    assert document(site, INTEGRATIONS, "jira")["name"] == "Renamed"


def test_a_form_whose_session_has_ended_leads_to_the_sign_in_and_can_be_sent_again(
    simulated: Simulated, site: Installation, admin: Person
) -> None:
    put_integration(site)
    page = f"/integrations/{integration_id(site)}/edit"
    form = {"csrf_token": token(admin.client, page), **INTEGRATION, **fields(admin.get(page).text)}
    simulated.passes(days=15)

    referer = {"Referer": f"http://localhost{page}"}
    refused = admin.client.post(page, data=form, headers=referer)

    assert refused.status_code == 401
    assert "nothing was saved" in words(refused)
    assert document(site, INTEGRATIONS, "jira")["name"] != "Renamed"
    link = re.search(r'href="(/sign-in\?next=[^"]+)"', refused.text)
    assert link, refused.text
    there = re.search(r'name="next" value="([^"]+)"', admin.get(link[1]).text)
    assert there
    assert there[1] == page
    assert sign_in(admin.client, next=page).location == page
    assert admin.client.post(page, data=form).status_code == 303
    assert document(site, INTEGRATIONS, "jira")["name"] == "Renamed"


def test_a_form_of_one_user_is_not_sent_by_another_nor_after_a_sign_out(
    simulated: Simulated, app: Flask, site: Installation, admin: Person
) -> None:
    put_integration(site)
    page = f"/integrations/{integration_id(site)}/edit"
    form = {"csrf_token": token(admin.client, page), **INTEGRATION}
    add(app, email="second@example.com")
    simulated.passes(days=15)

    assert sign_in(admin.client, "second@example.com").status_code == 303
    assert admin.client.post(page, data=form).status_code == 400
    mine = {**form, "csrf_token": token(admin.client, page)}
    admin.client.post("/sign-out", data=mine)
    assert sign_in(admin.client, "second@example.com").status_code == 303
    refused = admin.client.post(page, data=mine)
    assert refused.status_code == 400
    assert "Nothing was saved" in words(refused)


def test_a_form_that_is_too_large_says_so_and_that_nothing_was_saved(
    site: Installation, admin: Person
) -> None:
    put_integration(site)

    page = f"/integrations/{integration_id(site)}/edit"
    answer = admin.post(page, **INTEGRATION | {"system2": "x" * LARGEST})

    assert answer.status_code == 413
    assert "larger than this server takes. Nothing was saved" in words(answer)


def test_a_form_without_its_token_says_that_nothing_was_saved(admin: Person) -> None:
    answer = admin.client.post("/integrations/new", data=INTEGRATION)

    assert answer.status_code == 400
    assert "Nothing was saved. Go back, load the page again" in words(answer)


def test_what_a_user_form_began_with_holds_until_it_is_saved(
    site: Installation, app: Flask
) -> None:
    add(app)
    number = add(app, Role.VIEWER, "new@example.com")
    started: list[Thread] = []

    def other() -> None:
        people.save_account(site, number, name="Me", zone="UTC", theme="auto", actor="me")

    def condition(_version: str | None) -> None:
        started.append(Thread(target=other))
        started[0].start()
        started[0].join(0.3)
        assert started[0].is_alive()

    people.update(
        site, number, name="A", role="viewer", disabled=False, actor="a", condition=condition
    )
    started[0].join(10)

    assert people.get(site, number).name == "Me"
