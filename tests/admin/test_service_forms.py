"""The forms of PagerDuty and ServiceNow in the browser: made, checked, tested; no secret shown."""

from __future__ import annotations

import pytest

from app.services import configuring, processes
from app.services.deliver import trials
from app.services.installation import Installation
from app.services.systems import SYSTEMS
from tests.admin.person import Person, words
from tests.servers.doubles.pagerduty import KEY, PagerDuty
from tests.servers.doubles.servicenow import PASSWORD, USER, ServiceNow

ALERTS = {"kind": "pagerduty", "name": "On call", "secrets__routingKey": KEY}
TICKETS = {
    "kind": "servicenow",
    "name": "Desk",
    "options__instance": "dev12345",
    "options__user": USER,
    "secrets__password": PASSWORD,
}


def _page_of_a_test(site: Installation, admin: Person, name: str) -> str:
    """Test a system, and return what its page says then."""
    answer = admin.post(f"/systems/-/test/{name}")
    trials.run(site, processes.register(site, "worker"))
    return admin.text(answer.headers["Location"])


@pytest.mark.parametrize("form", [ALERTS, TICKETS], ids=["pagerduty", "servicenow"])
def test_what_a_form_needs_is_little_and_its_secret_is_in_no_answer(
    site: Installation, admin: Person, form: dict[str, str]
) -> None:
    admin.done("/systems/new", **form)
    before = configuring.get(SYSTEMS, site, form["name"]).document
    again = {name: value for name, value in form.items() if not name.startswith("secrets")}
    admin.done(f"/systems/{form['name']}", **again)

    assert configuring.get(SYSTEMS, site, form["name"]).document == before
    for path in (f"/systems/{form['name']}", f"/systems/-/history/{form['name']}", "/audit-log/"):
        page = admin.get(path).text
        assert KEY not in page
        assert PASSWORD not in page


def test_a_form_names_what_is_missing(admin: Person) -> None:
    alerts = admin.post("/systems/new", **{**ALERTS, "secrets__routingKey": ""})
    tickets = admin.post("/systems/new", **{**TICKETS, "options__user": ""})

    assert "Integration Key is required" in words(alerts)
    assert "User is required with the authentication Basic" in words(tickets)


def test_a_form_shows_its_choices_in_the_words_of_the_services(admin: Person) -> None:
    assert ">EU</option>" in admin.get("/systems/new?kind=pagerduty").text
    assert ">Event Management</option>" in admin.get("/systems/new?kind=servicenow").text


def test_a_test_of_pagerduty_opens_an_alert(site: Installation, admin: Person) -> None:
    with PagerDuty() as service:
        admin.done("/systems/new", **ALERTS, options__url=service.url)
        page = _page_of_a_test(site, admin, "On%20call")

    assert "accepted the test message" in page
    (alert,) = service.alerts.values()
    assert alert.dedup_key.startswith("tocsin-test-")
    assert alert.events[0]["payload"]["severity"] == "info"


def test_a_test_of_servicenow_opens_an_incident(site: Installation, admin: Person) -> None:
    with ServiceNow() as instance:
        admin.done("/systems/new", **{**TICKETS, "options__instance": instance.url})
        page = _page_of_a_test(site, admin, "Desk")

    assert "INC0010001 was opened" in page
    assert instance.incidents[0]["correlation_id"].startswith("tocsin-test-")
