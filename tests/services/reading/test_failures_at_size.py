"""The list of failures: pages both ways, search, counts, groups, and what each filter reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from app.clock import utc_now
from app.domain.kinds import Direction, FailureState, JobState, Kind
from app.errors import Invalid
from app.models import Failure, Integration, IntegrationDirection
from app.services import csv_rows, failure_bulk, housekeeping, job_work, search_fill
from app.services import failures as acting
from app.services.failures import Action
from app.services.installation import Installation
from app.services.paging import Count, PageQuery, write_cursor
from app.services.reading import failure_counts, failure_groups, failure_keys, failures
from app.services.reading import jobs as reading_jobs
from app.services.reading.failures import FailureQuery
from app.shapes import parse
from tests.services import makers


def wanted(**given: str) -> FailureQuery:
    return parse(FailureQuery, given)


def messages(site: Installation, **given: str) -> list[str]:
    return [one.message for one in failures.page(site, wanted(**given)).items]


def add(site: Installation, message: str, minutes: int = 0, **values: Any) -> int:
    at = utc_now() - timedelta(minutes=minutes)
    return makers.failures(site, 1, message=message, last_logged_at=at, **values)[0]


@pytest.fixture
def jira(site: Installation) -> Installation:
    makers.set_up(site)
    return site


def test_pages_go_both_ways_while_rows_are_added(jira: Installation) -> None:
    for number in range(6):
        add(jira, f"m{number}", minutes=60 - number)
    first = failures.page(jira, wanted(limit="2"))
    assert first.newer is None
    second = failures.page(jira, wanted(limit="2", cursor=first.next or ""))
    add(jira, "m6")
    third = failures.page(jira, wanted(limit="2", cursor=second.next or ""))
    assert third.next is None
    assert [one.message for one in third.items] == ["m1", "m0"]
    back = failures.page(jira, wanted(limit="2", cursor=third.newer or ""))
    assert [one.message for one in back.items] == ["m3", "m2"]
    assert back.next == second.next
    back = failures.page(jira, wanted(limit="2", cursor=back.newer or ""))
    assert [one.message for one in back.items] == ["m5", "m4"]
    top = failures.page(jira, wanted(limit="2", cursor=back.newer or ""))
    assert [one.message for one in top.items] == ["m6"]
    assert top.newer is None
    assert "newer" not in top.model_dump()


def test_the_rows_of_a_job_go_both_ways(jira: Installation) -> None:
    ids = makers.failures(jira, 5)
    job = failure_bulk.start(jira, "a", Action.RESOLVE, ids)
    assert job is not None

    def page(cursor: str | None) -> Any:
        given = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        return reading_jobs.rows_of(jira, job, parse(reading_jobs.JobRowQuery, given))

    second = page(page(None).next)
    assert [row.key for row in second.items] == [str(ids[2]), str(ids[3])]
    first = page(second.newer)
    assert [row.key for row in first.items] == [str(ids[0]), str(ids[1])]
    assert first.newer is None


@pytest.fixture
def indexed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walk one row alone, so that the rest is found by the index or not at all."""
    monkeypatch.setattr(failure_keys, "SHORT_WALK", 1)
    monkeypatch.setattr(failure_keys, "LONG_WALK", 1)


TYPED = (
    'say "hi"',
    "100%",
    "a_b",
    "OR",
    "*",
    "NEAR(x y)",
    "text:x",
    "'; --",
    "back\\slash",
    "é€😀",
)


@pytest.mark.usefixtures("indexed_only")
@pytest.mark.parametrize("typed", TYPED)
def test_what_is_typed_is_searched_literally(jira: Installation, typed: str) -> None:
    add(jira, f"xx{typed}yy", minutes=5)
    add(jira, "say hi 100 aXb NEAR x y text x back slash", minutes=6)
    add(jira, "the newest one")
    search_fill.fill(jira)
    page = failures.page(jira, wanted(q=typed))
    found = [one.message for one in page.items]
    while page.next is not None:  # one or two letters are looked for part by part
        page = failures.page(jira, wanted(q=typed, cursor=page.next))
        found += [one.message for one in page.items]
    assert found == [f"xx{typed}yy"]


@pytest.mark.usefixtures("indexed_only")
def test_the_search_knows_message_code_entity_and_project(jira: Installation) -> None:
    for name in ("error_code", "entity_id", "project"):
        add(jira, f"by {name}", minutes=3, **{name: "Needle"})
    add(jira, "by needle", minutes=2)
    add(jira, "newest")
    search_fill.fill(jira)
    assert len(messages(jira, q="NEEDLE")) == 4
    assert messages(jira, message="needle") == ["by needle"]
    assert messages(jira, q="needle", entityId="Needle") == ["by entity_id"]


@pytest.mark.usefixtures("indexed_only")
@pytest.mark.parametrize("typed", ["GEBÜHR", "gebühr", "Привет", "ПРИВЕТ", "Ü"])
def test_no_script_minds_capital_letters(jira: Installation, typed: str) -> None:
    add(jira, "Gebühr: привет", minutes=3)
    add(jira, "Gebuhr")
    search_fill.fill(jira)
    page = failures.page(jira, wanted(q=typed))
    found = [one.message for one in page.items]
    while page.next is not None:
        page = failures.page(jira, wanted(q=typed, cursor=page.next))
        found += [one.message for one in page.items]
    assert found == ["Gebühr: привет"]


def test_what_is_new_is_found_before_it_is_indexed(jira: Installation) -> None:
    add(jira, "brand new")
    assert messages(jira, q="brand") == ["brand new"]


@pytest.mark.usefixtures("indexed_only")
def test_a_text_that_changed_is_searched_as_it_is_now(jira: Installation) -> None:
    one = add(jira, "before", minutes=1)
    search_fill.fill(jira)
    table = Failure.__table__
    with jira.store.writing() as connection:
        values = {"message": "afterwards", "last_logged_at": utc_now() - timedelta(seconds=5)}
        connection.execute(table.update().where(table.c.id == one).values(values))
    add(jira, "newest")
    search_fill.fill(jira)
    assert messages(jira, q="afterwards") == ["afterwards"]
    assert messages(jira, q="before") == []
    assert search_fill.fill(jira) == 0


def test_a_prune_takes_texts_out_of_the_search(jira: Installation) -> None:
    ids = [add(jira, f"number {n}", minutes=5) for n in range(3)]
    search_fill.fill(jira)
    acting.delete(jira, ids[1], "a")
    housekeeping.prune(jira)
    with jira.store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT rowid FROM failure_texts ORDER BY rowid")
        assert list(rows.scalars()) == [ids[0], ids[2]]


@pytest.mark.usefixtures("indexed_only")
def test_a_text_without_an_index_is_looked_for_part_by_part(jira: Installation) -> None:
    add(jira, "zq", minutes=2)
    add(jira, "newest")
    first = failures.page(jira, wanted(q="zq"))
    assert first.items == []
    assert first.next is not None
    assert messages(jira, q="zq", cursor=first.next) == ["zq"]


@pytest.mark.usefixtures("indexed_only")
def test_failures_are_found_by_the_state_of_their_integration(jira: Installation) -> None:
    makers.put_integration(jira, "off")
    table = IntegrationDirection.__table__
    with jira.store.writing() as connection:
        off = connection.scalar(select(Integration.id).where(Integration.key == "off"))
        which = table.c.integration_id == off
        connection.execute(table.update().where(which).values(active=False))
    add(jira, "old, off", key="off", minutes=3)
    add(jira, "old, on", minutes=2)
    add(jira, "new, on")
    add(jira, "new, off", key="off")
    assert messages(jira, integrationStatus="inactive") == ["new, off", "old, off"]
    assert messages(jira, integrationStatus="active") == ["new, on", "old, on"]


def test_counts_stop_at_their_cap(jira: Installation) -> None:
    makers.failures(jira, 5)
    assert failures.count(jira, wanted(), cap=3) == Count(3, more=True)
    assert failures.count(jira, wanted(), cap=10) == Count(5)
    assert failures.count(jira, wanted(q="failed"), cap=3) == Count(3, more=True)
    assert failures.count(jira, wanted(q="nowhere")) == Count(0)


def test_a_count_of_a_part_says_at_least(
    jira: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers.failures(jira, 4, message="zq here")
    for name in ("PART", "LARGE"):
        monkeypatch.setattr(failure_counts, name, 3)
    for given in ({"q": "zq"}, {"hasErrorCode": "false"}):
        assert failures.count(jira, wanted(**given)) == Count(3, more=True), given
    monkeypatch.setattr(failure_counts, "most_found", lambda _connection: 3)
    search_fill.fill(jira)
    assert failures.count(jira, wanted(q="here")) == Count(3, more=True)
    for name in ("PART", "LARGE"):
        monkeypatch.setattr(failure_counts, name, 4)
    for given in ({"q": "zq"}, {"hasErrorCode": "false"}):
        assert failures.count(jira, wanted(**given)) == Count(4), given


def test_an_empty_message_is_refused_and_does_not_mean_all() -> None:
    with pytest.raises(Invalid) as raised:
        wanted(wholeMessage="")
    assert [(one.pointer, one.message) for one in raised.value.faults] == [
        ("/wholeMessage", "must not be empty")
    ]


def test_what_no_index_leads_to_is_counted_as_the_list_shows_it(jira: Installation) -> None:
    table = IntegrationDirection.__table__
    with jira.store.writing() as connection:
        since = utc_now() - timedelta(minutes=1)
        connection.execute(table.update().values(cycle_since=since))
        way = connection.scalar(select(table.c.id).limit(1))
    for _ in range(4):
        add(jira, "before", minutes=5, error_code="E-1", direction_id=way)
    search_fill.fill(jira)
    for _ in range(3):
        add(jira, "since", direction_id=way)
    for given, number in {
        "lastCycle=true": 3,
        "lastCycle=false": 4,
        "hasErrorCode=true": 4,
        "wholeMessage=since": 3,
        "wholeMessage=befor": 0,
        "integrationStatus=active": 7,
        "integrationStatus=inactive": 0,
        "q=before&lastCycle=true": 0,
    }.items():
        query = wanted(**dict(one.split("=") for one in given.split("&")))
        assert failures.count(jira, query) == Count(number), given
        assert len(failures.page(jira, query).items) == number, given


def test_failures_are_grouped_by_what_they_share(jira: Installation) -> None:
    makers.failures(jira, 2, error_code="E-1")
    makers.failures(jira, 1)
    found = failure_groups.groups(jira, wanted(), "code")
    assert found.whole
    assert [(one.key, one.count) for one in found.groups] == [("E-1", 2), (None, 1)]
    (group,) = failure_groups.groups(jira, wanted(), "integration").groups
    assert (group.key, group.count) == ("jira", 3)
    first = failure_groups.groups(jira, wanted(), "code", limit=1)
    assert ([one.key for one in first.groups], first.more, found.more) == (["E-1"], True, False)
    some = failure_groups.groups(jira, wanted(hasErrorCode="true"), "code")
    assert [(one.key, one.count) for one in some.groups] == [("E-1", 2)]


INDEXES = {
    "kind": ("failures_kind", {"kind": "processing"}),
    "other": ("failures_kind", {"errorType": "other"}),
    "direction": ("failures_direction", {"direction": "backward", "kind": "global"}),
    "state": ("failures_resolved", {"state": "resolved", "kind": "global"}),
    "code": ("failures_code", {"errorCode": "E", "kind": "global", "errorType": "integration"}),
    "entity": ("failures_entity", {"entityId": "E", "kind": "global"}),
    "told": ("failures_told", {"notified": "true", "kind": "global"}),
    "untold": ("failures_untold", {"notified": "false", "kind": "global"}),
    "integration": ("failures_integration", {"integration": "jira", "kind": "global"}),
    "all": ("failures_logged", {"errorType": "integration"}),
}


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("database", ["sqlite"])
def test_each_filter_reads_along_its_index(jira: Installation, name: str) -> None:
    index, given = INDEXES[name]
    for cursor in (None, write_cursor(5, 5), write_cursor(5, 5, newer=True)):
        query = wanted(**given, **({"cursor": cursor} if cursor else {}))
        plans = _plans(jira, query)
        assert f"USING INDEX {index}" in plans or f"USING COVERING INDEX {index}" in plans
        assert not re.search(r"SCAN failures$|TEMP B-TREE", plans.split("\n\n")[0], re.M)


@pytest.mark.parametrize("name", ["direction", "code", "integration"])
@pytest.mark.parametrize("database", ["sqlite"])
def test_each_filter_of_a_list_is_counted_by_its_index_alone(jira: Installation, name: str) -> None:
    index, given = INDEXES[name]
    query = wanted(**{"kind": "global", "errorType": "integration", **given})
    assert f"USING COVERING INDEX {index}" in _plans(jira, query, failures.count)


def _plans(
    site: Installation,
    query: FailureQuery,
    read: Callable[[Installation, FailureQuery], object] = failures.page,
) -> str:
    """Return the plans of what a page reads, or of what `read` does."""
    plans = []

    def explain(_c: Any, cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        raw = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.append("\n".join(row[3] for row in raw))

    event.listen(site.store.engine, "before_cursor_execute", explain)
    try:
        read(site, query)
    finally:
        event.remove(site.store.engine, "before_cursor_execute", explain)
    return "\n\n".join(plan for plan in plans if plan)


def test_an_export_has_every_row_of_its_filter(
    jira: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "AT_ONCE", 2)
    ids = makers.failures(jira, 5, message="zq")
    makers.failures(jira, 3)
    assert [one.id for one in failures.export(jira, wanted(q="zq"))] == ids[::-1]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", " =1", "＝1", "\u200b=1"])
def test_no_text_of_a_file_is_a_formula(text: str) -> None:
    assert csv_rows.cell(text) == f"'{text}"


def test_a_file_is_made_line_by_line() -> None:
    lines = list(csv_rows.lines(["a", "b"], [[1, None], [-1, 'x "y", z']]))
    assert lines == ["\ufeffa,b\r\n", "1,\r\n", '-1,"x ""y"", z"\r\n']


def test_few_failures_are_changed_while_the_caller_waits(jira: Installation) -> None:
    ids = makers.failures(jira, 3, retry_count=2)
    job = failure_bulk.start(jira, "a", Action.RESET, [*ids, 999])
    assert job is not None
    document = reading_jobs.one(jira, job)
    assert document.state is JobState.DONE
    assert document.counts == {"changed": 3, "skipped": 1}
    assert {makers.row_of(jira, Failure, one).retry_count for one in ids} == {0}
    (entry,) = [row for row in makers.audited(jira) if row.subject_kind == "failure"]
    assert (entry.action, entry.subject_name) == ("reset retries", "3 failures")


def test_all_that_match_are_deleted_by_a_worker(jira: Installation) -> None:
    makers.failures(jira, 60, message="old ones")
    kept = makers.failures(jira, 2)
    job = failure_bulk.start(jira, "a", Action.DELETE, wanted(message="old ones"))
    assert job is not None
    assert reading_jobs.one(jira, job).state is JobState.QUEUED
    job_work.run_queued(jira, 1, iter([True, True, False, False]).__next__)
    assert reading_jobs.one(jira, job).state is JobState.QUEUED
    job_work.run_queued(jira, 1, lambda: True)
    assert reading_jobs.one(jira, job).counts == {"changed": 60, "skipped": 0}
    assert [one.id for one in failures.page(jira, wanted()).items] == kept[::-1]
    assert failure_bulk.start(jira, "a", Action.DELETE, wanted(message="old ones")) is None


def test_the_kinds_of_a_filter_are_told_apart(jira: Installation) -> None:
    add(jira, "backward", direction=Direction.BACKWARD, kind=Kind.GLOBAL)
    add(jira, "resolved", direction=Direction.FORWARD, state=FailureState.RESOLVED)
    assert messages(jira, direction="backward", kind="global") == ["backward"]
    assert messages(jira, state="resolved", notified="false") == ["resolved"]
    assert messages(jira, kind="global", state="resolved") == []
    assert reading_jobs.page(jira, parse(PageQuery, {})).items == []
