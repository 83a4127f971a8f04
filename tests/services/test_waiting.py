"""What waits: counted in every state, for people and machines, without reading the whole table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.event import listen, remove

from app.clock import utc_now
from app.domain.kinds import LaneState
from app.models import Failure, Lane, LaneEntry
from app.services import health, metrics, pass_work, waiting
from app.services.installation import Installation
from app.services.reading import attention, failures, lanes, overview
from app.services.reading.failure_filter import FailureQuery
from app.services.reading.lanes import LaneQuery
from app.services.waiting import Waiting
from app.shapes import parse
from tests.api import rows
from tests.services.makers import count_of, row_of

HELD = {"state": "retrying", "held_id": 9, "round": 2, "error_text": "No answer in 15 s."}
BOUNDED = {"policy": "Bounded", "retry_number": 3, "retry_delay": 10}


def hook(site: Installation, **lane: Any) -> tuple[int, int]:
    """Make an HTTP system with one lane; returns both."""
    system = rows.system(site, "Hook", kind="webhook")
    return system, rows.lane(site, system, **{"row": "metrics", **BOUNDED, **lane})


def event(site: Installation, system: int, lane: int, state: str, **values: Any) -> int:
    """Add a delivery of an event."""
    fixed = {"kind": "event", "why": "own_cell", "direction": None, "lane_id": lane}
    return rows.delivery(site, system, state=state, **{**fixed, **values})


def one_of_each(site: Installation, system: int, lane: int) -> None:
    """Add a delivery of every state, the stored one as the oldest."""
    for days, state in enumerate(("delivered", "dead", "cancelled", "stored", "pending", "leased")):
        event(site, system, lane, state, reported_at=rows.NOON + timedelta(days=days))


def test_what_is_stored_waits_as_well(site: Installation) -> None:
    system, lane = hook(site)
    one_of_each(site, system, lane)
    expected = Waiting(3, 1, rows.NOON + timedelta(days=3))
    with site.store.reading() as connection:
        assert waiting.everywhere(connection) == expected
        assert waiting.in_lanes(connection, [lane, lane + 1]) == {lane: expected}
        assert waiting.in_lanes(connection, []) == {}


def test_the_oldest_that_waits_may_be_a_stored_one(site: Installation) -> None:
    system, lane = hook(site)
    event(site, system, lane, "stored", reported_at=utc_now() - timedelta(hours=2))
    check = health.readiness(site).checks["oldestWaiting"]
    assert check.ok
    assert check.value is not None
    assert check.value >= 7_200
    assert check.text.startswith("1 wait, the oldest for 72")


def test_metrics_count_lanes_of_http_systems(site: Installation) -> None:
    system, lane = hook(site, **HELD)
    one_of_each(site, system, lane)
    told = metrics.text(site).splitlines()
    assert 'tocsin_deliveries{system="Hook",state="stored"} 1' in told
    assert 'tocsin_deliveries{system="Hook",state="pending"} 1' in told
    assert 'tocsin_lanes{state="retrying"} 1' in told
    assert "tocsin_waiting 3" in told
    assert "tocsin_stored 1" in told


def test_the_overview_counts_what_waits_in_every_lane(site: Installation) -> None:
    one_of_each(site, *hook(site))
    assert overview.figures(site, utc_now()).waiting == 3


def test_an_other_error_of_a_route_counts_what_waits_in_its_lane(site: Installation) -> None:
    system, lane = hook(site)
    nodes = rows.lane(site, system, row="nodes", **BOUNDED)
    one_of_each(site, system, lane)
    event(site, system, nodes, "pending")
    rows.other_error(site, system, None)
    with site.store.writing() as connection:
        connection.execute(update(Failure).values(row="metrics"))
    (error,) = failures.page(site, parse(FailureQuery, {})).items
    assert (error.system, error.row, error.waiting) == ("Hook", "metrics", 3)


def told(site: Installation) -> list[attention.Item]:
    """Return what needs attention, but for the processes, of which a test has none."""
    return [item for item in attention.items(site, utc_now()) if item.url != "/about/"]


def test_a_lane_in_retry_needs_attention_with_its_row_and_what_is_stored(
    site: Installation,
) -> None:
    at = utc_now() + timedelta(seconds=9)
    system, lane = hook(site, **HELD, next_try_at=at)
    one_of_each(site, system, lane)
    (item,) = told(site)
    assert item.text == (
        "Hook (Metrics) is in retry, 3 wait, 1 of them stored for the next success. "
        "No answer in 15 s."
    )
    assert (item.count, item.since, item.next_at) == (3, rows.NOON, at)


def test_a_lane_in_which_all_is_stored_waits_for_the_next_notification(
    site: Installation,
) -> None:
    system, lane = hook(site, **HELD)
    event(site, system, lane, "stored")
    (item,) = told(site)
    assert (item.next_at, item.next_try) == (None, "with the next notification")


def test_a_lane_whose_endpoint_answers_is_not_said_to_be_down(site: Installation) -> None:
    system, lane = hook(site, state="retrying", error_text="422 Unprocessable Content.")
    event(site, system, lane, "pending")
    (item,) = told(site)
    assert item.text.startswith("Hook (Metrics) does not take some of its notifications, 1 waits.")


def test_a_lane_that_flushes_needs_no_attention(site: Installation) -> None:
    hook(site, state="flushing")
    assert told(site) == []


@pytest.mark.parametrize(("number", "said"), [(1, "1 mail has"), (2, "2 mails have")])
def test_overdue_mail_needs_attention_and_what_ends_by_itself_does_not(
    site: Installation, number: int, said: str
) -> None:
    mail = rows.system(site)
    lane = rows.lane(site, mail)
    old = utc_now() - timedelta(days=3, minutes=1)
    for _ in range(number):
        rows.delivery(site, mail, lane_id=lane, reported_at=old)
    rows.delivery(site, mail, lane_id=lane, reported_at=utc_now())
    rows.delivery(site, mail, lane_id=lane, reported_at=old, state="delivered")
    event(site, *hook(site), "pending", reported_at=old)
    (item,) = told(site)
    assert item.text == f"{said} waited for more than 3 days."
    assert (item.level, item.count) == ("error", number)


def test_the_pass_forgets_the_failure_of_a_lane_that_is_empty(site: Installation) -> None:
    system, empty = hook(site, **HELD)
    rows.add(site, LaneEntry, lane_id=empty, round=1, upto_id=9)
    owned = rows.lane(site, system, row="nodes", **HELD, **BOUNDED, lease_token="x")
    kept = rows.lane(site, system, row="backups", **HELD, **BOUNDED)
    event(site, system, kept, "stored")
    pass_work.work(site)
    states = {one: row_of(site, Lane, one).state for one in (empty, owned, kept)}
    assert states == {
        empty: LaneState.NORMAL, owned: LaneState.RETRYING, kept: LaneState.RETRYING,
    }  # fmt: skip
    assert count_of(site, LaneEntry) == 0


def _asked(site: Installation, work: Callable[[], object]) -> list[tuple[str, Any]]:
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        asked.append((statement, values))

    listen(site.store.engine, "before_cursor_execute", note)
    work()
    remove(site.store.engine, "before_cursor_execute", note)
    # The figures by system and state are those of the whole table.
    whole = "GROUP BY systems.name, deliveries.state"
    return [one for one in asked if "deliveries" in one[0] and whole not in one[0]]


def test_nothing_reads_the_whole_table_to_see_what_waits(site: Installation) -> None:
    system, lane = hook(site, **HELD)
    one_of_each(site, system, lane)
    mail = rows.system(site)
    rows.lane(site, mail, state="retrying")
    rows.other_error(site, system, None)

    def work() -> None:
        overview.figures(site, utc_now())
        attention.items(site, utc_now())
        metrics.text(site)
        health.readiness(site)
        lanes.page(site, parse(LaneQuery, {}))
        failures.page(site, parse(FailureQuery, {}))
        pass_work.work(site)

    queries = _asked(site, work)
    assert len(queries) > 8
    with site.store.reading() as connection:
        assert connection.execute(select(Lane.id)).all()
        for statement, values in queries:
            assert not _reads_all(site, connection, statement, values), statement


def _reads_all(site: Installation, connection: Any, statement: str, values: Any) -> bool:
    """Whether the database has no better way than to read all deliveries."""
    if site.store.sqlite:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        return any(row[-1] == "SCAN deliveries" for row in plan)
    # It would read a small table in whatever way: let it avoid that where it can.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    plan = connection.exec_driver_sql(f"EXPLAIN {statement}", values)
    return any("Seq Scan on deliveries" in row[0] for row in plan)
