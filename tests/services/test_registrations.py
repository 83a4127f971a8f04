"""Registrations: what the form allows, and what saving and unregistering do to waiting mail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from app.domain.kinds import DeliveryKind, DeliveryState, Direction, EndReason
from app.errors import Invalid, NotFound
from app.models import Delivery, Failure, Integration, RegistrationDirection
from app.services import configuring
from app.services.installation import Installation
from app.services.integrations import lock_directions
from app.services.registration_shape import RegistrationBody
from app.services.registrations import REGISTRATIONS
from app.shapes import parse
from tests.services.makers import (
    ACTOR,
    audited,
    failures,
    lane_of,
    put_integration,
    put_system,
    register,
    row_of,
    set_up,
    tells,
    unregister,
    waiting_mail,
)

FORWARD = {"recipients": ["ops@corp.example"]}


def get(site: Installation) -> dict[str, Any]:
    return configuring.get(REGISTRATIONS, site, "jira").document


def patch(site: Installation, **changes: Any) -> dict[str, Any]:
    return configuring.patch(REGISTRATIONS, site, ACTOR, "jira", changes).document


def faults_of(**fields: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as error:
        parse(RegistrationBody, {"system": "Mail", "forward": FORWARD, **fields})
    return {fault.pointer: fault.message for fault in error.value.faults}


def stored_directions(site: Installation) -> list[Direction]:
    with site.store.reading() as connection:
        return list(connection.scalars(select(RegistrationDirection.direction)))


def test_a_registration_has_the_defaults_of_the_form(site: Installation) -> None:
    set_up(site)
    document = get(site)
    for name in ("id", "createdAt", "updatedAt", "registeredAt"):
        assert document.pop(name)
    assert document == {
        "integration": "jira", "system": "Mail", "includeErrorTrace": True,
        "sameForBackward": True, "tellRecovery": True, "backward": None,
        "forward": {
            "recipients": ["ops@corp.example"], "cc": [], "subjectPrefix": "",
            "global": {
                "enabled": True, "noActivityMinutes": None, "immediately": False,
                "failureCount": 3,
            },
            "processing": {
                "enabled": True, "beforeMaxRetries": False, "recipients": None, "cc": None,
            },
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    "typed",
    [
        ["a@corp.example", "b@corp.example"],
        "a@corp.example, b@corp.example",
        "a@corp.example;b@corp.example",
        "a@corp.example\nb@corp.example\n",
        'A <a@corp.example>, "B, the second" <b@corp.example>',
        "a@corp.example, A@corp.example, b@corp.example",
    ],
)
def test_addresses_are_understood_in_many_ways(site: Installation, typed: Any) -> None:
    put_system(site)
    put_integration(site)
    forward = register(site, forward={"recipients": typed}).document["forward"]
    assert forward["recipients"] == ["a@corp.example", "b@corp.example"]


def test_a_wrong_address_is_named() -> None:
    said = faults_of(forward={"recipients": "a@corp.example; alice@corp.example]<evil@x>, not one"})
    assert "'not one' is not a mail address" in said["/forward/recipients"]
    assert "evil" in said["/forward/recipients"]
    assert "'a@corp.example'" not in said["/forward/recipients"]


def test_there_are_1_to_50_recipients(site: Installation) -> None:
    many = [f"n{n}@corp.example" for n in range(51)]
    assert "/forward/recipients" in faults_of(forward={"recipients": []})
    assert "at most 50" in faults_of(forward={"recipients": many})["/forward/recipients"]
    assert "at most 50" in faults_of(forward={**FORWARD, "cc": many})["/forward/cc"]
    put_system(site)
    put_integration(site)
    assert len(register(site, forward={"recipients": many[:50]}).document["forward"]["recipients"])


@pytest.mark.parametrize("number", [0, 21, 1.5, "x", None, True])
def test_a_wrong_failure_count_is_refused_with_the_range(number: Any) -> None:
    said = faults_of(forward={**FORWARD, "global": {"failureCount": number}})
    assert said == {"/forward/global/failureCount": "must be a whole number from 1 to 20"}


@pytest.mark.parametrize("number", [0, -5, 44641, 1.5, "60", False])
def test_a_wrong_time_without_activity_is_refused_with_the_range(number: Any) -> None:
    said = faults_of(forward={**FORWARD, "global": {"noActivityMinutes": number}})
    pointer = "/forward/global/noActivityMinutes"
    assert said == {pointer: "must be a whole number from 1 to 44,640"}


@pytest.mark.parametrize(("count", "minutes"), [(1, 1), (20, 44640), (3, None)])
def test_the_limits_themselves_are_taken(
    site: Installation, count: int, minutes: int | None
) -> None:
    put_system(site)
    put_integration(site)
    block = {"failureCount": count, "noActivityMinutes": minutes}
    document = register(site, forward={**FORWARD, "global": block}).document
    assert document["forward"]["global"]["failureCount"] == count
    assert document["forward"]["global"]["noActivityMinutes"] == minutes


@pytest.mark.parametrize("prefix", ["x" * 101, "two\nlines", "a\u2028b", 7])
def test_the_subject_prefix_is_one_line_of_at_most_100(prefix: Any) -> None:
    assert set(faults_of(forward={**FORWARD, "subjectPrefix": prefix})) == {
        "/forward/subjectPrefix"
    }


def test_asking_for_nothing_is_refused() -> None:
    off = {**FORWARD, "global": {"enabled": False}, "processing": {"enabled": False}}
    assert "unregister instead" in faults_of(forward=off)["/forward"]
    both = faults_of(sameForBackward=False, backward=off)
    assert "unregister instead" in both["/backward"]


@pytest.mark.parametrize("block", ["global", "processing"])
def test_one_of_the_blocks_may_be_off(site: Installation, block: str) -> None:
    put_system(site)
    put_integration(site)
    document = register(site, forward={**FORWARD, block: {"enabled": False}}).document
    assert document["forward"][block]["enabled"] is False


def test_every_fault_of_a_registration_is_named() -> None:
    said = faults_of(
        system=7, colour="red", sameForBackward=False, includeErrorTrace="yes",
        forward={"recipients": "x", "cc": "y", "global": {"failureCount": 21}},
        backward={"subjectPrefix": "ok"},
    )  # fmt: skip
    assert sorted(said) == [
        "/backward/recipients", "/colour", "/forward/cc", "/forward/global/failureCount",
        "/forward/recipients", "/includeErrorTrace", "/system",
    ]  # fmt: skip


def test_the_same_setting_for_backward_ignores_backward(site: Installation) -> None:
    put_system(site)
    put_integration(site)
    document = register(site, backward={"recipients": "nonsense"}).document
    assert document["backward"] is None
    assert stored_directions(site) == [Direction.FORWARD]


def test_backward_may_have_settings_of_its_own_and_lose_them(site: Installation) -> None:
    put_system(site)
    put_integration(site)
    other = {"recipients": ["back@corp.example"]}
    document = register(site, sameForBackward=False, backward=other).document
    assert document["backward"]["recipients"] == ["back@corp.example"]
    assert len(stored_directions(site)) == 2
    assert patch(site, sameForBackward=True)["backward"] is None
    assert stored_directions(site) == [Direction.FORWARD]


def test_settings_of_its_own_are_needed_where_they_are_announced(site: Installation) -> None:
    put_system(site)
    put_integration(site)
    with pytest.raises(Invalid, match="/backward: is required"):
        register(site, sameForBackward=False)


def test_an_integration_that_runs_one_way_has_nothing_for_backward(site: Installation) -> None:
    put_system(site)
    put_integration(site, bidirectional=False)
    document = register(site, sameForBackward=False, backward=FORWARD).document
    assert (document["sameForBackward"], document["backward"]) == (True, None)


def test_the_system_must_exist(site: Installation) -> None:
    put_integration(site)
    with pytest.raises(Invalid, match="/system: there is no system 'Nobody'"):
        register(site, system="Nobody")


def test_the_integration_must_exist(site: Installation) -> None:
    put_system(site)
    with pytest.raises(NotFound):
        register(site)
    body = parse(RegistrationBody, {"integration": "jira", "system": "Mail", "forward": FORWARD})
    with pytest.raises(Invalid, match="/integration: there is no integration 'jira'"):
        configuring.create(REGISTRATIONS, site, ACTOR, body)


def test_an_answer_can_be_put_back(site: Installation) -> None:
    set_up(site)
    document = get(site)
    assert register(site, **document).document == document
    assert [row.action for row in audited(site)] == ["create", "create", "register"]


def test_unregistering_cancels_what_waits_and_lets_it_be_told_again(site: Installation) -> None:
    set_up(site)
    states = {
        waiting_mail(site): DeliveryState.CANCELLED,
        waiting_mail(site, state=DeliveryState.STORED): DeliveryState.CANCELLED,
        waiting_mail(site, state=DeliveryState.LEASED): DeliveryState.CANCELLED,
        waiting_mail(site, state=DeliveryState.LEASED, started=True): DeliveryState.LEASED,
        waiting_mail(site, state=DeliveryState.DELIVERED): DeliveryState.DELIVERED,
        waiting_mail(site, kind=DeliveryKind.EVENT): DeliveryState.PENDING,
        waiting_mail(site, kind=DeliveryKind.TEST): DeliveryState.PENDING,
    }
    pending, *_, delivered = list(states)[:5]
    cancelled, sent = failures(site, 2)
    tells(site, pending, [cancelled])
    tells(site, delivered, [sent])
    unregister(site)
    assert {one: row_of(site, Delivery, one).state for one in states} == states
    row = row_of(site, Delivery, pending)
    assert (row.reason, row.finished_at is not None) == (EndReason.UNREGISTERED, True)
    assert row_of(site, Failure, cancelled).told_delivery_id is None
    assert row_of(site, Failure, cancelled).told_episode is None
    assert row_of(site, Failure, sent).told_delivery_id == delivered
    assert audited(site)[-1].action == "unregister"


def test_unregistering_waits_for_the_report_that_is_being_stored(site: Installation) -> None:
    """Else its mail would be decided by the registration, and wait for nobody."""
    set_up(site)
    with ThreadPoolExecutor(1) as pool:
        with site.store.session() as session:
            (jira,) = session.scalars(select(Integration.id))
            lock_directions(session, jira)
            done = pool.submit(unregister, site)
            with pytest.raises(TimeoutError):
                done.result(timeout=0.3)
        done.result(timeout=10)


def test_what_waits_for_another_integration_is_left_alone(site: Installation) -> None:
    set_up(site)
    put_integration(site, "other")
    register(site, "other")
    waits = waiting_mail(site, "other")
    unregister(site)
    assert row_of(site, Delivery, waits).state == DeliveryState.PENDING


def test_an_unregistered_integration_has_no_registration(site: Installation) -> None:
    set_up(site)
    unregister(site)
    with pytest.raises(NotFound, match="is not registered"):
        get(site)
    with pytest.raises(NotFound):
        unregister(site)
    assert configuring.page(REGISTRATIONS, site, 10, None) == ([], None)


def test_registering_again_revives_the_row(site: Installation) -> None:
    set_up(site)
    before = get(site)
    unregister(site)
    saved = register(site, forward={"recipients": ["new@corp.example"]})
    assert saved.created
    assert saved.document["id"] == before["id"]
    assert saved.document["registeredAt"] >= before["registeredAt"]
    assert saved.document["forward"]["recipients"] == ["new@corp.example"]
    assert [row.action for row in audited(site)][-2:] == ["unregister", "register"]


def test_the_settings_stay_when_unregistered(site: Installation) -> None:
    set_up(site)
    unregister(site)
    with site.store.reading() as connection:
        (recipients,) = connection.scalars(select(RegistrationDirection.recipients))
    assert recipients == ["ops@corp.example"]


def test_another_system_takes_over_what_waits(site: Installation) -> None:
    set_up(site)
    put_system(site, "Spare")
    waits = waiting_mail(site)
    claimed = waiting_mail(site, state=DeliveryState.LEASED, lease_token="t")
    sending = waiting_mail(site, state=DeliveryState.LEASED, lease_token="t", started=True)
    sent = waiting_mail(site, state=DeliveryState.DELIVERED)
    old, new = lane_of(site).id, lane_of(site, "Spare").id
    patch(site, system="Spare")
    rows = [row_of(site, Delivery, one) for one in (waits, claimed, sending, sent)]
    assert [row.lane_id for row in rows] == [new, new, old, old]
    assert (rows[1].state, rows[1].lease_token) == (DeliveryState.PENDING, None)


def test_saving_without_another_system_moves_nothing(site: Installation) -> None:
    set_up(site)
    claimed = waiting_mail(site, state=DeliveryState.LEASED, lease_token="t")
    patch(site, forward={"subjectPrefix": "[prod]"})
    assert row_of(site, Delivery, claimed).lease_token == "t"


def test_processing_failures_may_have_recipients_of_their_own(site: Installation) -> None:
    put_system(site)
    put_integration(site)
    block = {"recipients": "p@corp.example", "cc": []}
    document = register(site, forward={**FORWARD, "processing": block}).document
    assert document["forward"]["processing"]["recipients"] == ["p@corp.example"]
    assert document["forward"]["processing"]["cc"] == []
    cleared = patch(site, forward={"processing": {"recipients": None, "cc": None}})
    assert cleared["forward"]["processing"]["recipients"] is None
