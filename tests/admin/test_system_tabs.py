"""System Configuration beyond its form: overtaken forms, tabs, tests by address, uses, roles."""

from __future__ import annotations

from urllib.parse import quote

from app.admin.system_form import KINDS
from app.channels import CHANNELS
from app.services import configuring, preferences
from app.services.installation import Installation
from app.services.named import Saved
from app.services.systems import SYSTEMS, SystemBody
from app.shapes import parse
from tests.admin.person import Person, words

ODD = "Mail/ops 100% ü"
SEEN = "seen-version"
RELAY = {
    "kind": "smtp",
    "name": "Relay",
    "options__server": "127.0.0.1",
    "options__port": "9",
    "options__encryption": "none",
    "options__authenticationRequired": "no",
    "options__senderEmail": "tocsin@example.org",
}
WISHES = {"postNotificationSchedule": "On Demand"}


def _stored(site: Installation, name: str = "Relay") -> Saved:
    return configuring.get(SYSTEMS, site, name)


def _seen(page: str) -> str:
    return page.partition(f'name="{SEEN}" value="')[2].partition('"')[0]


def test_without_to_email_id_a_test_goes_to_the_address_that_is_given(admin: Person) -> None:
    admin.done("/systems/new", **RELAY)

    assert 'name="to" value="admin@example.com"' in admin.get("/systems/Relay").text
    sent = admin.post("/systems/-/test/Relay", to="me@example.org")
    number = sent.headers["Location"].partition("?")[0].rpartition("/")[2]
    assert "me@example.org" in admin.text(f"/deliveries/{number}")
    wrong = admin.done("/systems/-/test/Relay", to="nobody")
    assert "The test mail was not sent. To Email-Id 'nobody' is not" in wrong


def test_a_form_that_somebody_overtook_is_kept_and_saved_by_a_second_press(
    site: Installation, admin: Person
) -> None:
    admin.done("/systems/new", **RELAY)
    seen = _seen(admin.get("/systems/Relay").text)
    configuring.patch(SYSTEMS, site, "somebody", "Relay", {"options": {"port": 26}})
    mine = {**RELAY, "options__port": "27"}

    answer = admin.post("/systems/Relay", **{**mine, SEEN: seen})

    assert answer.status_code == 422
    assert "Somebody else has saved this while the form was open" in words(answer)
    assert 'value="27"' in answer.text
    assert _stored(site).document["options"]["port"] == 26
    admin.done("/systems/Relay", **{**mine, SEEN: _seen(answer.text)})
    assert _stored(site).document["options"]["port"] == 27


def test_a_wrong_value_does_not_hide_that_somebody_else_saved(
    site: Installation, admin: Person
) -> None:
    seen = _seen(admin.get("/tocsin/").text)
    preferences.patch(site, "somebody", {"repeatIntervalMinutes": 90})

    wrong = admin.post("/tocsin/", **{**WISHES, "repeatIntervalMinutes": "0", SEEN: seen})
    told = admin.post("/tocsin/", **{**WISHES, "repeatIntervalMinutes": "5", SEEN: seen})

    assert _seen(wrong.text) == seen
    assert "Somebody else has saved this" in words(told)
    assert preferences.get(site).document["repeatIntervalMinutes"] == 90


def test_the_pages_of_a_name_with_slashes_and_signs_link_each_other(
    site: Installation, admin: Person
) -> None:
    url = f"/systems/{quote(ODD, safe='')}"
    assert admin.post("/systems/new", **{**RELAY, "name": ODD}).headers["Location"] == url

    name = quote(ODD, safe="")
    for tab in (url, *(f"/systems/-/{tab}/{name}" for tab in ("used", "deliveries", "history"))):
        page = admin.get(tab)
        assert page.status_code == 200
        assert f"<h1>{ODD}</h1>" in page.text
    assert "What to do:" in words(admin.post(f"/systems/-/check/{name}"))
    result = admin.get(admin.post(f"/systems/-/test/{name}").headers["Location"]).text
    assert f'href="{url}"' in result


def test_the_uses_of_a_system_are_counted_and_linked(site: Installation, admin: Person) -> None:
    admin.done("/systems/new", **RELAY)
    options = {
        "server": "mail.example.org",
        "authenticationRequired": False,
        "senderEmail": "a@example.org",
    }
    other = {"kind": "smtp", "name": "Other", "options": options, "fallback": "Relay"}
    configuring.create(SYSTEMS, site, "test", parse(SystemBody, other))
    preferences.patch(site, "test", {"smtpSystemForNotification": "Relay"})

    assert "will be deleted" in words(admin.post("/systems/-/delete/Relay"))
    refused = admin.post("/systems/-/delete/Relay", sure="yes")

    assert refused.status_code == 409
    assert "fallback of Other, Tocsin" in admin.text("/systems/")
    used = admin.get("/systems/-/used/Relay").text
    assert 'href="/systems/Other"' in used
    assert 'href="/tocsin/"' in used
    assert "was deleted" in admin.done("/systems/-/delete/Other", sure="yes")


def test_after_saving_the_browser_goes_back_to_a_local_page_only(admin: Person) -> None:
    there = admin.post("/systems/new", **RELAY, back="/registrations/one")
    foreign = admin.post("/systems/new", **{**RELAY, "name": "Two"}, back="//evil.example")

    assert there.headers["Location"] == "/registrations/one"
    assert foreign.headers["Location"] == "/systems/Two"


def test_what_was_changed_stands_in_the_history(admin: Person) -> None:
    admin.done("/systems/new", **RELAY)
    admin.done("/systems/Relay", **{**RELAY, "options__port": "2525"})

    said = admin.text("/systems/-/history/Relay")

    assert "options.port : 9 → 2525" in said
    assert "admin@example.com" in said


def test_a_viewer_changes_nothing_and_an_operator_checks_what_is_saved(
    admin: Person, operator: Person, viewer: Person
) -> None:
    admin.done("/systems/new", **RELAY)

    assert "Relay" in viewer.text("/systems/")
    for path in ("/systems/Relay", "/systems/-/test/Relay", "/systems/-/check/Relay", "/tocsin/"):
        assert viewer.post(path, **RELAY).status_code == 403
    assert viewer.get("/systems/new?kind=smtp").status_code == 403
    assert "What to do:" in words(operator.post("/systems/-/check/Relay"))
    assert operator.post("/systems/Relay", **RELAY, do="check").status_code == 403


def test_all_kinds_are_named_and_those_with_a_channel_are_links(admin: Person) -> None:
    page = admin.get("/systems/new").text

    for kind, title, _ in KINDS:
        there = kind in CHANNELS
        assert title in page
        assert (f'href="/systems/new?kind={kind}' in page) is there
        assert admin.get(f"/systems/new?kind={kind}").status_code == (200 if there else 404)
    assert admin.get("/systems/new?kind=pigeon").status_code == 404


def test_a_name_is_shown_as_text(admin: Person) -> None:
    bad = "<img src=x onerror=alert(1)>"
    admin.done("/systems/new", **{**RELAY, "name": bad})

    for path in ("/systems/", f"/systems/{quote(bad, safe='')}"):
        assert bad not in admin.get(path).text
