"""Integrations as CSV: all of a filter, with how each direction does."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from app.services import activating
from app.services.installation import Installation
from app.services.reading import integrations_list
from tests.admin.person import Person
from tests.services.makers import put_integration, register, set_up
from tests.services.spine import active, report


def table(person: Person, query: str = "") -> list[dict[str, str]]:
    answer = person.get(f"/integrations/export.csv{query}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


def test_each_integration_is_a_row_with_both_directions_and_who_is_told(
    site: Installation, viewer: Person
) -> None:
    set_up(site)
    recipients = ["ops@corp.example", "more@corp.example"]
    register(site, forward={"recipients": recipients, "global": {"immediately": True}})
    active(site)
    report(site, message="Refused")
    report(site, kind="processing", message="No value", entityId="1")
    activating.change(site, "test", "jira", "inactive", "backward")
    put_integration(site, "one-way", name="=HYPERLINK(evil)", bidirectional=False)

    evil, jira = table(viewer)

    assert evil["name"] == "'=HYPERLINK(evil)"
    assert (evil["registered"], evil["recipients"], evil["backward_active"]) == ("false", "", "")
    assert (jira["key"], jira["registered"], jira["system"]) == ("jira", "true", "Mail")
    assert jira["recipients"] == "ops@corp.example, more@corp.example"
    assert (jira["forward_active"], jira["forward_health"]) == ("true", "failing")
    assert jira["forward_open_failures"] == "2"
    assert jira["forward_last_activity_at"].endswith("Z")
    assert (jira["backward_active"], jira["backward_health"]) == ("false", "inactive")


def test_a_filter_exports_what_it_shows_and_all_of_it(
    site: Installation, viewer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrations_list, "AT_ONCE", 2)
    for number in (3, 1, 2, 5, 4):
        put_integration(site, f"many-{number}")
    put_integration(site, "else")

    found = [row["key"] for row in table(viewer, "?q=many&show=unregistered")]

    assert found == [f"many-{number}" for number in range(1, 6)]
    assert 'href="/integrations/export.csv?q=many"' in viewer.get("/integrations/?q=many").text
    assert table(viewer, "?show=failing") == []
    assert viewer.get("/integrations/export.csv?show=nonsense").status_code >= 400


@pytest.mark.parametrize(
    ("counts", "shown"), [((0, 0), 0), ((2, 3), 5), ((101, 50), "150+"), ((101, 101), "200+")]
)
def test_a_count_that_was_not_counted_to_its_end_says_so(
    counts: tuple[int, int], shown: Any
) -> None:
    one = integrations_list.DirectionRow.model_construct(failures=counts[0], open=counts[1])

    assert one.open_failures == shown
