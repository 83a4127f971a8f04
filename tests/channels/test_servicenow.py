"""ServiceNow's incidents over a double: opened once, updated, resolved, and opened anew."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.channels.base import ChannelError
from app.channels.notice import TEST
from app.channels.servicenow import ServiceNowChannel
from app.domain.kinds import Fail
from app.errors import Invalid
from app.secrets import Secret
from app.shapes import parse
from tests.channels.service_system import HOSTILE, LINK, event, notice, resolved, sent, session
from tests.channels.servicenow_system import CHANNEL, SECRETS, options, refused, tell
from tests.servers.doubles.servicenow import INCIDENTS, PASSWORD, TOKEN, USER, ServiceNow


@pytest.fixture
def instance() -> Iterator[ServiceNow]:
    with ServiceNow() as made:
        yield made


def test_an_event_is_looked_up_and_then_opens_an_incident(instance: ServiceNow) -> None:
    (receipt,) = tell(instance, notice(event(trace="Traceback …")), assignmentGroup="g" * 32)

    assert instance.requests == [f"GET {INCIDENTS}", f"POST {INCIDENTS}"]
    assert (receipt.status, receipt.confirmed) == (201, True)
    assert receipt.answer == "201 Created: INC0010001 was opened"
    (made,) = instance.incidents
    told = made.pop("description")
    assert made == {
        "sys_id": f"{1:032x}",
        "number": "INC0010001",
        "state": "1",
        "short_description": "Snapshot failed",
        "urgency": "2",
        "impact": "2",
        "correlation_id": "tocsin-7",
        "correlation_display": "Tocsin",
        "assignment_group": "g" * 32,
    }
    for part in ("The snapshot of node 3", "Severity: error", "cluster: main", "Traceback …"):
        assert part in told
    assert told.endswith(f"Tocsin: {LINK}")


def test_every_attempt_has_the_same_id_and_there_is_one_incident(instance: ServiceNow) -> None:
    instance.says(503, 2, to="POST")
    with session(CHANNEL, options(instance.url), SECRETS) as opened:
        for _ in range(2):
            with pytest.raises(ChannelError):
                opened.send(notice())
        answers = [opened.send(notice()).answer for _ in range(2)]

    assert answers == [
        "201 Created: INC0010001 was opened",
        "200 OK: INC0010001 was open, and was updated",
    ]
    assert len(instance.of("tocsin-7")) == 1
    assert "Told by Tocsin: event 7" in instance.open("tocsin-7")["work_notes"]


def test_a_failure_that_fires_again_updates_its_incident_with_how_bad_it_is_now(
    instance: ServiceNow,
) -> None:
    tell(instance, notice(event(7, dedupKey="disk", severity="warning", severityReceived=None)))
    tell(instance, notice(event(8, dedupKey="disk", severityReceived="critical", title="Full")))

    (one,) = instance.incidents
    assert (one["urgency"], one["impact"], one["short_description"]) == ("1", "1", "Full")


def test_a_resolve_sets_state_6_with_close_code_and_notes(instance: ServiceNow) -> None:
    tell(instance, notice(event(7, dedupKey="disk")))
    (receipt,) = tell(instance, resolved(8, dedupKey="disk"), closeCode="Fixed")

    (one,) = instance.incidents
    assert (one["state"], one["close_code"]) == ("6", "Fixed")
    assert one["close_notes"].startswith("Resolved, as Tocsin was told: Snapshot failed")
    assert one["close_notes"].endswith(LINK)
    assert receipt.answer == "200 OK: INC0010001 was resolved"


def test_a_resolve_without_an_open_incident_is_a_success_that_says_so(
    instance: ServiceNow,
) -> None:
    (never,) = tell(instance, resolved())
    tell(instance, notice(event(7, dedupKey="disk")), resolved(8, dedupKey="disk"))
    (again,) = tell(instance, resolved(8, dedupKey="disk"))

    assert never.answer == again.answer
    assert "there is nothing to resolve" in never.answer
    assert not never.confirmed
    assert [one.split()[0] for one in instance.requests].count("PATCH") == 1


@pytest.mark.parametrize("state", ["6", "7", "8"])
def test_one_that_is_done_with_gets_a_new_incident(instance: ServiceNow, state: str) -> None:
    tell(instance, notice())
    instance.incidents[0]["state"] = state
    tell(instance, notice())

    assert [one["state"] for one in instance.of("tocsin-7")] == [state, "1"]


@pytest.mark.parametrize("state", ["1", "2", "3", "42"])
def test_one_that_is_worked_on_or_on_hold_is_updated(instance: ServiceNow, state: str) -> None:
    tell(instance, notice())
    instance.incidents[0]["state"] = state
    tell(instance, notice())

    assert [one["state"] for one in instance.incidents] == [state]


def test_all_that_are_open_are_resolved(instance: ServiceNow) -> None:
    tell(instance, notice())
    instance.incidents.append({**instance.incidents[0], "sys_id": "f" * 32, "number": "INC2"})
    (receipt,) = tell(instance, resolved(7))

    assert {one["state"] for one in instance.incidents} == {"6"}
    assert receipt.answer == "200 OK: INC2, INC0010001 was resolved"


def test_a_stranger_that_a_search_finds_is_never_touched() -> None:
    strangers = [
        {"sys_id": "a" * 32, "number": "INC1", "state": "1", "correlation_id": "TOCSIN-7"},
        {"sys_id": "b" * 32, "number": "INC2", "state": "1", "correlation_id": ""},
    ]
    with ServiceNow(incidents=[dict(one) for one in strangers]) as instance:
        tell(instance, notice())
        assert len(instance.incidents) == 3
    with ServiceNow(incidents=[dict(one) for one in strangers]) as deaf:
        deaf.hidden = frozenset(("correlation_id",))
        (made,) = tell(deaf, notice())
        (ended,) = tell(deaf, resolved(7))
        assert deaf.incidents[:2] == strangers

    assert made.answer.endswith("may the user write and read that field?")
    assert "nothing to resolve" in ended.answer


@pytest.mark.parametrize(
    "key",
    [
        "k" * 101,
        "k" * 255,
        HOSTILE,
        "a^ORnumberISNOTEMPTY",
        "javascript:gs.getUserID()",
        "Größe",
        " padded ",
        "a=b",
        "x,y",
    ],
)
def test_an_id_that_a_search_could_misread_is_replaced_by_a_distinct_one(
    instance: ServiceNow, key: str
) -> None:
    tell(instance, notice(event(7, dedupKey=key)), notice(event(8, dedupKey=f"{key}!")))
    tell(instance, resolved(9, dedupKey=key))

    assert [one["state"] for one in instance.incidents] == ["6", "1"]
    for one in instance.incidents:
        assert 0 < len(one["correlation_id"]) <= 100
        assert one["correlation_id"].replace("-", "_").isidentifier()


def test_a_plain_id_stays_as_it_is(instance: ServiceNow) -> None:
    tell(instance, notice(event(dedupKey="disk full on db-3:/var@eu+1.2_x")))

    assert instance.incidents[0]["correlation_id"] == "disk full on db-3:/var@eu+1.2_x"


def test_a_test_opens_an_incident_of_its_own_with_the_least_urgency(instance: ServiceNow) -> None:
    critical = event(dedupKey="disk", severityReceived="critical")
    tell(instance, notice(critical, type=TEST, id="msg_test_1"))

    (one,) = instance.incidents
    assert one["correlation_id"] == "tocsin-test-msg_test_1"
    assert (one["urgency"], one["impact"]) == ("3", "3")


def test_urgency_and_impact_are_those_of_the_form(instance: ServiceNow) -> None:
    chosen = {"urgencyError": 1, "impactError": 3}
    tell(instance, notice(), **chosen)

    assert [instance.incidents[0][name] for name in ("urgency", "impact")] == ["1", "3"]


def test_long_texts_are_cut_say_so_and_keep_the_link(instance: ServiceNow) -> None:
    long = event(title="x" * 300, description="d" * 20_000, trace="t" * 1_000_000)
    tell(instance, notice(long), notice(event(8, title="y" * 300), event(9, title="z" * 300)))
    tell(instance, resolved(9, title="r" * 5_000))

    first, second = instance.incidents
    assert first["short_description"] == "x" * 159 + "…"
    assert second["short_description"] == f"{'z' * 140}… (and 1 more event)"
    assert len(first["description"]) == 4_000
    assert first["description"].endswith(f"… (cut)\n\nTocsin: {LINK}")
    assert "Also: " + "y" * 300 in second["description"]
    assert second["close_notes"].endswith(f"r…\n\nTocsin: {LINK}")


def test_hostile_text_arrives_as_it_is(instance: ServiceNow) -> None:
    tell(instance, notice(event(title=HOSTILE, description=HOSTILE, trace=HOSTILE)))

    (one,) = instance.incidents
    assert one["short_description"] == HOSTILE
    assert one["description"].count(HOSTILE) == 3


def test_the_login_is_basic_or_a_bearer_token(instance: ServiceNow) -> None:
    tell(instance, notice())
    chosen = options(instance.url, authentication="Bearer", user=None)
    sent(CHANNEL, chosen, {"token": Secret(TOKEN)}, notice())

    logins = [hit.headers["authorization"] for hit in instance.server.hits]
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert set(logins) == {f"Basic {pair}", f"Bearer {TOKEN}"}
    assert len(instance.incidents) == 1


def test_a_base_url_with_a_path_is_kept_in_front(instance: ServiceNow) -> None:
    with session(CHANNEL, options(f"{instance.url}/gate/"), SECRETS) as opened:
        with pytest.raises(ChannelError):
            opened.send(notice())

    assert instance.requests == [f"GET /gate{INCIDENTS}"]


@pytest.mark.parametrize(
    ("typed", "base"),
    [
        ("dev12345", "https://dev12345.service-now.com/"),
        (" acme.service-now.com ", "https://acme.service-now.com/"),
        ("https://acme.example.org:8443/x", "https://acme.example.org:8443/x"),
    ],
)
def test_an_instance_is_a_name_a_host_or_an_address(typed: str, base: str) -> None:
    assert options(typed).address.shown == base


@pytest.mark.parametrize("typed", ["", " ", "https://x/?y=1", "a b", "ftp://x", "x/#y", "é^", 7])
def test_what_is_no_instance_is_refused(typed: Any) -> None:
    with pytest.raises(Invalid) as caught:
        options(typed)
    assert caught.value.faults[0].pointer == "/options/instance"


@pytest.mark.parametrize(
    ("changes", "secrets", "pointers"),
    [
        ({"user": None}, {}, ["/options/user", "/secrets/password"]),
        ({}, {"token": TOKEN}, ["/secrets/password"]),
        ({"authentication": "Bearer"}, {"password": "x"}, ["/secrets/token"]),
        ({"authentication": "Bearer", "user": None}, {"token": TOKEN}, []),
        ({}, {"password": "x"}, []),
    ],
)
def test_a_login_has_what_its_kind_needs(
    changes: dict[str, Any], secrets: dict[str, str], pointers: list[str]
) -> None:
    sealed = {name: Secret(value) for name, value in secrets.items()}
    try:
        CHANNEL.check(options("dev1", **changes), sealed)
        found = []
    except Invalid as error:
        found = [fault.pointer for fault in error.faults]

    assert found == pointers


@pytest.mark.parametrize("typed", ["two words", "a\r\nb", "tökén"])
def test_a_token_is_one_word_that_a_header_can_hold(typed: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(ServiceNowChannel.secrets, {"token": typed}, "/secrets")
    assert typed not in str(caught.value)


def test_a_colon_in_the_user_is_refused() -> None:
    with pytest.raises(Invalid):
        options("dev1", user="a:b")


def test_a_description_names_mode_and_key() -> None:
    shown = [
        CHANNEL.describe(options("dev1", mode=one), notice())
        for one in ("Incident", "Event Management")
    ]

    assert shown == [
        "Incident at https://dev1.service-now.com/, correlation_id tocsin-7",
        "Event at https://dev1.service-now.com/, message_key tocsin-7",
    ]


def test_a_record_that_was_deleted_meanwhile_is_tried_again_as_a_new_one(
    instance: ServiceNow,
) -> None:
    tell(instance, notice())
    instance.says(404, to="PATCH")
    error = refused(instance)
    instance.incidents.clear()
    tell(instance, notice())

    assert (error.endpoint, error.permanent, error.status) == (False, False, 404)
    assert len(instance.incidents) == 1


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"sys_id": ""},
        {"sys_id": "../../x"},
        {"sys_id": ["a"]},
        [],
        "text",
        7,
    ],
)
def test_a_record_that_is_none_is_a_failure(instance: ServiceNow, record: Any) -> None:
    instance.says(201, to="POST", body=json.dumps({"result": record}).encode())
    error = refused(instance)

    assert (error.reason, error.endpoint) == (Fail.OTHER, True)


def test_a_check_sends_nothing_and_no_pace_is_known_beforehand(instance: ServiceNow) -> None:
    steps = CHANNEL.check_connection(options(instance.url), SECRETS)

    assert [step.ok for step in steps] == [None, True, True, None]
    assert instance.requests == []
    assert CHANNEL.pace == ()
