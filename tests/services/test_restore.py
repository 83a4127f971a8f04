"""The undo of unregistering: settings as they were, and what was cancelled is due again, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.clock import utc_now
from app.domain.kinds import DeliveryKind, DeliveryState, EndReason, RecipientState
from app.errors import Conflict, NotFound
from app.models import (
    Delivery,
    DeliveryItem,
    DeliveryRecipient,
    Failure,
    IntegrationDirection,
    Registration,
)
from app.services import configuring, failures, invariants, outbox, restoring
from app.services.installation import Installation
from app.services.integrations import INTEGRATIONS
from app.services.registrations import REGISTRATIONS
from app.services.systems import SYSTEMS
from tests.services.makers import (
    ACTOR,
    audited,
    count_of,
    lane_of,
    put_integration,
    put_system,
    register,
    row_of,
    set_up,
    tells,
    unregister,
    waiting_mail,
    with_bells,
)
from tests.services.makers import failures as add_failures
from tests.services.spine import (
    Post,
    active,
    at_once,
    deliveries,
    failure,
    mail_server,
    reasons,
    registered,
    report,
    rows,
)


def restore(site: Installation, key: str = "jira") -> dict[str, Any]:
    """Undo, and look at the invariants."""
    document = restoring.one(site, ACTOR, key).document
    assert invariants.check(site) == []
    return document


def direction(site: Installation) -> Any:
    """Return the forward direction of the first integration."""
    return rows(site, IntegrationDirection)[0]


def wait_for(site: Installation, **values: Any) -> int:
    """Add a mail that waits for the pass and tells a processing failure."""
    mail = waiting_mail(site, **values)
    tells(site, mail, add_failures(site, 1))
    return mail


def test_the_settings_are_as_they_were(site: Installation) -> None:
    set_up(site)
    other = {"recipients": ["back@corp.example"]}
    register(site, sameForBackward=False, backward=other, tellRecovery=False)
    before = configuring.get(REGISTRATIONS, site, "jira").document
    unregister(site)

    after = restore(site)

    assert after.pop("updatedAt") > before.pop("updatedAt")
    assert after == before


def test_what_was_cancelled_is_due_again_as_new_deliveries(site: Installation) -> None:
    set_up(site)
    site, bells = with_bells(site)
    earlier = utc_now() - timedelta(hours=2)
    said: dict[str, Any] = {
        "why": "count_reached", "why_text": "3 in a row.", "occurrences": 3,
        "episode_since": earlier, "reported_at": earlier, "recovered_at": earlier,
    }  # fmt: skip
    waits = waiting_mail(site, kind=DeliveryKind.FAILURE, attempt_count=0, **said)
    due = waiting_mail(site, due_at=earlier, lost_leases=2, message_id="<old@x>", subject="Old")
    tells(site, waits, add_failures(site, 2))
    tells(site, due, add_failures(site, 1))
    unregister(site)
    before = [row_of(site, Delivery, one) for one in (waits, due)]

    restore(site)

    *old, first, second = deliveries(site)
    assert old == before, "what is final never changes"
    assert [row.state for row in old] == [DeliveryState.CANCELLED] * 2
    assert (first.parent_id, second.parent_id) == (waits, due)
    assert {name: getattr(first, name) for name in said} == said
    assert (first.kind, second.kind) == (DeliveryKind.FAILURE, DeliveryKind.DIGEST)
    assert (first.item_count, second.item_count) == (2, 1)
    assert (first.due_at, second.due_at is not None) == (None, True)
    for row in (first, second):
        assert (row.state, row.reason, row.finished_at) == (DeliveryState.PENDING, None, None)
        assert (row.attempt_count, row.lost_leases, row.started) == (0, 0, False)
        assert (row.message_id, row.subject) == (None, None)
        assert row.created_at > row.reported_at or row is second
        assert row.lane_id == lane_of(site).id
    assert bells.rung == [str(lane_of(site).id)]


def test_what_waits_for_the_pass_wakes_nobody(site: Installation) -> None:
    set_up(site)
    wait_for(site)
    unregister(site)
    site, bells = with_bells(site)

    restore(site)

    assert bells.rung == []


def test_the_failures_know_the_mail_that_tells_them(site: Installation) -> None:
    registered(site)
    answers = [report(site) for _ in range(3)]
    entity = report(site, kind="processing", entityId="4711", retryCount=3, maxRetryCount=3)
    told = [failure(site, answers[-1]), failure(site, entity)]
    unregister(site)
    assert [failure(site, one).told_delivery_id for one in (answers[-1], entity)] == [None, None]

    restore(site)

    again = [failure(site, answers[-1]), failure(site, entity)]
    parents = [row_of(site, Delivery, row.told_delivery_id).parent_id for row in again]
    assert parents == [row.told_delivery_id for row in told]
    assert again[0].told_episode == told[0].told_episode
    assert [row.decision["delivery"] for row in again] == [
        str(row.told_delivery_id) for row in again
    ]
    assert direction(site).told_delivery_id == again[0].told_delivery_id
    # It is told once: the next report of the entity makes no further mail.
    report(site, kind="processing", entityId="4711", retryCount=4, maxRetryCount=3)
    assert reasons(site, entity)[-1] == "already_told"
    assert sum(row.state == DeliveryState.PENDING for row in deliveries(site)) == 2


def test_a_failure_that_is_only_listed_is_not_told_by_it(site: Installation) -> None:
    registered(site, failureCount=1)
    report(site)
    register(site, forward={"recipients": ["ops@corp.example"]})
    held = report(site, message="Another one")
    assert reasons(site, held) == ["held"]
    assert failure(site, held).told_delivery_id is None
    unregister(site)

    restore(site)

    assert failure(site, held).told_delivery_id is None
    assert deliveries(site)[-1].item_count == 2


def test_who_has_got_it_does_not_get_it_twice(site: Installation) -> None:
    with mail_server() as server:
        at_once(site, server.port)
        told = {"recipients": ["a@corp.example", "b@corp.example"], "global": {"immediately": True}}
        register(site, forward=told)
        server.script.recipients = {"b@corp.example": "451 4.3.0 later"}
        answer = report(site)
        post = Post(site)
        post.serve()
        (first,) = deliveries(site)
        states = {row.address: row.state for row in recipients(site, first.id)}
        assert states == {
            "a@corp.example": RecipientState.ACCEPTED,
            "b@corp.example": RecipientState.DEFERRED,
        }
        unregister(site)
        server.script.recipients = {}

        restore(site)

        second = deliveries(site)[-1]
        copied = recipients(site, second.id)
        assert [(row.address, row.state) for row in copied] == [
            ("a@corp.example", RecipientState.ACCEPTED)
        ]
        post.run_pass()
        assert row_of(site, Delivery, second.id).state is DeliveryState.DELIVERED
        assert failure(site, answer).notified_delivery_id == second.id
        assert [mail.recipients for mail in server.box.mails] == [
            ("a@corp.example",),
            ("b@corp.example",),
        ]
        assert invariants.check(site) == []


def recipients(site: Installation, delivery_id: int) -> list[Any]:
    return [
        row for row in rows_by(site, DeliveryRecipient, "address") if row.delivery_id == delivery_id
    ]


def rows_by(site: Installation, model: Any, name: str) -> list[Any]:
    with site.store.reading() as connection:
        query = model.__table__.select().order_by(model.__table__.c[name])
        return list(connection.execute(query))


def test_undoing_twice_doubles_nothing(site: Installation) -> None:
    set_up(site)
    wait_for(site)
    unregister(site)
    restore(site)

    with pytest.raises(Conflict, match="'jira' cannot be restored: already registered"):
        restore(site)

    assert count_of(site, Delivery) == 2


def test_unregistering_and_undoing_again_follows_only_the_last(site: Installation) -> None:
    set_up(site)
    first = wait_for(site)
    for _ in range(3):
        unregister(site)
        restore(site)

    found = deliveries(site)
    assert [row.parent_id for row in found] == [None, first, first + 1, first + 2]
    assert [row.state for row in found[:-1]] == [DeliveryState.CANCELLED] * 3
    assert found[-1].state is DeliveryState.PENDING


def test_what_a_person_cancelled_stays_cancelled(site: Installation) -> None:
    set_up(site)
    outbox.cancel(site, wait_for(site), ACTOR)
    unregister(site)

    restore(site)

    assert count_of(site, Delivery) == 1


def test_what_an_earlier_unregistering_cancelled_stays_cancelled(site: Installation) -> None:
    set_up(site)
    wait_for(site)
    unregister(site)
    register(site)
    second = wait_for(site)
    unregister(site)

    restore(site)

    (new,) = (row for row in deliveries(site) if row.parent_id is not None)
    assert new.parent_id == second


def test_what_was_being_sent_and_failed_later_comes_back_too(site: Installation) -> None:
    set_up(site)
    mail = wait_for(site, state=DeliveryState.LEASED, started=True, attempt_count=0)
    unregister(site)
    with site.store.writing() as connection:
        mine = update(Delivery).where(Delivery.id == mail)
        connection.execute(mine.values(state=DeliveryState.PENDING, started=False))
        outbox.cancel_where(connection, Delivery.id == mail, EndReason.UNREGISTERED)

    restore(site)

    assert deliveries(site)[-1].parent_id == mail


@pytest.mark.parametrize("ended", [False, True])
def test_what_is_followed_already_is_left_alone(site: Installation, ended: bool) -> None:
    """As when a person has sent it again meanwhile."""
    set_up(site)
    mail = wait_for(site)
    unregister(site)
    child = waiting_mail(site, parent_id=mail, item_count=0)
    if ended:
        with site.store.writing() as connection:
            outbox.cancel_where(connection, Delivery.id == child, EndReason.UNREGISTERED)

    restore(site)

    parents = [row.parent_id for row in deliveries(site)]
    assert parents == ([None, mail, child] if ended else [None, mail])


def test_a_mail_whose_failures_are_gone_is_left_alone(site: Installation) -> None:
    set_up(site)
    mail, rest = waiting_mail(site), waiting_mail(site)
    gone, left, deleted = add_failures(site, 3)
    tells(site, mail, [gone])
    tells(site, rest, [left, deleted])
    with site.store.writing() as connection:
        connection.execute(update(Delivery).where(Delivery.id == rest).values(item_count=2))
    unregister(site)
    failures.delete(site, gone, ACTOR)
    failures.delete(site, deleted, ACTOR)

    restore(site)

    (new,) = (row for row in deliveries(site) if row.parent_id is not None)
    assert (new.parent_id, new.item_count) == (rest, 1)
    assert count_of(site, DeliveryItem) == 2


@pytest.mark.parametrize("kind", [DeliveryKind.INACTIVITY, DeliveryKind.RECOVERY])
def test_mail_that_tells_no_failure_comes_back_too(site: Installation, kind: DeliveryKind) -> None:
    set_up(site)
    mail = waiting_mail(site, kind=kind, item_count=0)
    decided = {str(kind): {"outcome": "send", "delivery": str(mail)}}
    with site.store.writing() as connection:
        since = {"episode": 1, "episode_since": utc_now() - timedelta(hours=1)}
        values = {"told_delivery_id": mail, "decisions": decided, **since}
        first = update(IntegrationDirection).where(IntegrationDirection.direction == "forward")
        connection.execute(first.values(**values))
    unregister(site)

    restore(site)

    new = deliveries(site)[-1]
    assert (new.parent_id, new.kind, new.item_count) == (mail, kind, 0)
    (line,) = (row for row in rows(site, IntegrationDirection) if row.direction == "forward")
    assert line.decisions[str(kind)]["delivery"] == str(new.id)
    silence = kind is DeliveryKind.INACTIVITY
    told = (new.id, 1) if silence else (None, None)
    assert (line.told_delivery_id, line.silent_episode) == told


def test_a_mail_says_that_it_works_again_since_nobody_was_registered(site: Installation) -> None:
    registered(site)
    answers = [report(site) for _ in range(3)]
    unregister(site)
    active(site)

    restore(site)

    new = deliveries(site)[-1]
    assert new.recovered_at == direction(site).last_activity_at
    assert direction(site).told_delivery_id is None
    assert failure(site, answers[0]).told_delivery_id is None


def test_a_failure_of_a_later_episode_is_not_told_by_the_mail_of_an_earlier_one(
    site: Installation,
) -> None:
    registered(site)
    for _ in range(3):
        answer = report(site)
    unregister(site)
    active(site)
    report(site)

    restore(site)

    row = failure(site, answer)
    assert row.told_delivery_id is None
    assert row.decision["reason"] == "not_registered"
    assert deliveries(site)[-1].recovered_at is None
    assert direction(site).told_delivery_id is None


def test_it_goes_on_as_if_nothing_had_been(site: Installation) -> None:
    with mail_server() as server:
        registered(site, server.port)
        answers = [report(site) for _ in range(3)]
        unregister(site)
        restore(site)

        Post(site).run_pass()

        (mail,) = server.box.mails
        assert mail.recipients == ("ops@corp.example",)
        new = deliveries(site)[-1]
        assert failure(site, answers[0]).notified_delivery_id == new.id
        assert invariants.check(site) == []


def test_what_was_never_registered_is_not_found(site: Installation) -> None:
    put_system(site)
    put_integration(site)
    with pytest.raises(NotFound, match="'jira' cannot be restored: it was never registered"):
        restore(site)
    with pytest.raises(NotFound, match="there is no integration 'nobody'"):
        restore(site, "nobody")
    assert [row.action for row in audited(site)] == ["create", "create"]


def test_a_system_that_was_deleted_is_named(site: Installation) -> None:
    set_up(site)
    unregister(site)
    configuring.delete(SYSTEMS, site, ACTOR, "Mail")

    with pytest.raises(Conflict, match="went with the system 'Mail', which was deleted"):
        restore(site)

    assert count_of(site, Registration) == 0


def test_an_integration_that_was_made_anew_has_nothing_to_restore(site: Installation) -> None:
    set_up(site)
    unregister(site)
    configuring.delete(INTEGRATIONS, site, ACTOR, "jira")
    put_integration(site)

    with pytest.raises(NotFound):
        restore(site)


def test_many_are_restored_and_the_others_named(site: Installation) -> None:
    set_up(site)
    site, bells = with_bells(site)
    keys = [f"job-{n}" for n in range(2 * restoring.CHUNK + 5)]
    for key in keys[:3]:
        put_integration(site, key)
        register(site, key)
        mail = waiting_mail(site, key, due_at=utc_now())
        tells(site, mail, add_failures(site, 1, key))
        unregister(site, key)
    put_integration(site, "new")

    found = restoring.many(site, ACTOR, [keys[2], "jira", *keys, "new", keys[0]])

    assert list(found) == [keys[2], "jira", *keys[:2], *keys[3:], "new"]
    assert [key for key, reason in found.items() if reason is None] == [keys[2], *keys[:2]]
    assert found["jira"] == "already registered"
    assert found["new"] == "it was never registered"
    assert found[keys[5]] == f"there is no integration {keys[5]!r}"
    assert {row.parent_id for row in deliveries(site)[3:]} == {1, 2, 3}
    assert bells.rung == [str(lane_of(site).id)]
    entry = audited(site)[-1]
    assert (entry.action, entry.subject_name) == ("restore", "3 integrations")
    assert entry.after == {"integrations": [keys[2], *keys[:2]], "deliveries": 3}
    assert invariants.check(site) == []


def test_a_transaction_takes_only_so_much_mail(site: Installation) -> None:
    put_system(site)
    keys = ["a", "b", "c"]
    for key in keys:
        put_integration(site, key)
        register(site, key)
        tells(site, waiting_mail(site, key, item_count=200), add_failures(site, 1, key))
        unregister(site, key)

    found = restoring.many(site, ACTOR, keys)

    assert set(found.values()) == {None}
    assert [row.subject_name for row in audited(site)[-3:]] == keys
    assert count_of(site, Delivery) == 6


def test_one_restored_is_audited_under_its_key(site: Installation) -> None:
    set_up(site)
    wait_for(site)
    unregister(site)

    restore(site)

    entry = audited(site)[-1]
    assert (entry.actor, entry.action) == (ACTOR, "restore")
    assert (entry.subject_kind, entry.subject_name) == ("registration", "jira")
    assert entry.after == {"integrations": ["jira"], "deliveries": 1}


def test_a_told_failure_keeps_the_mail_that_told_it_meanwhile(site: Installation) -> None:
    set_up(site)
    mail = wait_for(site)
    unregister(site)
    other = waiting_mail(site)
    tells(site, other, [add_failures(site, 1)[0]])
    (first, _) = rows(site, Failure)
    with site.store.writing() as connection:
        connection.execute(
            DeliveryItem.__table__.insert().values(delivery_id=other, failure_id=first.id)
        )
        connection.execute(update(Delivery).where(Delivery.id == other).values(item_count=2))
        mine = update(Failure).where(Failure.id == first.id)
        connection.execute(mine.values(told_delivery_id=other, told_episode=1))

    restore(site)

    assert deliveries(site)[-1].parent_id == mail
    assert row_of(site, Failure, first.id).told_delivery_id == other
