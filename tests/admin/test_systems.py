"""System Configuration in the browser: made, checked, tested, renamed, paused, deleted."""

from __future__ import annotations

import pytest

from app.pages.fields import quoted
from app.services import configuring
from app.services.installation import Installation
from app.services.systems import SYSTEMS
from tests.admin.person import Person, words
from tests.services.makers import NO_LOGIN, audited, put_system, set_up

PASSWORD = "a-canary-secret-9731"
FORM = {
    "kind": "smtp",
    "name": "Mail",
    "options__server": "mail.corp.example",
    "options__port": "587",
    "options__encryption": "starttls",
    "options__authenticationRequired": "yes",
    "options__senderEmail": "tocsin@corp.example",
    "secrets__password": PASSWORD,
}


def document(site: Installation, name: str = "Mail") -> dict[str, object]:
    return configuring.get(SYSTEMS, site, name).document


def test_a_system_is_made_and_its_password_is_in_no_answer(
    site: Installation, admin: Person
) -> None:
    said = admin.done("/systems/new", **FORM)

    assert "Mail was saved." in said
    assert document(site)["secrets"] == {"password": {"set": True, "setAt": _any(site)}}
    for path in ("/systems/Mail", "/systems/-/history/Mail", "/audit-log/", "/systems/"):
        assert PASSWORD not in admin.get(path).text
    assert PASSWORD not in str(audited(site))


def _any(site: Installation) -> object:
    secrets = document(site)["secrets"]
    assert isinstance(secrets, dict)
    return secrets["password"]["setAt"]


def test_saved_unchanged_nothing_changes_and_an_empty_password_stays(
    site: Installation, admin: Person
) -> None:
    admin.done("/systems/new", **FORM)
    before, entries = document(site), len(audited(site))

    admin.done("/systems/Mail", **{**FORM, "secrets__password": ""})

    assert document(site) == before
    assert len(audited(site)) == entries


def test_a_password_that_is_hidden_is_ignored(site: Installation, admin: Person) -> None:
    admin.done("/systems/new", **{**FORM, "options__authenticationRequired": "no"})

    assert document(site)["secrets"] == {}


@pytest.mark.parametrize("login", ["yes", "no"])
def test_the_sender_is_required_with_and_without_login(admin: Person, login: str) -> None:
    fields = {**FORM, "options__authenticationRequired": login, "options__senderEmail": ""}

    answer = admin.post("/systems/new", **fields)

    assert answer.status_code == 422
    assert 'href="#f-options.senderEmail"' in answer.text
    assert PASSWORD not in answer.text
    assert 'value="mail.corp.example"' in answer.text


@pytest.mark.parametrize(
    ("port", "taken"), [("1", True), ("0", False), ("1.5", False), ("x", False)]
)
def test_a_port_names_its_range(admin: Person, port: str, taken: bool) -> None:
    answer = admin.post("/systems/new", **{**FORM, "options__port": port})

    assert answer.status_code == (303 if taken else 422)
    if not taken:
        assert "SMTP Port must be a whole number from 1 to 65,535." in words(answer)
        assert f'value="{port}"' in answer.text


@pytest.mark.parametrize("name", ["a/b", "50 % off", "Ünï/код", "new one?#"])
def test_a_name_may_hold_what_urls_may_not(site: Installation, admin: Person, name: str) -> None:
    said = admin.done("/systems/new", **{**FORM, "name": name})

    assert f"{name} was saved." in said
    assert "is paused" in admin.done(
        f"/systems/-/pause/{quoted(name)}", status="paused", sure="yes"
    )


def test_renaming_is_one_change(site: Installation, admin: Person) -> None:
    admin.done("/systems/new", **FORM)
    entries = len(audited(site))

    admin.done("/systems/Mail", **{**FORM, "name": "Relay", "options__port": "25"})

    assert document(site, "Relay")["options"]["port"] == 25  # type: ignore[index]
    assert len(audited(site)) == entries + 1


def test_a_name_that_is_taken_is_refused_with_the_typed_values(admin: Person) -> None:
    admin.done("/systems/new", **FORM)

    answer = admin.post("/systems/new", **FORM)

    assert answer.status_code == 422
    assert "There is a system 'Mail' already." in words(answer)


def test_deleting_what_is_used_names_its_users(site: Installation, admin: Person) -> None:
    set_up(site)

    answer = admin.post("/systems/-/delete/Mail", sure="yes")

    assert answer.status_code == 409
    assert "registration: jira" in words(answer)


def test_check_tells_step_by_step_and_saves_nothing(site: Installation, admin: Person) -> None:
    fields = {**FORM, "options__server": "127.0.0.1", "options__port": "1", "do": "check"}

    answer = admin.post("/systems/new", **fields)

    assert answer.status_code == 200
    assert "What to do:" in words(answer)
    assert configuring.page(SYSTEMS, site, 10, None)[0] == []


def test_test_needs_somebody_to_write_to(admin: Person) -> None:
    answer = admin.post("/systems/new", **{**FORM, "do": "test"})

    assert answer.status_code == 422
    assert "To Email-Id is needed" in words(answer)


def test_test_goes_through_the_queue(site: Installation, admin: Person) -> None:
    fields = {**FORM, "do": "test", "options__toEmail": "me@corp.example"}

    answer = admin.post("/systems/new", **fields)

    assert "The test mail waits for a worker" in words(answer)
    assert 'data-poll-url="/tests/1' in answer.text


def test_operators_change_no_system_and_test_saved_ones(
    site: Installation, operator: Person
) -> None:
    put_system(site, options={**NO_LOGIN, "toEmail": "me@corp.example"})

    assert operator.get("/systems/Mail").status_code == 200
    for path in (
        "/systems/new",
        "/systems/Mail",
        "/systems/-/pause/Mail",
        "/systems/-/delete/Mail",
    ):
        assert operator.post(path, **FORM).status_code == 403
    assert operator.post("/systems/-/test/Mail").status_code == 303


def test_the_built_in_system_chooses_the_schedule(site: Installation, admin: Person) -> None:
    put_system(site)
    fields = {
        "postNotificationSchedule": "5 Minute Schedule",
        "smtpSystemForNotification": "Mail",
        "repeatIntervalMinutes": "60",
        "createIntegrationsOnFirstReport": "yes",
    }

    admin.done("/tocsin/", **fields)
    assert "5 Minute Schedule in use" in admin.text("/schedules/")

    wrong = admin.post("/tocsin/", **{**fields, "repeatIntervalMinutes": "0"})
    assert wrong.status_code == 422
    assert "must be a whole number from 1 to 44,640" in words(wrong)
