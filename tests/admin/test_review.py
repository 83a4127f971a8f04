"""What a hostile review found in the screens, so that it stays mended."""

from __future__ import annotations

from typing import Any

import pytest

from app.models import Failure, Job
from app.pages.fields import Field
from app.services import configuring
from app.services.installation import Installation
from app.services.registrations import REGISTRATIONS
from app.services.systems import SYSTEMS
from tests.admin.person import Person, finish_jobs
from tests.services.makers import put_integration, put_system, register, set_up
from tests.services.spine import report, rows


def test_deleting_a_group_leaves_messages_that_only_contain_its_own(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    for number, message in enumerate(("Timeout", "Timeout", "Timeout while reading", "TIMEOUT")):
        report(site, kind="processing", message=message, entityId=str(number))

    every = {"do": "delete", "every": "yes", "sure": "yes", "f.wholeMessage": "Timeout"}
    operator.client.post("/failures/processing/bulk", data={**every, "csrf_token": operator.token})
    finish_jobs(site)

    left = sorted(row.message for row in rows(site, Failure))
    assert left == ["TIMEOUT", "Timeout while reading"]


def test_the_form_of_a_system_is_never_a_command_to_another(
    site: Installation, admin: Person
) -> None:
    put_system(site, "p")
    put_system(site, "p/delete")

    admin.post("/systems/p%2Fdelete", name="p/delete", sure="yes")

    assert len(configuring.page(SYSTEMS, site, 10, None)[0]) == 2


@pytest.mark.parametrize(
    "forward",
    [
        {"global": {"enabled": False, "noActivityMinutes": 77, "failureCount": 7}},
        {"global": {"immediately": True, "failureCount": 9}},
        {"processing": {"enabled": False, "recipients": ["q@c.example"], "beforeMaxRetries": True}},
        {"cc": ["k@c.example"], "processing": {"recipients": ["q@c.example"]}},
        {"processing": {"cc": ["k@c.example"]}},
    ],
)
def test_a_registration_opened_and_saved_means_the_same(
    site: Installation, admin: Person, forward: dict[str, Any]
) -> None:
    put_system(site)
    put_integration(site)
    register(site, forward={"recipients": ["ops@corp.example"], **forward})
    before = configuring.get(REGISTRATIONS, site, "jira").document["forward"]

    answer = admin.post("/integrations/1/notification", **_shown(admin))

    assert answer.status_code == 303
    after = configuring.get(REGISTRATIONS, site, "jira").document["forward"]
    for name in ("recipients", "cc"):
        if before["processing"][name] is None and after["processing"][name] is not None:
            assert after["processing"][name] == before[name]
            after["processing"][name] = None
    assert after == before


def _shown(admin: Person) -> dict[str, str]:  # noqa: C901 - a browser in small
    """Return the fields as a browser would send the form that is open."""
    from html.parser import HTMLParser  # noqa: PLC0415 - a browser for this test

    class Reader(HTMLParser):
        fields: dict[str, str] = {}  # noqa: RUF012 - one form
        area = select = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            has = dict(attrs)
            name = has.get("name") or ""
            if tag == "textarea":
                self.area = name
                self.fields[name] = ""
            elif tag == "select":
                self.select = name
            elif tag == "option" and "selected" in has:
                self.fields[self.select] = has.get("value") or ""
            elif tag == "input" and has.get("type") == "checkbox" and "checked" in has:
                self.fields[name] = has.get("value") or "on"
            elif tag == "input" and has.get("type") in {"text", None}:
                self.fields[name] = has.get("value") or ""

        def handle_data(self, data: str) -> None:
            if self.area:
                self.fields[self.area] += data

        def handle_endtag(self, tag: str) -> None:
            if tag == "textarea":
                self.area = ""

    reader = Reader()
    reader.fields = {}
    page = admin.get("/integrations/1/notification").text
    reader.feed(page[page.index('id="content"') :])
    return {name.replace(".", "__"): value for name, value in reader.fields.items() if name}


@pytest.mark.parametrize(("typed", "read"), [("2,5", "2,5"), ("1,000", 1000), ("25", 25)])
def test_a_comma_is_no_digit(typed: str, read: object) -> None:
    assert Field("/n", "N", "number").read({"n": typed}) == (True, read)


@pytest.mark.parametrize(
    "path",
    [f"/integrations/{10**25}", f"/deliveries/{10**25}", f"/jobs/{10**25}", "/systems/%00"],
)
def test_what_no_database_can_hold_is_not_found(admin: Person, path: str) -> None:
    assert admin.get(path).status_code == 404


def test_nul_in_a_form_is_refused_before_anybody_reads_it(admin: Person) -> None:
    assert admin.post("/api-keys/revoke", name="a\0b").status_code == 400


@pytest.mark.parametrize("row", ["²", "9" * 30, "9" * 5000])
def test_an_id_that_is_none_begins_no_job(site: Installation, operator: Person, row: str) -> None:
    answer = operator.post("/failures/global/bulk", do="delete", row=row, sure="yes")

    assert answer.status_code == 303
    assert rows(site, Job) == []


def test_an_export_of_a_filter_that_is_not_understood_is_refused(viewer: Person) -> None:
    assert viewer.get("/failures/global/export.csv?since=garbage").status_code == 422
