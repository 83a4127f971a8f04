"""Error Management in the browser: both lists, details, what is done to failures, the help."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.models import Failure, Integration
from app.services import trace_file
from app.services.installation import Installation
from tests.admin.person import Person, finish_jobs, words
from tests.api import rows as made
from tests.services.makers import set_up
from tests.services.spine import report, rows

PROCESSING: dict[str, Any] = {"kind": "processing", "message": "Field missing", "errorCode": "F1"}


def some(site: Installation) -> None:
    set_up(site)
    report(site, errorCode="AUTH", trace="Traceback\n line 2")
    for number in range(3):
        report(site, **PROCESSING, entityId=f"E-{number}", entityType="Issue")


def test_both_lists_show_their_own_with_the_reason(site: Installation, viewer: Person) -> None:
    some(site)

    listed = viewer.text("/failures/global/")
    assert "Login refused AUTH 1" in listed
    assert "1 of 3" in listed
    assert "Field missing" not in listed
    assert "3 failures" in viewer.text("/failures/processing/")


def test_each_filter_stands_in_the_url(site: Installation, viewer: Person) -> None:
    some(site)

    for query in ("entityId=E-1", "q=E-1", "entityId=E-1&state=open&integrationStatus=active"):
        assert "1 failure" in viewer.text(f"/failures/processing/?{query}")
    assert "No failures match" in viewer.text("/failures/processing/?errorCode=F2")


def test_groups_count_and_lead_to_their_failures(site: Installation, viewer: Person) -> None:
    some(site)

    for by in ("message", "code", "integration"):
        assert " 3 " in viewer.text(f"/failures/processing/?group={by}")
    assert "errorCode=F1" in viewer.get("/failures/processing/?group=code").text


def test_one_failure_tells_why_and_shows_its_trace(site: Installation, viewer: Person) -> None:
    some(site)

    said = viewer.text("/failures/global/1")
    assert "Traceback line 2" in said
    assert "Why it was told, or not" in said
    pdf = viewer.get("/failures/global/1/trace.pdf")
    assert pdf.data.startswith(b"%PDF-")
    assert viewer.get("/failures/processing/2/trace.pdf").status_code == 404
    assert viewer.get(f"/failures/global/{2**70}").status_code == 404


@pytest.mark.parametrize(("action", "left"), [("delete", 1), ("resolve", 4), ("reset retries", 4)])
def test_the_selected_are_changed_after_a_question(
    site: Installation, operator: Person, action: str, left: int
) -> None:
    some(site)
    chosen: dict[str, Any] = {"do": action, "row": ["2", "3", "4"]}
    assert operator.post("/failures/processing/bulk", **chosen).status_code == 200
    assert len(rows(site, Failure)) == 4

    answer = operator.post("/failures/processing/bulk", **chosen, sure="yes")

    assert answer.headers["Location"].startswith("/jobs/")
    finish_jobs(site)
    assert len(rows(site, Failure)) == left


def test_all_that_match_are_those_of_the_filter(site: Installation, operator: Person) -> None:
    some(site)

    every = {"do": "delete", "every": "yes", "sure": "yes", "f.entityId": "E-1"}
    operator.client.post("/failures/processing/bulk", data={**every, "csrf_token": operator.token})
    finish_jobs(site)

    assert [row.entity_id for row in rows(site, Failure)] == [None, "E-0", "E-2"]


def test_a_filter_that_is_not_understood_changes_nothing(
    site: Installation, operator: Person
) -> None:
    some(site)
    every = {"do": "delete", "every": "yes", "sure": "yes", "f.direction": "sideways"}

    answer = operator.client.post(
        "/failures/processing/bulk", data={**every, "csrf_token": operator.token}
    )

    assert answer.status_code == 422
    assert len(rows(site, Failure)) == 4


def test_a_viewer_changes_nothing(site: Installation, viewer: Person) -> None:
    some(site)

    for path in ("1/delete", "1/resolve", "1/reset", "bulk"):
        assert viewer.post(f"/failures/global/{path}", sure="yes").status_code == 403
    assert "Mark resolved" not in viewer.text("/failures/global/1")


def test_csv_escapes_formulas(site: Installation, viewer: Person) -> None:
    set_up(site)
    report(site, message="=HYPERLINK(evil)")

    assert "'=HYPERLINK(evil)" in viewer.get("/failures/global/export.csv").text


def test_the_help_names_the_first_broken_link(site: Installation, viewer: Person) -> None:
    some(site)

    assert "Broken: A mail was decided." in viewer.text("/failures/help/?integration=jira")
    assert "There is no integration 'x'." in viewer.text("/failures/help/?integration=x")


def test_markup_is_shown_as_typed(site: Installation, viewer: Person) -> None:
    set_up(site)
    report(site, message="<script>alert(1)</script>", errorCode='"><b>')

    page = viewer.get("/failures/global/")
    assert "<script>alert(1)" not in page.text
    assert "<script>alert(1)</script>" in words(page) or "&lt;script&gt;" in page.text


def test_the_period_is_the_last_cycle_or_from_and_to_in_the_readers_time(
    site: Installation, viewer: Person
) -> None:
    set_up(site)
    day = "2026-11-03T{}:00+00:00"
    for number, time in enumerate(("09:00", "10:00", "11:00")):
        cycle = "last" if number else "before"
        report(
            site, **PROCESSING, cycleId=cycle, entityId=f"E-{number}", occurredAt=day.format(time)
        )
    viewer.post("/account", name="Viewer", zone="Europe/Berlin", theme="auto")

    def found(query: str) -> list[str]:
        return re.findall(r"E-\d", viewer.text(f"/failures/processing/?{query}"))

    assert found("period=cycle") == ["E-2", "E-1"]
    assert "Last cycle" in viewer.text("/failures/processing/?period=cycle")
    # 11:00 in Berlin is 10:00 in UTC.
    assert found("since=2026-11-03T11:00&until=2026-11-03T12:00") == ["E-1"]
    page = viewer.get("/failures/processing/?since=2026-11-03T10:00:00%2B00:00").text
    assert 'name="since" value="2026-11-03T11:00"' in page
    assert "Since 3 Nov 2026, 11:00" in page
    assert found("period=hours&n=1&since=2026-11-03T11:00") == []
    assert "Period must be" in viewer.text("/failures/processing/?since=yesterday")


def test_a_group_without_a_code_is_shown_and_deleted_alone(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    report(site, kind="processing", message="No code", entityId="E-1")
    report(site, **PROCESSING, entityId="E-2")

    page = operator.get("/failures/processing/?group=code").text
    assert "hasErrorCode=false" in page
    listed = operator.text("/failures/processing/?hasErrorCode=false")
    assert "E-1" in listed
    assert "E-2" not in listed
    assert "Error code: none" in listed
    every = {"do": "delete", "every": "yes", "sure": "yes", "f.hasErrorCode": "false"}
    operator.client.post("/failures/processing/bulk", data={**every, "csrf_token": operator.token})
    finish_jobs(site)
    assert [row.entity_id for row in rows(site, Failure)] == ["E-2"]


def test_an_integration_is_chosen_by_its_name(site: Installation, viewer: Person) -> None:
    some(site)

    page = viewer.get("/failures/global/").text

    (name,) = [row.name for row in rows(site, Integration)]
    (key,) = [row.key for row in rows(site, Integration)]
    assert f'<option value="{key}" >{name}</option>' in page


def test_other_errors_have_columns_of_their_own(site: Installation, viewer: Person) -> None:
    made.add(
        site, Failure, identity=b"x" * 32, error_type="other", state="open", reason="smtp_refused",
        message="Mail cannot be sent", system_id=made.system(site), accessible=True, count=3,
        first_logged_at=made.NOON, last_logged_at=made.NOON, episode=0,
    )  # fmt: skip

    said = viewer.text("/failures/global/?errorType=other")

    assert "System Error message Reason Waiting Error count Last logged time" in said
    assert "smtp refused" in said


def test_its_history_is_told_to_everybody_who_sees_it(
    site: Installation, operator: Person, viewer: Person
) -> None:
    some(site)
    operator.post("/failures/processing/2/resolve")

    assert "resolve" in viewer.text("/failures/processing/2").split("History")[1]


def test_a_pdf_that_cannot_be_made_now_says_so_and_when_to_come_again(
    site: Installation, viewer: Person, client: FlaskClient
) -> None:
    some(site)
    taken = [trace_file._places.acquire(blocking=False) for _ in range(trace_file.MOST_AT_ONCE)]
    assert all(taken)
    try:
        page = viewer.get("/failures/global/1/trace.pdf")
        answer = client.get("/api/v1/failures/1/trace.pdf")
    finally:
        trace_file._places.release(trace_file.MOST_AT_ONCE)

    assert page.status_code == answer.status_code == 503
    assert page.headers["Retry-After"] == answer.headers["Retry-After"] == "5"
    assert "Two PDFs are being made already" in words(page)
    assert "database" not in words(page)
    assert "Two PDFs" in answer.get_json(force=True)["detail"]
    assert client.get("/api/v1/failures/1/trace.pdf").data.startswith(b"%PDF-")
    assert client.get("/api/v1/failures/2/trace.pdf").status_code == 404
