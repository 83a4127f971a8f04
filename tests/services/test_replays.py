"""Send again: a new delivery that names its parent, through the same system or another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from app.channels import CHANNELS
from app.clock import utc_now
from app.domain.kinds import FINAL_STATES, DeliveryKind, DeliveryState, EndReason, Policy
from app.errors import Conflict, Invalid, NotFound
from app.models import (
    Delivery,
    DeliveryEvent,
    DeliveryItem,
    Event,
    Failure,
    IntegrationDirection,
    Lane,
    System,
)
from app.services import configuring, invariants, replays
from app.services.installation import Installation
from app.services.systems import SYSTEMS
from tests.api import rows
from tests.services.makers import (
    ACTOR,
    NO_LOGIN,
    audited,
    count_of,
    failures,
    lane_of,
    put_system,
    register,
    row_of,
    set_up,
    tells,
    unregister,
    waiting_mail,
    with_bells,
)
from tests.services.posts.lanes import KIND, ScriptedChannel, World, down, refused
from tests.services.spine import Post, at_once, deliveries, mail_server, report
from tests.simulated import Simulated

TO = {**NO_LOGIN, "toEmail": "ops@corp.example"}
ENDED = {"finished_at": rows.NOON}


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(CHANNELS, "fake", ScriptedChannel())
    yield
    CHANNELS.pop(KIND, None)


@pytest.fixture
def world(site: Installation, simulated: Simulated) -> World:
    """A lane of the row metrics with the default policy, Bounded 3 / 10 s."""
    return World(site, simulated)


def hook(site: Installation, name: str = "Other", **fields: Any) -> int:
    """Make a system that is reached by HTTP."""
    return int(put_system(site, name, kind="fake", options={}, **fields).document["id"])


def sent(world: World, title: str = "a") -> int:
    """Let an event be delivered; returns the delivery."""
    (one,) = world.report(title)
    world.serve()
    return one


def ended_mail(site: Installation, kind: DeliveryKind, **values: Any) -> int:
    """Add a mail of a registration that was delivered."""
    fixed = {"kind": kind, "state": DeliveryState.DELIVERED, "item_count": 0, **ENDED}
    return waiting_mail(site, **{**fixed, **values})


def change(site: Installation, delivery_id: int, **values: Any) -> None:
    """Change the row of a delivery."""
    with site.store.writing() as connection:
        connection.execute(update(Delivery).where(Delivery.id == delivery_id).values(**values))


def faults(work: Callable[[], object]) -> dict[str, str]:
    """Return the faults of what is refused, by pointer."""
    with pytest.raises(Invalid) as error:
        work()
    return {one.pointer: one.message for one in error.value.faults}


def test_what_is_sent_again_is_a_new_delivery_with_a_clock_of_its_own(world: World) -> None:
    old = sent(world)
    before = world.one(old)
    world.skips(3_600)

    new = replays.replay(world.site, old, "ana@corp.example")

    assert world.one(old) == before
    row = world.one(new)
    assert (row.parent_id, row.state, row.kind) == (old, DeliveryState.PENDING, DeliveryKind.EVENT)
    assert row.reported_at == row.created_at == row.due_at == world.time.now
    assert (row.lane_id, row.system_id) == (before.lane_id, before.system_id)
    assert (row.event_id, row.item_count, row.order_key) == (before.event_id, 1, None)
    assert (row.why, row.why_text) == (before.why, "Sent again by ana@corp.example.")
    assert (row.attempt_count, row.retries_used, row.fault) == (0, 0, None)
    world.serve()
    assert world.arrived == ["a", "a"]
    assert world.one(new).state is DeliveryState.DELIVERED


def test_the_receiver_sees_another_id_than_that_of_its_parent(world: World) -> None:
    replays.replay(world.site, sent(world), ACTOR)
    world.serve()

    notices: list[Any] = list(world.channel.sent)
    ids = [notice.id for notice in notices]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("state", FINAL_STATES)
def test_whatever_is_final_can_be_sent_again(world: World, state: DeliveryState) -> None:
    old = sent(world)
    change(world.site, old, state=state)

    new = replays.replay(world.site, old, ACTOR)

    assert world.one(new).parent_id == old


def test_asked_twice_it_is_sent_twice(world: World) -> None:
    old = sent(world)
    assert replays.replay(world.site, old, ACTOR) != replays.replay(world.site, old, ACTOR)
    world.serve()

    assert world.arrived == ["a", "a", "a"]


def test_what_follows_can_be_sent_again_itself(world: World) -> None:
    first = replays.replay(world.site, sent(world), ACTOR)
    world.serve()
    second = replays.replay(world.site, first, ACTOR)

    assert world.one(second).parent_id == first


def test_what_was_given_up_after_3_days_arrives_when_it_is_sent_again(world: World) -> None:
    world.channel.says = down
    (old,) = world.report("a")
    world.passes(60)
    world.passes(259_200, step=20_000)
    assert world.one(old).reason is EndReason.EXPIRED

    world.channel.says = lambda _: None
    new = replays.replay(world.site, old, ACTOR)
    world.serve()

    assert world.one(new).state is DeliveryState.DELIVERED
    assert world.arrived == ["a"]


def test_it_neither_waits_for_its_order_nor_keeps_it_waiting(world: World) -> None:
    (opening,) = world.report("opening", key=7)
    world.serve()
    world.channel.says = lambda notice: refused() if "opening" in str(notice) else None
    replays.replay(world.site, opening, ACTOR)
    world.serve()
    world.report("resolve", key=7)
    world.serve()

    assert world.arrived == ["opening", "resolve"]


def test_into_a_lane_in_retry_it_is_new_and_its_success_flushes(world: World) -> None:
    old = sent(world)
    world.channel.says = down
    world.report("b")
    world.passes(60)
    assert world.states() == ["delivered", "stored"]

    world.channel.says = lambda _: None
    replays.replay(world.site, old, ACTOR)
    world.serve()

    assert world.arrived == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (DeliveryState.PENDING, "Try now of its lane"),
        (DeliveryState.STORED, "next success"),
        (DeliveryState.LEASED, "wait for its end"),
    ],
)
def test_what_is_not_final_is_refused_with_what_to_do_instead(
    world: World, state: DeliveryState, said: str
) -> None:
    (one,) = world.report("a")
    change(world.site, one, state=state)

    with pytest.raises(Conflict, match=said):
        replays.replay(world.site, one, ACTOR)
    assert len(world.states()) == 1


def test_what_is_not_there_is_not_found(site: Installation) -> None:
    with pytest.raises(NotFound):
        replays.replay(site, 77, ACTOR)


def test_the_lane_is_woken_and_the_audit_log_tells_of_it(world: World) -> None:
    old = sent(world)
    site, bells = with_bells(world.site)
    new = replays.replay(site, old, ACTOR)

    assert bells.rung == [str(world.lane_id)]
    (row,) = [one for one in audited(site) if one.action == "replay"]
    assert (row.actor, row.subject_kind, row.subject_name) == (ACTOR, "delivery", str(old))
    assert (row.before, row.after) == (None, {"delivery": str(new), "system": None})


def test_what_is_refused_leaves_no_trace(world: World) -> None:
    old = sent(world)
    before = len(audited(world.site)), count_of(world.site, Lane)
    assert list(faults(lambda: replays.replay(world.site, old, ACTOR, "Nobody"))) == ["/system"]

    assert (len(audited(world.site)), count_of(world.site, Lane)) == before
    assert len(world.states()) == 1


def test_an_event_that_was_pruned_is_a_conflict_with_a_sentence(world: World) -> None:
    old = sent(world)
    with world.site.store.writing() as connection:
        connection.execute(delete(Event))

    with pytest.raises(Conflict, match="are not there any more"):
        replays.replay(world.site, old, ACTOR)


def batch(world: World, *titles: str) -> int:
    """Let several events be delivered as one; returns the delivery."""
    first, *others = world.report(*titles)
    ids = [world.one(one).event_id for one in (first, *others)]
    with world.site.store.writing() as connection:
        connection.execute(delete(Delivery).where(Delivery.id.in_(others)))
        links = [{"delivery_id": first, "event_id": one} for one in ids]
        connection.execute(DeliveryEvent.__table__.insert(), links)
    change(world.site, first, event_id=None, item_count=len(ids))
    world.serve()
    return first


def test_a_batch_goes_again_as_one_with_what_is_left_of_it(world: World) -> None:
    old = batch(world, *"abc")
    assert world.arrived == ["a,b,c"]
    with world.site.store.writing() as connection:
        first = select(DeliveryEvent.event_id).limit(1).scalar_subquery()
        connection.execute(delete(Event).where(Event.id == first))

    new = replays.replay(world.site, old, ACTOR)
    world.serve()

    assert world.arrived == ["a,b,c", "b,c"]
    assert (world.one(new).item_count, world.one(new).event_id) == (2, None)


def test_through_another_system_it_takes_the_lane_of_the_same_row(world: World) -> None:
    old = sent(world)
    other = hook(world.site)
    there = rows.lane(
        world.site, other, row="metrics", policy="None", retry_number=1, retry_delay=10
    )
    rows.lane(world.site, other, row="nodes", policy="None", retry_number=1, retry_delay=10)

    new = replays.replay(world.site, old, ACTOR, "Other")

    assert (world.one(new).system_id, world.one(new).lane_id) == (other, there)
    assert count_of(world.site, Lane) == 3
    world.serve()
    assert world.one(new).state is DeliveryState.DELIVERED
    assert world.arrived == ["a"]


@pytest.mark.parametrize(
    ("policy", "held"),
    [
        (None, (Policy.BOUNDED, 3, 10)),
        ({"policy": "Always", "retryDelay": 60}, (Policy.ALWAYS, 3, 60)),
        ({"policy": "None"}, (Policy.NONE, 1, 10)),
    ],
)
def test_where_that_row_has_no_lane_there_one_is_made_with_the_policy_that_holds(
    world: World, policy: Any, held: Any
) -> None:
    old = sent(world)
    other = hook(world.site, **({"retryPolicy": policy} if policy else {}))

    new = replays.replay(world.site, old, ACTOR, "Other")
    again = replays.replay(world.site, old, ACTOR, "Other")

    lane = row_of(world.site, Lane, world.one(new).lane_id)
    assert world.one(again).lane_id == lane.id
    assert (lane.system_id, lane.row, lane.own_policy) == (other, "metrics", None)
    assert (lane.policy, lane.retry_number, lane.retry_delay) == held
    assert (lane.state, lane.round, lane.asked) == ("normal", 0, False)


def test_two_who_ask_at_once_share_the_lane_that_is_made(world: World) -> None:
    old = sent(world)
    hook(world.site)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(replays.replay, world.site, old, ACTOR, "Other") for _ in range(8)]
        made = [world.one(one.result()).lane_id for one in asked]

    assert (len(made), len(set(made)), count_of(world.site, Lane)) == (8, 1, 2)


def test_its_own_system_by_name_is_the_same_lane(world: World) -> None:
    old = sent(world)
    new = replays.replay(world.site, old, ACTOR, "Sink")
    assert world.one(new).lane_id == world.lane_id


def test_an_event_may_be_sent_again_as_a_mail(world: World) -> None:
    old = sent(world)
    put_system(world.site, options=TO)

    new = world.one(replays.replay(world.site, old, ACTOR, "Mail"))

    assert new.lane_id == lane_of(world.site).id
    assert (new.kind, new.event_id) == (DeliveryKind.EVENT, world.one(old).event_id)


def test_a_mail_system_without_a_recipient_is_refused_by_name(world: World) -> None:
    old = sent(world)
    put_system(world.site, options=NO_LOGIN)
    said = faults(lambda: replays.replay(world.site, old, ACTOR, "Mail"))
    assert said == {
        "/system": "needs a To Email-Id: 'Mail' has none, and the mail goes there"
    }  # fmt: skip


@pytest.mark.parametrize(("why", "row"), [("own_cell", "metrics"), ("global_cell", "global")])
def test_from_a_mail_the_cell_that_routed_it_says_the_row(world: World, why: str, row: str) -> None:
    old = sent(world)
    put_system(world.site, options=TO)
    hook(world.site)
    lane = lane_of(world.site)
    change(world.site, old, system_id=lane.system_id, lane_id=lane.id, why=why)

    new = world.one(replays.replay(world.site, old, ACTOR, "Other"))

    assert row_of(world.site, Lane, new.lane_id).row == row


def test_of_a_deleted_system_another_one_has_to_be_named(world: World) -> None:
    old = sent(world)
    hook(world.site)
    with world.site.store.writing() as connection:
        connection.execute(delete(Lane))
        connection.execute(delete(System).where(System.name == "Sink"))

    with pytest.raises(Conflict, match="was deleted: name another one"):
        replays.replay(world.site, old, ACTOR)
    new = world.one(replays.replay(world.site, old, ACTOR, "Other"))
    assert row_of(world.site, Lane, new.lane_id).row == "metrics"


def test_a_system_for_which_it_waits_is_in_use(world: World) -> None:
    old = sent(world)
    hook(world.site)
    replays.replay(world.site, old, ACTOR, "Other")
    with pytest.raises(Conflict):
        configuring.delete(SYSTEMS, world.site, ACTOR, "Other")


def test_a_test_is_tested_again(site: Installation) -> None:
    set_up(site)
    one = ended_mail(site, DeliveryKind.TEST, lane_id=None)
    assert "test it again" in faults(lambda: replays.replay(site, one, ACTOR))[""]


def test_a_mail_of_a_registration_goes_again_to_everybody(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site)
        post = Post(site)
        post.serve()
        (old,) = deliveries(site)
        new = replays.replay(site, old.id, "ana@corp.example")
        post.serve()

        assert len(sink.mails) == 2
        assert row_of(site, Delivery, new).state is DeliveryState.DELIVERED
        assert b"Sent again by ana@corp.example." in sink.mails[1].body.replace(b"=\r\n", b"")
    assert invariants.check(site) == []


@pytest.mark.parametrize("kind", [DeliveryKind.INACTIVITY, DeliveryKind.RECOVERY])
def test_a_mail_of_a_direction_keeps_what_it_tells(site: Installation, kind: DeliveryKind) -> None:
    set_up(site)
    facts = {
        "silent_since": rows.NOON, "limit_minutes": 60, "episode_since": rows.NOON,
        "recovered_at": rows.NOON, "occurrences": 4, "direction": "backward",
    }  # fmt: skip
    one = ended_mail(site, kind, **facts)
    new = row_of(site, Delivery, replays.replay(site, one, ACTOR))
    assert {name: getattr(new, name) for name in facts} == facts
    assert (new.parent_id, new.item_count, new.due_at) == (one, 0, new.created_at)


def test_a_direction_that_works_again_by_now_is_told_so(site: Installation) -> None:
    set_up(site)
    ids = failures(site, 1, kind="global")
    one = ended_mail(site, DeliveryKind.FAILURE)
    tells(site, one, ids)
    later = utc_now() + timedelta(minutes=5)
    with site.store.writing() as connection:
        connection.execute(
            update(IntegrationDirection).values(last_activity_at=later, episode_since=None)
        )
    assert row_of(site, Delivery, replays.replay(site, one, ACTOR)).recovered_at == later


def test_it_goes_through_the_system_that_the_registration_names_now(site: Installation) -> None:
    set_up(site)
    one = ended_mail(site, DeliveryKind.INACTIVITY)
    put_system(site, "Second")
    register(site, system="Second")
    said = faults(lambda: replays.replay(site, one, ACTOR, "Mail"))["/system"]
    assert "must be 'Second', which its registration names" in said
    for asked in (None, "Second"):
        new = row_of(site, Delivery, replays.replay(site, one, ACTOR, asked))
        assert new.lane_id == lane_of(site, "Second").id


def test_of_an_unregistered_integration_nothing_is_sent_again(site: Installation) -> None:
    set_up(site)
    one = ended_mail(site, DeliveryKind.RECOVERY)
    unregister(site)
    assert "not registered any more" in faults(lambda: replays.replay(site, one, ACTOR))[""]


def test_unregistering_cancels_what_is_sent_again(site: Installation) -> None:
    set_up(site)
    new = replays.replay(site, ended_mail(site, DeliveryKind.RECOVERY), ACTOR)
    unregister(site)
    assert row_of(site, Delivery, new).reason is EndReason.UNREGISTERED


def test_a_digest_tells_what_is_left_of_its_failures(site: Installation) -> None:
    set_up(site)
    ids = failures(site, 3)
    one = ended_mail(site, DeliveryKind.DIGEST, item_count=3)
    tells(site, one, ids)
    with site.store.writing() as connection:
        connection.execute(delete(Failure).where(Failure.id == ids[0]))
    new = replays.replay(site, one, ACTOR)
    assert row_of(site, Delivery, new).item_count == 2
    with site.store.reading() as connection:
        mine = select(DeliveryItem.failure_id).where(DeliveryItem.delivery_id == new)
        assert set(connection.scalars(mine)) == set(ids[1:])


@pytest.mark.parametrize("gone", ["deleted", "resolved"])
def test_a_digest_with_nothing_left_to_tell_is_a_conflict(site: Installation, gone: str) -> None:
    set_up(site)
    ids = failures(site, 2)
    one = ended_mail(site, DeliveryKind.DIGEST)
    tells(site, one, ids)
    with site.store.writing() as connection:
        if gone == "deleted":
            connection.execute(delete(Failure))
        else:
            connection.execute(update(Failure).values(state="resolved"))
    with pytest.raises(Conflict, match="nothing to tell any more"):
        replays.replay(site, one, ACTOR)


def test_a_fallback_message_goes_again_through_the_same_system_only(site: Installation) -> None:
    set_up(site)
    failing = int(put_system(site, "Failing", options=TO).document["id"])
    one = ended_mail(
        site, DeliveryKind.FALLBACK, about_system_id=failing, integration_id=None, direction=None
    )
    said = faults(lambda: replays.replay(site, one, ACTOR, "Failing"))
    assert list(said) == ["/system"]
    new = row_of(site, Delivery, replays.replay(site, one, ACTOR, "Mail"))
    assert (new.lane_id, new.about_system_id) == (lane_of(site, "Mail").id, failing)
    configuring.delete(SYSTEMS, site, ACTOR, "Failing")
    with pytest.raises(Conflict, match="was deleted"):
        replays.replay(site, one, ACTOR)
