"""The screens of System Configuration: made, checked, tested, changed and deleted as a person does."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from app.services import configuring, preferences
from app.services.installation import Installation
from app.services.systems import SYSTEMS, SystemBody
from app.shapes import parse
from tests.admin.person import Person, words

ODD = "Mail/ops 100% ü"
RELAY = {
    "kind": "smtp",
    "name": "Relay",
    "options__server": "127.0.0.1",
    "options__port": "9",
    "options__encryption": "none",
    "options__authenticationRequired": "no",
    "options__senderEmail": "tocsin@example.org",
}
LOGIN = {
    **RELAY,
    "options__encryption": "starttls",
    "options__authenticationRequired": "yes",
    "secrets__password": "correct-horse",
}


def _stored(site: Installation, name: str = "Relay") -> configuring.Saved:
    return configuring.get(SYSTEMS, site, name)


def _seen(person: Person, path: str) -> str:
    return person.get(path).text.partition('name="seen-version" value="')[2].partition('"')[0]


def test_a_system_is_made_and_its_page_offers_a_test_to_whoever_looks(admin: Person) -> None:
    said = admin.post("/systems/new", **RELAY)

    assert said.headers["Location"] == "/systems/Relay"
    page = admin.get("/systems/Relay").text
    assert 'name="to" value="admin@example.com"' in page
    answer = admin.post("/systems/Relay/test", to="me@example.org")
    assert answer.headers["Location"].startswith("/tests/")
    assert "127.0.0.1:9, not encrypted" in admin.text("/systems/")


@pytest.mark.parametrize("authentication", ["yes", "no"])
def test_the_sender_is_required_in_both_cases(admin: Person, authentication: str) -> None:
    given = {**LOGIN, "options__authenticationRequired": authentication}

    answer = admin.post("/systems/new", **{**given, "options__senderEmail": ""})

    assert answer.status_code == 422
    assert 'href="#f-options.senderEmail"' in answer.text
    assert 'value="127.0.0.1"' in answer.text


def test_a_password_sent_with_authentication_no_is_ignored(
    site: Installation, admin: Person
) -> None:
    admin.done("/systems/new", **RELAY, secrets__password="left-over")

    assert _stored(site).document["secrets"] == {}


def test_a_stored_password_is_in_no_page_and_stays_when_left_empty(
    site: Installation, admin: Person
) -> None:
    admin.done("/systems/new", **LOGIN)

    admin.done("/systems/Relay", **{**LOGIN, "secrets__password": "", "options__port": "2525"})

    stored = _stored(site).document
    assert (stored["secrets"]["password"]["set"], stored["options"]["port"]) == (True, 2525)
    for path in ("/systems/", "/systems/Relay", "/systems/Relay/history"):
        assert "correct-horse" not in admin.get(path).text
    assert "Type to change it" in admin.text("/systems/Relay")


def test_a_check_walks_the_draft_and_keeps_what_was_typed(
    site: Installation, admin: Person
) -> None:
    answer = admin.post("/systems/new", **RELAY, do="check")

    assert answer.status_code == 200
    assert "Not reached." in words(answer)
    assert "What to do:" in words(answer)
    assert 'value="Relay"' in answer.text
    assert configuring.page(SYSTEMS, site, 10, None)[0] == []


def test_a_test_of_a_draft_without_recipient_names_the_field(admin: Person) -> None:
    answer = admin.post("/systems/new", **RELAY, do="test")

    assert answer.status_code == 422
    assert 'href="#f-options.toEmail"' in answer.text


def test_a_form_that_somebody_overtook_is_kept_and_saved_by_a_second_press(
    site: Installation, admin: Person
) -> None:
    admin.done("/systems/new", **RELAY)
    seen = {"seen-version": _seen(admin, "/systems/Relay")}
    configuring.patch(SYSTEMS, site, "somebody", "Relay", {"options": {"port": 26}})
    mine = {**RELAY, "options__port": "27"}

    answer = admin.post("/systems/Relay", **mine, **seen)

    assert answer.status_code == 422
    assert "Somebody else has saved this while the form was open" in words(answer)
    assert 'value="27"' in answer.text
    assert _stored(site).document["options"]["port"] == 26
    again = answer.text.partition('name="seen-version" value="')[2].partition('"')[0]
    admin.done("/systems/Relay", **mine, **{"seen-version": again})
    assert _stored(site).document["options"]["port"] == 27


def test_a_wrong_value_does_not_hide_that_somebody_else_saved(
    site: Installation, admin: Person
) -> None:
    admin.done("/systems/new", **RELAY)
    seen = _seen(admin, "/systems/Relay")
    configuring.patch(SYSTEMS, site, "somebody", "Relay", {"options": {"port": 26}})

    answer = admin.post("/systems/Relay", **{**RELAY, "options__port": "0"}, **{"seen-version": seen})

    assert f'name="seen-version" value="{seen}"' in answer.text


def test_names_may_hold_slashes_and_signs(site: Installation, admin: Person) -> None:
    url = f"/systems/{quote(ODD, safe='')}"
    assert admin.post("/systems/new", **{**RELAY, "name": ODD}).headers["Location"] == url

    for tab in ("", "/used", "/deliveries", "/history"):
        assert ODD in admin.text(url + tab)
    admin.done(f"{url}/pause", status="paused", sure="yes")
    assert _stored(site, ODD).document["status"] == "paused"
    assert quote(url, safe="") in admin.post(f"{url}/test").headers["Location"].replace("/", "%2F")


def test_one_in_use_is_not_deleted_and_each_use_is_a_link(site: Installation, admin: Person) -> None:
    admin.done("/systems/new", **RELAY)
    body = {
        "kind": "smtp",
        "name": "Other",
        "options": {"server": "m.example.org", "authenticationRequired": False,
                    "senderEmail": "a@example.org"},
        "fallback": "Relay",
    }  # fmt: skip
    configuring.create(SYSTEMS, site, "test", parse(SystemBody, body))

    assert "will be deleted" in words(admin.post("/systems/Relay/delete"))
    refused = admin.post("/systems/Relay/delete", sure="yes")

    assert refused.status_code == 409
    assert "Other" in words(refused)
    assert "fallback of Other" in admin.text("/systems/")
    assert 'href="/systems/Other"' in admin.get("/systems/Relay/used").text
    assert "was deleted" in admin.done("/systems/Other/delete", sure="yes")


def test_after_saving_the_browser_goes_back_to_a_local_page_only(admin: Person) -> None:
    there = admin.post("/systems/new", **RELAY, back="/registrations/one")
    foreign = admin.post("/systems/new", **{**RELAY, "name": "Two"}, back="//evil.example")

    assert there.headers["Location"] == "/registrations/one"
    assert foreign.headers["Location"] == "/systems/Two"


def test_what_was_changed_stands_in_the_history(admin: Person) -> None:
    admin.done("/systems/new", **RELAY)
    admin.done("/systems/Relay", **{**RELAY, "options__port": "2525"})

    said = admin.text("/systems/Relay/history")

    assert "options.port : 9 → 2525" in said
    assert "admin@example.com" in said


def test_a_viewer_reads_and_changes_nothing(admin: Person, viewer: Person) -> None:
    admin.done("/systems/new", **LOGIN)

    assert "Relay" in viewer.text("/systems/")
    for path in ("/systems/Relay", "/systems/Relay/test", "/systems/Relay/check", "/tocsin/"):
        assert viewer.post(path, **RELAY).status_code == 403
    assert viewer.get("/systems/new?kind=smtp").status_code == 403


def test_an_operator_checks_what_is_saved_and_no_draft(admin: Person, operator: Person) -> None:
    admin.done("/systems/new", **RELAY)

    assert "What to do:" in words(operator.post("/systems/Relay/check"))
    assert operator.post("/systems/Relay", **RELAY, do="check").status_code == 403


def test_kinds_without_a_channel_are_named_and_no_links(admin: Person) -> None:
    page = admin.get("/systems/new").text

    assert 'href="/systems/new?kind=smtp' in page
    assert "PagerDuty" in page
    assert "kind=pagerduty" not in page
    assert admin.get("/systems/new?kind=pagerduty").status_code == 404


def test_the_tocsin_system_is_listed_and_holds_the_schedule(
    site: Installation, admin: Person
) -> None:
    admin.done("/systems/new", **RELAY)
    assert "Tocsin built in" in admin.text("/systems/")

    said = admin.done(
        "/tocsin/",
        postNotificationSchedule="On Demand",
        smtpSystemForNotification="Relay",
        repeatIntervalMinutes="60",
        createIntegrationsOnFirstReport="no",
    )

    assert "pending mail waits" in said
    assert preferences.get(site).document == {
        "postNotificationSchedule": "On Demand",
        "smtpSystemForNotification": "Relay",
        "paused": False,
        "repeatIntervalMinutes": 60,
        "createIntegrationsOnFirstReport": False,
    }
    assert "Tocsin" in admin.text("/systems/Relay/used")


def test_text_of_people_is_shown_as_text(admin: Person) -> None:
    bad = "<img src=x onerror=alert(1)>"
    admin.done("/systems/new", **{**RELAY, "name": bad})

    for path in ("/systems/", f"/systems/{quote(bad, safe='')}"):
        assert bad not in admin.get(path).text
