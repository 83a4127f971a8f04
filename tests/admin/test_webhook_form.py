"""The form of a webhook system in the browser: attributes, batch, policy, the secret shown once."""

from __future__ import annotations

import re

from werkzeug.test import TestResponse

from app.services import configuring, processes, routes
from app.services.deliver import trials
from app.services.installation import Installation
from app.services.systems import SYSTEMS
from tests.admin.person import Person, words
from tests.servers.http_sink import HttpSink

URL = "https://hooks.example/in?token=t"
FORM = {
    "kind": "webhook",
    "name": "Hook",
    "options__url": URL,
    "options__attributes__0__type": "Header",
    "options__attributes__0__key": "X-Team",
    "options__attributes__0__value": "$source",
    "options__attributes__1__type": "Header",
    "options__attributes__1__key": "",
    "options__attributes__1__value": "",
}


def document(site: Installation) -> dict[str, object]:
    return configuring.get(SYSTEMS, site, "Hook").document


def tried(admin: Person, **fields: str) -> TestResponse:
    """Send the form, and return what comes back."""
    return admin.post("/systems/new", **{**FORM, **fields})


def made(admin: Person, **fields: str) -> str:
    """Make the system; returns its page with the secret."""
    return tried(admin, **fields).text


def test_the_secret_is_shown_once_and_in_no_later_answer(admin: Person) -> None:
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", made(admin))
    assert found is not None

    for path in ("/systems/Hook", "/systems/-/history/Hook", "/audit-log/", "/systems/"):
        assert found[0] not in admin.get(path).text


def test_rows_with_nothing_typed_are_left_out(site: Installation, admin: Person) -> None:
    made(admin)

    options = document(site)["options"]
    assert isinstance(options, dict)
    assert options["attributes"] == [{"type": "Header", "key": "X-Team", "value": "$source"}]
    assert options["batchNotify"] is None


def test_saved_unchanged_nothing_changes(site: Installation, admin: Person) -> None:
    made(admin)
    before = document(site)

    admin.done("/systems/Hook", **FORM)

    assert document(site) == before


def test_a_size_turns_batch_notify_on_and_an_empty_one_off(
    site: Installation, admin: Person
) -> None:
    made(admin, options__batchNotify__size="50", options__batchNotify__timeWindow="30")
    options = document(site)["options"]
    assert isinstance(options, dict)
    assert options["batchNotify"] == {"size": 50, "timeWindow": 30}

    admin.done(
        "/systems/Hook",
        **{**FORM, "options__batchNotify__size": "", "options__batchNotify__timeWindow": "30"},
    )
    options = document(site)["options"]
    assert isinstance(options, dict)
    assert options["batchNotify"] is None


def test_the_default_retry_policy_is_chosen_and_left_to_the_default(
    site: Installation, admin: Person
) -> None:
    chosen = {
        "retryPolicy__policy": "Bounded",
        "retryPolicy__retryNumber": "5",
        "retryPolicy__retryDelay": "20",
    }
    made(admin, **chosen)
    bounded = {"policy": "Bounded", "retryNumber": 5, "retryDelay": 20}
    assert document(site)["retryPolicy"] == bounded

    admin.done("/systems/Hook", **{**FORM, **chosen, "retryPolicy__policy": ""})
    assert document(site)["retryPolicy"] is None


def test_what_is_wrong_in_a_row_is_told_with_its_number_and_kept(admin: Person) -> None:
    page = tried(admin, options__attributes__0__key="Host")

    assert "Attributes (row 1) cannot be given: the header Host is set by Tocsin." in words(page)
    assert 'value="$source"' in page.text


def test_a_range_is_named(admin: Person) -> None:
    page = words(tried(admin, options__batchNotify__size="1001"))

    assert "Batch Size must be a whole number from 1 to 1,000." in page


def test_the_secret_is_rotated_and_the_overlap_ended(site: Installation, admin: Person) -> None:
    first = re.search(r"whsec_[A-Za-z0-9+/=]+", made(admin))
    second = admin.post("/systems/-/rotate/Hook", sure="yes").text
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", second)
    assert first is not None and found is not None and found[0] != first[0]
    assert "End the overlap" in admin.get("/systems/Hook").text

    admin.done("/systems/-/end-overlap/Hook", sure="yes")

    secrets = document(site)["secrets"]
    assert isinstance(secrets, dict) and set(secrets) == {"signingSecret"}


def test_a_rotation_asks_before(admin: Person) -> None:
    made(admin)
    asked = admin.post("/systems/-/rotate/Hook").text

    assert "whsec_" not in asked
    assert "Rotate" in asked


def test_a_test_of_a_webhook_says_what_the_endpoint_made_of_it(
    site: Installation, admin: Person
) -> None:
    with HttpSink() as sink:
        made(admin, options__url=sink.url)
        sent = admin.post("/systems/-/test/Hook")
        trials.run(site, processes.register(site, "worker"))
        well = admin.text(sent.headers["Location"])
        sink.script = lambda _: 503
        sent = admin.post("/systems/-/test/Hook")
        trials.run(site, processes.register(site, "worker"))
        ill = admin.text(sent.headers["Location"])

    assert "The endpoint accepted the test message" in well
    assert sink.requests[0].document["type"] == "test"
    assert "The test message was not accepted" in ill
    assert "answered 503" in ill


def test_the_list_counts_the_routes_that_name_a_system(site: Installation, admin: Person) -> None:
    made(admin)
    cell = {"source": "metrics", "systems": ["Hook"]}
    cells = [cell | {"severity": "error"}, cell | {"severity": "warning"}]
    routes.replace(site, "test", {"cells": cells, "subscriptions": []})

    assert "2 routes" in admin.text("/systems/")
