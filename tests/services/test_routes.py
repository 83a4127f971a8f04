"""Routes: revisions, the lanes behind them, and what waits where a system leaves."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.event import listen, remove

from app.channels import CHANNELS
from app.channels.fake import FakeChannel
from app.clock import utc_now
from app.domain.event_kinds import Row, Severity
from app.domain.kinds import DeliveryKind, DeliveryState, EndReason, LaneState, Policy
from app.domain.routing import Cell
from app.errors import InUse, Invalid, Stale
from app.models import Delivery, Event, Lane, LaneEntry, RouteRevision, System
from app.services import configuring, routes, routing, system_use
from app.services.installation import Installation
from app.services.named import Saved
from app.services.reading import lanes as reading
from app.services.retry_shape import RetryPolicyBody, policy_of
from app.services.routes_waiting import Waiting
from app.services.systems import SYSTEMS
from app.shapes import parse
from tests.api import rows
from tests.services.makers import ACTOR, NO_LOGIN, audited, count_of, put_system, row_of

TO = {**NO_LOGIN, "toEmail": "ops@corp.example"}
BOUNDED = {"policy": "Bounded", "retryNumber": 7, "retryDelay": 60}
ALWAYS = {"policy": "Always", "retryDelay": 30}


@pytest.fixture(autouse=True)
def _fake_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of system that is not mail."""
    monkeypatch.setitem(CHANNELS, "fake", FakeChannel())


def hook(site: Installation, name: str = "Hook", **fields: Any) -> Saved:
    """Make or replace a system that is reached by HTTP."""
    return put_system(site, name, kind="fake", options={}, **fields)


def cell(source: str, severity: str, *systems: str, override: bool = False) -> dict[str, Any]:
    return {
        "source": source, "severity": severity, "systems": list(systems), "override": override,
    }  # fmt: skip


def policy(source: str, system: str, said: Any) -> dict[str, Any]:
    return {"source": source, "system": system, "retryPolicy": said}


def save(
    site: Installation, *cells: Any, subscriptions: Any = (), waiting: Waiting = Waiting.SEND
) -> Saved:
    """Replace the matrix."""
    document = {"cells": list(cells), "subscriptions": list(subscriptions)}
    return routes.replace(site, ACTOR, document, waiting=waiting)


def lanes(site: Installation) -> dict[tuple[str | None, str], Any]:
    """Return every lane by its row and the name of its system."""
    query = select(Lane.__table__, System.name).join(System, System.id == Lane.system_id)
    with site.store.reading() as connection:
        return {(lane.row, lane.name): lane for lane in connection.execute(query)}


def revisions(site: Installation) -> list[Any]:
    with site.store.reading() as connection:
        return list(connection.execute(select(RouteRevision.__table__).order_by(RouteRevision.id)))


def stamp(site: Installation) -> Any:
    with site.store.reading() as connection:
        return connection.scalar(routing._STAMP)


def current(site: Installation) -> routing.Routing:
    with site.store.reading() as connection:
        return routing.current(site, connection)


def event(site: Installation, source: str) -> int:
    """Add an event of a source."""
    return rows.add(
        site, Event, received_at=rows.NOON, source=source, severity="error", status="firing",
        outcome="routed", document="{}", decisions="[]",
    )  # fmt: skip


def waits(site: Installation, lane: Any, **values: Any) -> int:
    """Add a delivery of an event that waits in a lane."""
    fixed = {"kind": DeliveryKind.EVENT, "why": "own_cell", "direction": None, "lane_id": lane.id}
    return rows.delivery(site, lane.system_id, **{**fixed, **values})


def test_a_save_is_a_revision_by_ids_with_the_names_of_that_day(site: Installation) -> None:
    one, two = (int(hook(site, name).document["id"]) for name in ("One", "Two"))
    saved = save(
        site,
        cell("metrics", "error", "Two", "One", override=True),
        cell("global", "info"),
        subscriptions=[policy("backups", "Two", {"policy": "None"})],
    )
    (row,) = revisions(site)
    assert (row.actor, saved.document["revision"]) == (ACTOR, str(row.id))
    assert row.document == {
        "cells": {"metrics": {"error": {"systems": [two, one], "override": True}}},
        "policies": {"backups": {str(two): {"policy": "None"}}},
        "names": {str(one): "One", str(two): "Two"},
    }


def test_saving_the_same_again_leaves_no_trace(site: Installation) -> None:
    hook(site)
    first = save(site, cell("metrics", "error", "Hook"))
    before = stamp(site)
    again = save(site, cell("metrics", "error", "Hook"), cell("nodes", "info"))
    assert (again.document, again.version) == (first.document, first.version)
    assert (len(revisions(site)), stamp(site)) == (1, before)
    assert [one.subject_kind for one in audited(site)] == ["system", "routes"]


def test_the_audit_log_tells_before_and_after_in_names(site: Installation) -> None:
    hook(site)
    save(site, cell("metrics", "error", "Hook"))
    save(site, subscriptions=[policy("global", "Hook", ALWAYS)])
    row = audited(site)[-1]
    assert (row.actor, row.action, row.subject_kind, row.subject_name) == (
        ACTOR, "update", "routes", "routes",
    )  # fmt: skip
    assert row.before == {"cells": [cell("metrics", "error", "Hook")], "subscriptions": []}
    assert row.after == {"cells": [], "subscriptions": [policy("global", "Hook", ALWAYS)]}


def test_intake_sees_the_new_matrix_from_the_commit_on(site: Installation) -> None:
    system = int(hook(site).document["id"])
    assert current(site).matrix.cells == {}
    save(site, cell("metrics", "error", "Hook"))
    found = current(site)
    assert found.matrix.cells == {(Row.METRICS, Severity.ERROR): Cell((system,))}
    assert found.targets[Row.METRICS, system].lane_id == lanes(site)["metrics", "Hook"].id


def test_every_save_of_a_system_and_its_deletion_touch_the_routing(site: Installation) -> None:
    hook(site)
    first = stamp(site)
    hook(site, status="paused")
    second = stamp(site)
    configuring.delete(SYSTEMS, site, ACTOR, "Hook")
    assert first < second < stamp(site)


def test_a_system_has_a_lane_in_each_row_where_it_has_a_cell_or_a_policy(
    site: Installation,
) -> None:
    hook(site)
    assert lanes(site) == {}
    save(
        site,
        cell("metrics", "error", "Hook"),
        cell("metrics", "info", "Hook"),
        cell("global", "info", "Hook"),
        subscriptions=[policy("repairs", "Hook", BOUNDED)],
    )
    found = lanes(site)
    assert set(found) == {("metrics", "Hook"), ("global", "Hook"), ("repairs", "Hook")}
    states = {(lane.state, lane.round) for lane in found.values()}
    assert states == {(LaneState.NORMAL, 0)}
    held = {
        row: (lane.policy, lane.retry_number, lane.retry_delay, lane.own_policy)
        for (row, _), lane in found.items()
    }
    assert held == {
        "metrics": (Policy.BOUNDED, 3, 10, None),
        "global": (Policy.BOUNDED, 3, 10, None),
        "repairs": (Policy.BOUNDED, 7, 60, BOUNDED),
    }


def test_a_mail_system_uses_its_one_lane_for_every_row(site: Installation) -> None:
    put_system(site, options=TO)
    save(site, cell("metrics", "error", "Mail"), cell("global", "info", "Mail"))
    ((row, _), lane), *others = lanes(site).items()
    assert (row, others, lane.policy, lane.own_policy) == (None, [], None, None)
    assert {one.lane_id for one in current(site).targets.values()} == {lane.id}


def test_a_lane_stays_when_its_cell_goes_and_is_there_when_it_comes_back(
    site: Installation,
) -> None:
    hook(site)
    save(
        site, cell("nodes", "info", "Hook"), subscriptions=[policy("nodes", "Hook", BOUNDED)]
    )  # fmt: skip
    before = lanes(site)["nodes", "Hook"]
    save(site)
    left = lanes(site)["nodes", "Hook"]
    assert (left.id, left.own_policy, left.retry_number) == (before.id, None, 3)
    save(site, cell("nodes", "info", "Hook"))
    assert lanes(site)["nodes", "Hook"].id == before.id


def test_a_systems_policy_holds_at_once_where_its_subscriptions_have_none(
    site: Installation,
) -> None:
    hook(site)
    save(
        site,
        cell("metrics", "error", "Hook"),
        cell("backups", "error", "Hook"),
        cell("nodes", "error", "Hook"),
        subscriptions=[policy("nodes", "Hook", {"policy": "None"})],
    )
    hook(site, retryPolicy={"policy": "Always", "retryDelay": 30})
    held = {row: (lane.policy, lane.retry_delay) for (row, _), lane in lanes(site).items()}
    assert held == {
        "metrics": (Policy.ALWAYS, 30),
        "backups": (Policy.BOUNDED, 10),
        "nodes": (Policy.NONE, 10),
    }
    effective = {
        one["source"]: (one["effective"]["origin"], one["effective"]["note"] is not None)
        for one in routes.get(site).document["subscriptions"]
    }
    assert effective == {
        "metrics": ("system", False), "backups": ("default", True), "nodes": ("own", False),
    }  # fmt: skip


def test_a_shorter_delay_holds_for_the_round_that_is_waited_for(site: Installation) -> None:
    hook(site)
    save(site, cell("metrics", "error", "Hook"), subscriptions=[policy("metrics", "Hook", BOUNDED)])
    far = utc_now() + timedelta(seconds=60)
    with site.store.writing() as connection:
        connection.execute(update(Lane).values(state="retrying", held_id=1, next_try_at=far))
    shorter = policy("metrics", "Hook", {**BOUNDED, "retryDelay": 5})
    save(site, cell("metrics", "error", "Hook"), subscriptions=[shorter])

    assert lanes(site)["metrics", "Hook"].next_try_at <= utc_now() + timedelta(seconds=5)


def test_a_stale_condition_changes_nothing(site: Installation) -> None:
    hook(site)

    def stale(_: str | None) -> None:
        raise Stale("changed meanwhile")

    with pytest.raises(Stale):
        routes.replace(site, ACTOR, {"cells": [cell("metrics", "info", "Hook")]}, stale)
    assert revisions(site) == []


def test_of_two_changes_of_one_version_at_once_one_is_stale(site: Installation) -> None:
    hook(site)
    version = routes.get(site).version

    def unchanged(current: str | None) -> None:
        if current != version:
            raise Stale("changed meanwhile")

    def change(severity: str) -> str:
        try:
            document = {"cells": [cell("metrics", severity, "Hook")]}
            routes.replace(site, ACTOR, document, unchanged)
        except Stale:
            return "stale"
        return "saved"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(change, ("info", "error"))) == ["saved", "stale"]
    assert (len(revisions(site)), len(lanes(site))) == (1, 1)


def test_a_change_that_cannot_be_audited_is_not_made(site: Installation) -> None:
    hook(site)
    with pytest.raises(UnicodeEncodeError):
        routes.replace(site, "\ud800", {"cells": [cell("metrics", "info", "Hook")]})
    assert (revisions(site), lanes(site)) == ([], {})


@pytest.fixture
def left(site: Installation) -> Iterator[Any]:
    """The lanes of Hook in metrics and nodes, each with one of every open state in it."""
    hook(site)
    put_system(site, options=TO)
    every = [cell(row, "error", "Hook", "Mail") for row in ("metrics", "nodes", "global")]
    save(site, *every)
    yield lanes(site)


OPEN = (DeliveryState.PENDING, DeliveryState.LEASED, DeliveryState.STORED)


@pytest.mark.parametrize("what", Waiting)
def test_what_waits_in_a_lane_whose_last_cell_went_is_sent_or_cancelled(
    site: Installation, left: Any, what: Waiting
) -> None:
    gone = [waits(site, left["metrics", "Hook"], state=state) for state in OPEN]
    stays = [waits(site, left["nodes", "Hook"], state=state) for state in OPEN]
    done = waits(site, left["metrics", "Hook"], state=DeliveryState.DELIVERED)
    saved = save(
        site,
        cell("metrics", "error", "Mail"),
        *(cell(row, "error", "Hook", "Mail") for row in ("nodes", "global")),
        waiting=what,
    )
    word = "cancelled" if what is Waiting.CANCEL else "sent"
    expected = [{"source": "metrics", "system": "Hook", "count": 3, "done": word}]
    assert saved.document["waiting"] == expected
    found = [row_of(site, Delivery, one) for one in gone]
    if what is Waiting.CANCEL:
        ends = {(one.state, one.reason) for one in found}
        assert ends == {(DeliveryState.CANCELLED, EndReason.REMOVED)}
        assert all(one.finished_at for one in found)
    else:
        assert [one.state for one in found] == list(OPEN)
    assert [row_of(site, Delivery, one).state for one in stays] == list(OPEN)
    assert row_of(site, Delivery, done).state is DeliveryState.DELIVERED


def test_a_system_that_keeps_another_cell_of_the_row_leaves_nothing_behind(
    site: Installation, left: Any
) -> None:
    one = waits(site, left["metrics", "Hook"])
    every = [cell(row, "error", "Hook", "Mail") for row in ("nodes", "global")]
    saved = save(
        site, cell("metrics", "info", "Hook", "Mail"), *every, waiting=Waiting.CANCEL
    )  # fmt: skip
    assert saved.document["waiting"] == []
    assert row_of(site, Delivery, one).state is DeliveryState.PENDING


def test_what_is_being_sent_at_this_moment_is_left_alone(site: Installation, left: Any) -> None:
    leased = {"state": DeliveryState.LEASED, "started": True}
    one = waits(site, left["metrics", "Hook"], **leased)
    every = [cell(row, "error", "Hook", "Mail") for row in ("nodes", "global")]
    saved = save(
        site, cell("metrics", "error", "Mail"), *every, waiting=Waiting.CANCEL
    )  # fmt: skip
    assert saved.document["waiting"][0]["count"] == 0
    assert row_of(site, Delivery, one).state is DeliveryState.LEASED


@pytest.mark.parametrize(("row", "place"), [("metrics", 0), ("nodes", 1), ("global", 2)])
def test_of_a_mail_system_only_what_that_row_sent_is_cancelled(
    site: Installation, left: Any, row: str, place: int
) -> None:
    lane = left[None, "Mail"]
    mails = [
        waits(site, lane, event_id=event(site, "metrics")),
        waits(site, lane, event_id=event(site, "nodes")),
        waits(site, lane, event_id=event(site, "nodes"), why="global_cell"),
    ]
    registered = waits(site, lane, kind=DeliveryKind.FAILURE, why="count_reached")
    every = [
        cell(one, "error", *(("Hook",) if one == row else ("Hook", "Mail")))
        for one in ("metrics", "nodes", "global")
    ]
    saved = save(site, *every, waiting=Waiting.CANCEL)
    assert saved.document["waiting"] == [
        {"source": row, "system": "Mail", "count": 1, "done": "cancelled"}
    ]
    cancelled = [row_of(site, Delivery, one).state is DeliveryState.CANCELLED for one in mails]
    assert cancelled == [index == place for index in range(3)]
    assert row_of(site, Delivery, registered).state is DeliveryState.PENDING


def test_a_failing_lane_that_was_emptied_does_not_fail_any_more(
    site: Installation, left: Any
) -> None:
    lane = left["metrics", "Hook"]
    waits(site, lane)
    rows.add(site, LaneEntry, lane_id=lane.id, round=1, upto_id=1)
    with site.store.writing() as connection:
        connection.execute(update(Lane).where(Lane.id == lane.id).values(state="retrying", round=1))
    assert configuring.get(SYSTEMS, site, "Hook").document["health"]["state"] == "failing"
    save(site, waiting=Waiting.CANCEL)
    assert lanes(site)["metrics", "Hook"].state is LaneState.NORMAL
    assert configuring.get(SYSTEMS, site, "Hook").document["health"]["state"] == "unknown"
    with site.store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(LaneEntry)) == 0


def test_a_system_in_a_cell_or_with_a_policy_is_in_use(site: Installation) -> None:
    hook(site)
    save(
        site,
        cell("metrics", "error", "Hook"),
        cell("rollingRestart", "info", "Hook"),
        subscriptions=[policy("global", "Hook", BOUNDED)],
    )
    with pytest.raises(InUse) as error:
        configuring.delete(SYSTEMS, site, ACTOR, "Hook")
    assert [(one.kind, one.name, one.url) for one in error.value.used_by] == [
        ("route", "Metrics / error", "/api/v1/routes"),
        ("route", "Rolling Restart / info", "/api/v1/routes"),
        ("subscription", "Global", "/api/v1/routes"),
    ]
    shown = configuring.get(SYSTEMS, site, "Hook").document["usedBy"]
    assert [one["name"] for one in shown] == [
        "Metrics / error", "Rolling Restart / info", "Global",
    ]  # fmt: skip


def test_a_system_for_which_something_waits_in_any_lane_is_in_use(
    site: Installation, left: Any
) -> None:
    for state, row in zip(OPEN, ("metrics", "nodes", "global"), strict=True):
        waits(site, left[row, "Hook"], state=state)
    waits(site, left["metrics", "Hook"], kind=DeliveryKind.TEST, lane_id=None)
    waits(site, left["metrics", "Hook"], kind=DeliveryKind.TEST, lane_id=None, state="dead")
    waits(site, left[None, "Mail"])
    save(site)
    with pytest.raises(InUse) as error:
        configuring.delete(SYSTEMS, site, ACTOR, "Hook")
    assert [one.name for one in error.value.used_by] == ["4 waiting"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_waits_is_found_without_reading_the_whole_table(site: Installation, left: Any) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        asked.append((statement, values))

    listen(site.store.engine, "before_cursor_execute", note)
    with site.store.viewing() as session:
        system_use.waiting(session, session.get_one(System, left["metrics", "Hook"].system_id))
    reading.one(site, left["metrics", "Hook"].id)
    save(site, waiting=Waiting.CANCEL)
    remove(site.store.engine, "before_cursor_execute", note)
    queries = [one for one in asked if "deliveries" in one[0]]
    assert len(queries) > 10
    with site.store.reading() as connection:
        for statement, values in queries:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert not [row for row in plan if row[-1] == "SCAN deliveries"], statement


def test_a_deleted_system_takes_its_lanes_along_and_a_revision_keeps_its_name(
    site: Installation,
) -> None:
    system = hook(site).document["id"]
    save(site, cell("metrics", "error", "Hook"))
    rows.add(site, LaneEntry, lane_id=lanes(site)["metrics", "Hook"].id, round=1, upto_id=1)
    save(site)
    configuring.delete(SYSTEMS, site, ACTOR, "Hook")
    assert (lanes(site), count_of(site, Lane)) == ({}, 0)
    with site.store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(LaneEntry)) == 0
    assert revisions(site)[0].document["names"] == {system: "Hook"}
    assert routes.get(site).document["subscriptions"] == []


def test_a_mail_system_in_a_cell_keeps_its_to_email(site: Installation) -> None:
    put_system(site, options=TO)
    save(site, cell("metrics", "error", "Mail"))
    with pytest.raises(Invalid) as error:
        put_system(site, options=NO_LOGIN)
    assert [one.pointer for one in error.value.faults] == ["/options/toEmail"]
    save(site)
    put_system(site, options=NO_LOGIN)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"policy": "None"}, {"policy": "None"}),
        ({"policy": "None", "retryNumber": 9, "retryDelay": 9}, {"policy": "None"}),
        ({"policy": "Bounded"}, {"policy": "Bounded", "retryNumber": 3, "retryDelay": 10}),
        (BOUNDED, BOUNDED),
        (
            {"policy": "Bounded", "maxRetryNumber": 7},
            {"policy": "Bounded", "retryNumber": 7, "retryDelay": 10},
        ),
        (
            {"policy": "Bounded", "retryNumber": 7, "maxRetryNumber": 7, "retryDelay": None},
            {"policy": "Bounded", "retryNumber": 7, "retryDelay": 10},
        ),
        ({"policy": "Always", "retryNumber": 5}, {"policy": "Always", "retryDelay": 10}),
        ({"policy": "Always", "retryDelay": 259_200}, {"policy": "Always", "retryDelay": 259_200}),
    ],
)
def test_a_policy_keeps_what_applies_to_it(said: Any, kept: Any) -> None:
    value = parse(RetryPolicyBody, said).value
    assert value.document == kept
    assert policy_of(kept) == value


@pytest.mark.parametrize(
    ("said", "pointer", "message"),
    [
        ({}, "/policy", "is required"),
        ({"policy": "none"}, "/policy", "must be 'None', 'Bounded' or 'Always'"),
        ({"policy": "Bounded", "retryNumber": 0}, "/retryNumber", "from 1 to 1,000"),
        ({"policy": "Bounded", "retryNumber": 1001}, "/retryNumber", "from 1 to 1,000"),
        ({"policy": "Bounded", "retryNumber": 1.5}, "/retryNumber", "from 1 to 1,000"),
        ({"policy": "Bounded", "maxRetryNumber": 0}, "/maxRetryNumber", "from 1 to 1,000"),
        ({"policy": "Always", "retryDelay": 0}, "/retryDelay", "from 1 to 259,200"),
        ({"policy": "Always", "retryDelay": 259_201}, "/retryDelay", "from 1 to 259,200"),
        (
            {"policy": "Bounded", "retryNumber": 3, "maxRetryNumber": 4},
            "/maxRetryNumber",
            "equal to retryNumber",
        ),
        ({"policy": "Bounded", "delay": 4}, "/delay", "is not a field"),
    ],
)
def test_a_wrong_policy_is_named_with_its_bounds(said: Any, pointer: str, message: str) -> None:
    with pytest.raises(Invalid) as error:
        parse(RetryPolicyBody, said)
    (found,) = error.value.faults
    assert found.pointer == pointer
    assert message in found.message


def test_a_policy_of_a_system_is_patched_in_either_spelling(site: Installation) -> None:
    hook(site, retryPolicy=BOUNDED)

    def patched(said: Any) -> Any:
        changes = {"retryPolicy": said}
        return configuring.patch(SYSTEMS, site, ACTOR, "Hook", changes).document["retryPolicy"]

    assert patched({"maxRetryNumber": 9}) == {**BOUNDED, "retryNumber": 9}
    long = patched({"retryNumber": 1000, "retryDelay": 3600})
    assert "ends after 3 days" in long["note"]
    assert patched(long) == long
    assert patched({"policy": "None"}) == {"policy": "None"}
    assert patched(None) is None
    assert audited(site)[1].after["retryPolicy"] == {**BOUNDED, "retryNumber": 9}
