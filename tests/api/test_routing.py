"""Preview, simulation and lint over HTTP (product.md 8; api.md, Acting)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select, update
from werkzeug.test import TestResponse

from app.domain.kinds import LaneState
from app.models import Audit, Delivery, Event, Lane, RouteRevision, System
from app.services import routing_simulation
from app.services.installation import Installation
from app.services.reading import event_filter
from tests.api.helpers import client_with, faults, is_problem
from tests.services.event_makers import routes as hold
from tests.services.event_makers import system as bare_system
from tests.services.event_makers import take
from tests.services.makers import NO_LOGIN, put_system
from tests.simulated import Simulated

PREVIEW, SIMULATE, LINT = (
    f"/api/v1/routing/{name}" for name in ("preview", "simulate", "lint")
)  # fmt: skip
ERROR = {"source": "backups", "severity": "error"}
GLOBAL = {"source": "global", "severity": "error"}


@pytest.fixture
def _systems(site: Installation) -> None:
    """The systems Ops mail, Pager (paused) and Slack, of which two are webhooks."""
    put_system(site, "Ops mail", options={**NO_LOGIN, "toEmail": "ops@corp.example"})
    put_system(site, "Pager", kind="webhook", options={"url": "http://127.0.0.1:9/pager"})
    put_system(site, "Slack", kind="webhook", options={"url": "http://127.0.0.1:9/slack"})


def cell(source: str, severity: str, *systems: str, override: bool = False) -> dict[str, Any]:
    return {
        "source": source, "severity": severity, "systems": list(systems), "override": override,
    }  # fmt: skip


def put(client: FlaskClient, *cells: dict[str, Any]) -> None:
    answer = client.put("/api/v1/routes", json={"cells": cells})
    assert answer.status_code == 200, answer.text


def preview(client: FlaskClient, **body: Any) -> dict[str, Any]:
    answer = client.post(PREVIEW, json=body or ERROR)
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def simulate(client: FlaskClient, *cells: dict[str, Any], **more: Any) -> TestResponse:
    times = {name: at for name, at in more.items() if name in ("since", "until")}
    query = {name: value for name, value in more.items() if name not in times and value}
    return client.post(SIMULATE, json={"draft": {"cells": cells}, **times}, query_string=query)


def pause(site: Installation, name: str) -> None:
    with site.store.writing() as connection:
        connection.execute(update(System).where(System.name == name).values(status="paused"))


@pytest.mark.usefixtures("_systems")
def test_a_preview_names_who_is_told_by_which_cell_and_who_is_not(
    client: FlaskClient, site: Installation
) -> None:
    put(
        client,
        cell("backups", "error", "Ops mail", "Pager"),
        cell("global", "error", "Slack", "Pager"),
        cell("nodes", "error", "Ops mail", override=True),
    )
    pause(site, "Pager")
    found = preview(client)
    assert found["systems"] == [
        {
            "system": "Ops mail", "kind": "smtp", "row": "backups", "severity": "error",
            "reason": "own_cell", "text": "The cell Backups / error names it.",
        },
        {
            "system": "Pager", "kind": "webhook", "row": "backups", "severity": "error",
            "reason": "own_cell",
            "text": "The cell Backups / error names it. It is paused: what goes to it is stored "
            "until it is resumed.",
        },
        {
            "system": "Slack", "kind": "webhook", "row": "global", "severity": "error",
            "reason": "global_cell", "text": "The cell Global / error names it for every source.",
        },
    ]  # fmt: skip
    assert found["notSent"] == []
    assert found["sentence"] == (
        "Goes to Ops mail and Pager (Backups / error), and to Slack through Global / error. "
        "Pager is paused: what goes there is stored until it is resumed."
    )
    text = "The cell Nodes / error overrides Global, so that only its own systems are told."
    found = preview(client, source="nodes", severity="critical")
    assert [one["system"] for one in found["systems"]] == ["Ops mail"]
    assert found["notSent"] == [
        {"system": name, "reason": "overridden", "text": text} for name in ("Slack", "Pager")
    ]
    assert found["sentence"] == (
        "Goes to Ops mail (Nodes / error). Not to Slack and Pager, as Nodes / error overrides "
        "Global."
    )


@pytest.mark.usefixtures("_systems")
def test_a_preview_tells_nobody_apart_from_nobody_on_purpose(client: FlaskClient) -> None:
    put(client, cell("nodes", "info", override=True), cell("metrics", "error", "Slack"))
    found = preview(client)
    assert found == {
        "systems": [],
        "notSent": [
            {
                "system": None,
                "reason": "no_route",
                "text": "Neither the cell Backups / error nor that of Global names a system: "
                "nobody is told.",
            }
        ],
        "sentence": "Goes to nobody: neither Backups / error nor Global / error names a system.",
    }
    found = preview(client, source="nodes", severity="info")
    assert (found["systems"], found["notSent"][0]["reason"]) == ([], "overridden")
    assert found["sentence"] == (
        "Goes to nobody, on purpose: Nodes / info overrides Global and names no system."
    )
    assert preview(client, source="metrics", severity="error")["sentence"] == (
        "Goes to Slack (Metrics / error)."
    )


def test_a_preview_takes_a_code_and_what_silences_will_ask_for(client: FlaskClient) -> None:
    found = preview(
        client, code="repair.unit_error", integration="erp", labels={"a": "b"},
        at="2026-11-03T10:31:00Z",
    )  # fmt: skip
    assert "Repairs / warning" in found["sentence"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"/source", "/severity"}),
        ({"source": "global", "severity": "fatal"}, {"/source", "/severity"}),
        ({"code": "x", "source": "nodes"}, {"/code"}),
        ({"code": "backup.deleted", "severity": "error"}, {"/severity"}),
        ({**ERROR, "labels": {"a": 1}, "at": "now", "integration": " "},
         {"/labels/a", "/at", "/integration"}),
        ({**ERROR, "title": "x"}, {"/title"}),
    ],
)  # fmt: skip
def test_each_fault_of_a_preview_is_named(
    client: FlaskClient, body: dict[str, Any], expected: set[str]
) -> None:
    assert set(faults(client.post(PREVIEW, json=body))) == expected


@pytest.mark.usefixtures("_systems")
def test_a_simulation_tells_only_what_would_differ(client: FlaskClient, site: Installation) -> None:
    put(client, cell("backups", "error", "Pager"), cell("global", "error", "Slack"))
    take(site, {"source": "backups", "title": "one"}, {"source": "nodes", "title": "two"})
    take(site, {"source": "backups", "severity": "info"}, {"source": "metrics", "title": "three"})
    before = _counts(site)
    found = simulate(
        client,
        cell("backups", "error", "Pager", "Ops mail", override=True),
        cell("global", "error", "Slack"),
        cell("metrics", "error", "Slack"),
    ).get_json()
    assert (found["events"], found["next"]) == (4, None)
    pager = {"system": "Pager", "row": "backups", "reason": "own_cell"}
    slack = {"system": "Slack", "row": "global", "reason": "global_cell"}
    three, one = found["differences"]
    assert (three["title"], three["before"]) == ("three", [slack])
    # The same system, by another row: another retry policy may hold.
    assert three["after"] == [{"system": "Slack", "row": "metrics", "reason": "own_cell"}]
    assert one == {
        "event": one["event"],
        "receivedAt": one["receivedAt"],
        "source": "backups",
        "severity": "error",
        "title": "one",
        "before": [pager, slack],
        "after": [pager, {"system": "Ops mail", "row": "backups", "reason": "own_cell"}],
    }
    assert client.get(f"/api/v1/events/{one['event']}").get_json()["title"] == "one"
    assert _counts(site) == before


def _counts(site: Installation) -> list[int | None]:
    with site.store.reading() as connection:
        tables = (RouteRevision, Delivery, Audit, Event, Lane)
        return [connection.scalar(select(func.count()).select_from(one)) for one in tables]


def test_what_is_gone_is_named_as_it_was_then(client: FlaskClient, site: Installation) -> None:
    gone = bare_system(site, "Old pager")
    hold(site, {("metrics", "error"): [gone]}, {gone: "Old pager"})
    take(site)
    hold(site, {})
    with site.store.writing() as connection:
        connection.execute(delete(System).where(System.id == gone))
    (one,) = simulate(client).get_json()["differences"]
    assert (one["before"][0]["system"], one["after"]) == ("Old pager", [])


@pytest.mark.usefixtures("_systems")
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_simulation_is_paged_and_looks_at_each_event_once(
    client: FlaskClient, site: Installation, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(routing_simulation, "CHUNK", 4)
    monkeypatch.setattr(event_filter, "MOST_WALKED", 8)
    sources = ["nodes" if number % 3 else "metrics" for number in range(30)]
    take(site, *({"source": one, "title": f"{n}"} for n, one in enumerate(sources)))
    looked, found, cursor = [], [], None
    while True:
        draft = cell("metrics", "error", "Slack")
        page = simulate(client, draft, limit=limit, cursor=cursor).get_json()
        looked.append(page["events"])
        found += [int(one["title"]) for one in page["differences"]]
        assert len(page["differences"]) <= limit
        cursor = page["next"]
        if cursor is None:
            break
    assert found == [number for number in reversed(range(30)) if number % 3 == 0]
    assert (sum(looked), max(looked) <= 8) == (30, True)


@pytest.mark.usefixtures("_systems")
def test_a_simulation_takes_the_events_between_two_times(
    client: FlaskClient, site: Installation, simulated: Simulated
) -> None:
    times = []
    for number in range(4):
        times.append(simulated.passes(minutes=1).isoformat())
        take(site, {"title": f"{number}"})
    found = simulate(
        client, cell("global", "error", "Slack"), since=times[1], until=times[3]
    ).get_json()
    assert [one["title"] for one in found["differences"]] == ["2", "1"]
    assert (found["events"], found["next"]) == (2, None)


@pytest.mark.usefixtures("_systems")
def test_a_walk_over_events_of_other_times_is_bounded_too(
    client: FlaskClient, site: Installation, monkeypatch: pytest.MonkeyPatch, simulated: Simulated
) -> None:
    monkeypatch.setattr(event_filter, "MOST_WALKED", 5)
    begun = simulated.now.isoformat()
    simulated.passes(seconds=1)
    take(site, *[{}] * 12)
    until = simulated.now.isoformat()
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        draft = cell("global", "error", "Slack")
        page = simulate(client, draft, since=begun, until=until, cursor=cursor).get_json()
        assert (page["events"], page["differences"]) == (0, [])
        cursor, pages = page["next"], pages + 1
    assert pages == 3


@pytest.mark.usefixtures("_systems")
def test_the_faults_of_a_draft_are_those_of_a_put_below_draft(client: FlaskClient) -> None:
    draft = {
        "cells": [
            cell("metrics", "fatal", "Nobody", override=True),
            cell("global", "info", override=True),
            {**GLOBAL, "unknown": 1},
        ],
        "subscriptions": [
            {"source": "backups", "system": "Slack", "retryPolicy": {"policy": "Always"}}
        ],
    }
    saved = faults(client.put("/api/v1/routes", json=draft))
    assert len(saved) >= 5
    answer = client.post(SIMULATE, json={"draft": draft, "since": "now", "more": 1})
    assert faults(answer) == {f"/draft{at}": text for at, text in saved.items()} | {
        "/since": faults(answer)["/since"], "/more": "is not a field of this body",
    }  # fmt: skip


def test_each_fault_of_a_simulation_is_named(client: FlaskClient) -> None:
    assert faults(client.post(SIMULATE, json={})) == {"/draft": "is required"}
    assert set(faults(client.post(SIMULATE, json=[]))) == {""}
    assert set(faults(client.post(SIMULATE, json={"draft": None}))) == {"/draft"}
    times = {"since": "2026-11-03T10:31:00Z", "until": "2026-11-03T10:31:00Z"}
    assert faults(simulate(client, **times)) == {"/until": "must be later than since"}
    for cursor in ("x", "bjU"):  # the second one is of the page before, in other lists
        assert set(faults(simulate(client, cursor=cursor))) == {"/cursor"}


@pytest.mark.usefixtures("_systems")
def test_lint_names_what_is_worth_a_look(client: FlaskClient, site: Installation) -> None:
    put_system(site, "Twin", kind="webhook", options={"url": "HTTP://127.0.0.1:9/slack"})
    put(
        client,
        *(cell("global", severity, "Slack") for severity in ("info", "warning", "error")),
        cell("backups", "error", "Pager", "Twin"),
        cell("nodes", "info", override=True),
    )
    pause(site, "Pager")
    with site.store.writing() as connection:
        connection.execute(update(Lane).where(Lane.row == "backups").values(
            state=LaneState.RETRYING
        ))  # fmt: skip
    found = client.get(LINT).get_json()
    assert found["next"] is None
    assert [(one["kind"], one["row"], one["cellSeverity"], one["systems"])
            for one in found["items"]] == [
        ("paused", "backups", "error", ["Pager"]),
        ("failing", "backups", "error", ["Pager", "Twin"]),
        ("twice", "backups", "error", ["Twin", "Slack"]),
        ("nobody", "nodes", "info", ["Slack"]),
    ]  # fmt: skip
    assert found["items"][3] == {
        "kind": "nobody",
        "severity": "note",
        "row": "nodes",
        "cellSeverity": "info",
        "systems": ["Slack"],
        "sentence": "Nodes / info goes to nobody, on purpose: it overrides Global and names no "
        "system.",
    }


@pytest.mark.usefixtures("_systems")
def test_lint_knows_who_reaches_the_same_by_mail_and_by_a_secret(
    client: FlaskClient, site: Installation
) -> None:
    put_system(site, "Mail 2", options={**NO_LOGIN, "toEmail": "OPS@corp.example"})
    keys = {"One": "a" * 32, "Two": "a" * 32, "Three": "b" * 32}
    for name, key in keys.items():
        put_system(site, name, kind="pagerduty", options={}, secrets={"routingKey": key})
    put(client, cell("global", "error", "Ops mail", "Mail 2", *keys))
    answer = client.get(LINT)
    twice = [one["systems"] for one in answer.get_json()["items"] if one["kind"] == "twice"]
    assert twice == [["Ops mail", "Mail 2"], ["One", "Two"]]
    assert "a" * 32 not in answer.text


def test_who_may_ask(app: Flask) -> None:
    reader, reporter = client_with(app, "read"), client_with(app, "report")
    assert reader.post(PREVIEW, json=ERROR).status_code == 200
    assert simulate(reader).status_code == 200
    assert reader.get(LINT).status_code == 200
    assert is_problem(reporter.post(PREVIEW, json=ERROR), 403)
    assert is_problem(simulate(reporter), 403)
    assert is_problem(reporter.get(LINT), 403)
