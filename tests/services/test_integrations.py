"""Integrations: both directions, the max retry count, and being made or taken away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.clock import utc_now
from app.domain.kinds import DeliveryState, Direction, EndReason, FailureState
from app.errors import Conflict, InUse, Invalid, NotFound, Stale
from app.models import (
    CountedCycle,
    Delivery,
    DeliveryItem,
    Failure,
    Integration,
    IntegrationDirection,
    Registration,
    RegistrationDirection,
)
from app.services import configuring, integrations
from app.services.installation import Installation
from app.services.integration_shape import IntegrationBody
from app.services.integrations import INTEGRATIONS
from app.shapes import parse
from tests.services.makers import (
    ACTOR,
    audited,
    count_of,
    failures,
    put_integration,
    put_system,
    register,
    row_of,
    set_up,
    tells,
    unregister,
    waiting_mail,
)


def get(site: Installation, key: str = "jira") -> dict[str, Any]:
    return configuring.get(INTEGRATIONS, site, key).document


def patch(site: Installation, **changes: Any) -> dict[str, Any]:
    return configuring.patch(INTEGRATIONS, site, ACTOR, "jira", changes).document


def directions(site: Installation) -> list[tuple[Direction, bool]]:
    query = select(IntegrationDirection.direction, IntegrationDirection.active)
    with site.store.reading() as connection:
        rows = connection.execute(query.order_by(IntegrationDirection.id)).all()
    return [(row.direction, row.active) for row in rows]


def make_unknown(site: Installation, *keys: str) -> None:
    with site.store.writing() as connection:
        integrations.make_unknown(connection, sorted(keys), utc_now())


def test_an_integration_is_bidirectional_active_and_named_like_its_key(site: Installation) -> None:
    document = put_integration(site).document
    assert {name: document[name] for name in ("key", "name", "system1", "bidirectional")} == {
        "key": "jira", "name": "jira", "system1": "", "bidirectional": True,
    }  # fmt: skip
    assert document["maxRetryCount"] == 3
    assert document["forward"]["status"] == document["backward"]["status"] == "active"
    assert document["forward"]["lastActivityAt"] is None
    assert document["forward"]["count"] == 0


def test_a_one_way_integration_has_a_backward_row_that_is_inactive(site: Installation) -> None:
    assert put_integration(site, bidirectional=False).document["backward"] is None
    assert directions(site) == [(Direction.FORWARD, True), (Direction.BACKWARD, False)]
    assert patch(site, bidirectional=True)["backward"]["status"] == "active"
    assert patch(site, bidirectional=False)["backward"] is None
    assert directions(site) == [(Direction.FORWARD, True), (Direction.BACKWARD, False)]


def test_a_direction_that_becomes_active_starts_its_clock_now(site: Installation) -> None:
    before = put_integration(site).document["forward"]["activatedAt"]
    assert patch(site, name="Jira")["forward"]["activatedAt"] == before
    assert patch(site, forward={"status": "inactive"})["forward"]["activatedAt"] == before
    with site.store.writing() as connection:
        table = IntegrationDirection.__table__
        connection.execute(table.update().values(activated_at=utc_now() - timedelta(days=9)))
    assert patch(site, forward={"status": "active"})["forward"]["activatedAt"] >= before


@pytest.mark.parametrize("number", [0, 1, 1000])
def test_the_max_retry_count_is_0_to_1000(site: Installation, number: int) -> None:
    assert put_integration(site, maxRetryCount=number).document["maxRetryCount"] == number


@pytest.mark.parametrize("number", [-1, 1001, 1.5, "3", None, True])
def test_another_max_retry_count_is_refused_with_the_range(number: Any) -> None:
    with pytest.raises(Invalid, match="/maxRetryCount: must be a whole number from 0 to 1,000"):
        parse(IntegrationBody, {"maxRetryCount": number})


def test_every_fault_of_an_integration_is_named() -> None:
    body = {"key": " ", "name": "a\nb", "system1": "x" * 256, "forward": {"status": "on"}, "z": 1}
    with pytest.raises(Invalid) as error:
        parse(IntegrationBody, body)
    assert sorted(fault.pointer for fault in error.value.faults) == [
        "/forward/status", "/key", "/name", "/system1", "/z",
    ]  # fmt: skip


def test_the_key_is_for_good(site: Installation) -> None:
    put_integration(site)
    with pytest.raises(Invalid, match="cannot be changed"):
        patch(site, key="other")


def test_an_answer_can_be_put_back(site: Installation) -> None:
    saved = put_integration(site, system1="Jira", forward={"status": "inactive"})
    again = put_integration(site, **saved.document)
    assert (again.document, again.version) == (saved.document, saved.version)
    assert len(audited(site)) == 1


def test_a_new_max_retry_count_lets_what_was_told_be_told_again(site: Installation) -> None:
    set_up(site)
    sent, waits = waiting_mail(site, state=DeliveryState.DELIVERED), waiting_mail(site)
    told, waiting, resolved, own_limit = failures(site, 4)
    tells(site, sent, [told, resolved, own_limit])
    tells(site, waits, [waiting])
    with site.store.writing() as connection:
        for failure_id, values in (
            (told, {"notified_at": utc_now(), "notified_delivery_id": sent}),
            (resolved, {"state": FailureState.RESOLVED}),
            (own_limit, {"max_retry_count": 9}),
        ):
            table = Failure.__table__
            connection.execute(table.update().where(table.c.id == failure_id).values(values))
    patch(site, maxRetryCount=5)
    row = row_of(site, Failure, told)
    assert (row.told_delivery_id, row.told_episode, row.notified_at) == (None, None, None)
    kept = [row_of(site, Failure, one).told_delivery_id for one in (waiting, resolved, own_limit)]
    assert kept == [waits, sent, sent]


def test_another_change_forgets_nothing_that_was_told(site: Installation) -> None:
    set_up(site)
    sent = waiting_mail(site, state=DeliveryState.DELIVERED)
    (told,) = failures(site, 1)
    tells(site, sent, [told])
    patch(site, name="Jira")
    assert row_of(site, Failure, told).told_delivery_id == sent


def test_a_registered_integration_is_not_deleted(site: Installation) -> None:
    set_up(site)
    failures(site, 2)
    with pytest.raises(InUse) as error:
        integrations.delete(site, ACTOR, "jira")
    (use,) = error.value.used_by
    assert (use.kind, use.name, use.url) == ("registration", "jira", "/api/v1/registrations/jira")
    assert count_of(site, Failure) == 2


def test_deleting_takes_failures_along_and_leaves_deliveries_as_history(
    site: Installation,
) -> None:
    set_up(site)
    put_integration(site, "other")
    unregister(site)
    directions_of_jira = direction_ids(site)[:2]
    waits, sent = waiting_mail(site), waiting_mail(site, state=DeliveryState.DELIVERED)
    ids = failures(site, 1201)
    tells(site, sent, ids[:10])
    (foreign,) = failures(site, 1, "other")
    for direction in directions_of_jira:
        cycles(site, direction, 700)
    integrations.delete(site, ACTOR, "jira")
    assert [count_of(site, one) for one in (Failure, DeliveryItem, CountedCycle)] == [1, 0, 0]
    assert [count_of(site, one) for one in (Registration, RegistrationDirection)] == [0, 0]
    assert count_of(site, IntegrationDirection) == 2
    assert row_of(site, Failure, foreign)
    row = row_of(site, Delivery, waits)
    assert (row.state, row.reason) == (DeliveryState.CANCELLED, EndReason.REMOVED)
    assert row_of(site, Delivery, sent).state == DeliveryState.DELIVERED
    with pytest.raises(NotFound):
        get(site)
    assert audited(site)[-1].action == "delete"


def direction_ids(site: Installation) -> list[int]:
    query = select(IntegrationDirection.id).order_by(IntegrationDirection.id)
    with site.store.reading() as connection:
        return list(connection.scalars(query))


def cycles(site: Installation, direction: int, number: int) -> None:
    row = {"direction_id": direction, "episode": 1, "created_at": utc_now()}
    rows = [row | {"cycle_id": str(n)} for n in range(number)]
    with site.store.writing() as connection:
        connection.execute(CountedCycle.__table__.insert(), rows)


def test_a_stale_deletion_deletes_no_failure(site: Installation) -> None:
    put_integration(site)
    failures(site, 3)

    def stale(_: str | None) -> None:
        raise Stale("changed")

    with pytest.raises(Stale):
        integrations.delete(site, ACTOR, "jira", stale)
    assert count_of(site, Failure) == 3


def test_deleting_what_is_not_there_is_not_found(site: Installation) -> None:
    with pytest.raises(NotFound):
        integrations.delete(site, ACTOR, "jira")


def test_unknown_integrations_are_made_active_both_ways(site: Installation) -> None:
    make_unknown(site, "a", "b")
    assert get(site, "a")["forward"]["status"] == get(site, "b")["backward"]["status"] == "active"
    assert get(site, "a")["maxRetryCount"] == 3
    assert get(site, "a")["name"] == "a"


def test_making_unknown_ones_leaves_known_ones_alone(site: Installation) -> None:
    put_integration(site, name="Jira", bidirectional=False, maxRetryCount=7)
    before = get(site)
    make_unknown(site, "jira", "new")
    make_unknown(site, "jira", "new")
    assert get(site) == before
    assert count_of(site, Integration) == 2
    assert count_of(site, IntegrationDirection) == 4


def test_many_may_make_the_same_integration_at_once(site: Installation) -> None:
    keys = [f"job-{n:02}" for n in range(20)]

    def make(number: int) -> None:
        if number % 2:
            make_unknown(site, *keys)
        else:
            put_integration(site, "job-07", name="seven")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, range(12)))
    assert count_of(site, Integration) == 20
    assert count_of(site, IntegrationDirection) == 40
    assert get(site, "job-07")["name"] == "seven"


def test_post_of_one_that_is_there_is_a_conflict(site: Installation) -> None:
    put_integration(site)
    with pytest.raises(Conflict):
        configuring.create(INTEGRATIONS, site, ACTOR, parse(IntegrationBody, {"key": "jira"}))


def test_the_answer_names_the_registration(site: Installation) -> None:
    put_system(site)
    assert put_integration(site).document["usedBy"] == []
    register(site)
    assert get(site)["usedBy"] == [
        {"kind": "registration", "name": "jira", "url": "/api/v1/registrations/jira"}
    ]
