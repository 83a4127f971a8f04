"""Routes over HTTP: one document of 27 cells, with GET, PUT and PATCH."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.channels import CHANNELS
from app.channels.fake import FakeChannel
from app.domain.event_kinds import Row, Severity
from app.services.installation import Installation
from tests.api import rows
from tests.api.helpers import client_with, faults, is_problem
from tests.api.test_hostile_configuration import HOSTILE
from tests.services.makers import NO_LOGIN, audited, lane_of, put_system

URL = "/api/v1/routes"
EMPTY = [
    {"source": str(row), "severity": str(severity), "systems": [], "override": False}
    for row in Row
    for severity in Severity
]
BOUNDED = {"policy": "Bounded", "retryNumber": 7, "retryDelay": 60}
CELL = {"source": "metrics", "severity": "error"}
SUBSCRIPTION = {"source": "metrics", "system": "Hook"}


@pytest.fixture(autouse=True)
def _systems(monkeypatch: pytest.MonkeyPatch, site: Installation) -> None:
    """The HTTP systems Hook and Pager, and the mail systems Mail and Mute, without To Email-Id."""
    monkeypatch.setitem(CHANNELS, "fake", FakeChannel())
    for name in ("Hook", "Pager"):
        put_system(site, name, kind="fake", options={})
    put_system(site, "Mail", options={**NO_LOGIN, "toEmail": "ops@corp.example"})
    put_system(site, "Mute")


def cells_of(document: Any) -> dict[tuple[str, str], tuple[list[str], bool]]:
    """Return the cells that say something."""
    return {
        (cell["source"], cell["severity"]): (cell["systems"], cell["override"])
        for cell in document["cells"]
        if cell["systems"] or cell["override"]
    }


def test_an_empty_matrix_has_27_cells_in_the_order_of_rows_and_severities(
    client: FlaskClient,
) -> None:
    assert client.get(URL).get_json() == {
        "cells": EMPTY, "subscriptions": [], "waiting": [], "revision": None, "updatedAt": None,
    }  # fmt: skip
    assert (EMPTY[0]["source"], EMPTY[0]["severity"], len(EMPTY)) == ("global", "info", 27)


def test_put_replaces_all_and_answers_the_subscriptions_with_their_lanes(
    client: FlaskClient, site: Installation
) -> None:
    body = {
        "cells": [
            {**CELL, "systems": ["Hook", "Mail"], "override": True},
            {"source": "global", "severity": "error", "systems": ["Pager"]},
        ],
        "subscriptions": [{"source": "metrics", "system": "Hook", "retryPolicy": BOUNDED}],
    }
    answer = client.put(URL, json=body)
    assert answer.status_code == 200, answer.text
    document = answer.get_json()
    assert cells_of(document) == {
        ("metrics", "error"): (["Hook", "Mail"], True), ("global", "error"): (["Pager"], False),
    }  # fmt: skip
    default = {"policy": "Bounded", "retryNumber": 3, "retryDelay": 10}
    assert document["subscriptions"] == [
        {
            "source": "global",
            "system": "Pager",
            "retryPolicy": None,
            "effective": {"retryPolicy": default, "origin": "default", "note": None},
            "lane": str(lane_of(site, "Pager").id),
            "state": "normal",
        },
        {
            "source": "metrics",
            "system": "Hook",
            "retryPolicy": BOUNDED,
            "effective": {"retryPolicy": BOUNDED, "origin": "own", "note": None},
            "lane": str(lane_of(site, "Hook").id),
            "state": "normal",
        },
    ]
    assert client.get(URL).get_json() == document
    assert client.get(URL).headers["ETag"] == answer.headers["ETag"]
    lane = client.get(f"/api/v1/lanes/{lane_of(site, 'Hook').id}").get_json()
    assert (lane["row"], lane["retryPolicy"]) == ("metrics", BOUNDED)
    emptied = client.put(URL, json={}).get_json()
    assert (emptied["cells"], emptied["subscriptions"]) == (EMPTY, [])


def test_an_answer_can_be_put_and_patched_back(client: FlaskClient) -> None:
    body = {"cells": [{**CELL, "systems": ["Hook", "Pager"]}], "subscriptions": []}
    said = client.put(URL, json=body).get_json()
    for method in ("PUT", "PATCH"):
        answer = client.open(URL, method=method, json=said)
        assert (answer.status_code, answer.get_json()) == (200, said)


def test_a_patch_replaces_the_list_that_it_names_and_leaves_the_other(client: FlaskClient) -> None:
    client.put(URL, json={"cells": [{**CELL, "systems": ["Hook"]}]})
    body = {"subscriptions": [{**SUBSCRIPTION, "retryPolicy": BOUNDED}]}
    document = client.patch(URL, json=body).get_json()
    assert cells_of(document) == {("metrics", "error"): (["Hook"], False)}
    assert document["subscriptions"][0]["retryPolicy"] == BOUNDED
    document = client.patch(URL, json={"cells": None}).get_json()
    assert (document["cells"], len(document["subscriptions"])) == (EMPTY, 1)
    document = client.patch(URL, json={"subscriptions": []}).get_json()
    assert document["subscriptions"] == []


def test_a_subscription_without_a_policy_of_its_own_may_be_said(client: FlaskClient) -> None:
    body = {"subscriptions": [{**SUBSCRIPTION, "retryPolicy": None}, {"source": "nodes",
            "system": "Mail"}]}  # fmt: skip
    answer = client.put(URL, json=body)
    assert (answer.status_code, answer.get_json()["subscriptions"]) == (200, [])


def test_the_policy_of_the_system_is_inherited_and_noted(client: FlaskClient) -> None:
    always = {"policy": "Always", "retryDelay": 60}
    client.patch("/api/v1/systems/Hook", json={"retryPolicy": always, "status": "paused"})
    body = {
        "cells": [
            {**CELL, "systems": ["Hook"]},
            {"source": "repairs", "severity": "info", "systems": ["Hook"]},
        ]
    }
    one, two = client.put(URL, json=body).get_json()["subscriptions"]
    assert one["effective"] == {"retryPolicy": always, "origin": "system", "note": None}
    assert two["effective"]["retryPolicy"]["policy"] == "Bounded"
    assert two["effective"]["origin"] == "default"
    assert "Always, which a remote operation cannot have" in two["effective"]["note"]
    assert (one["state"], two["state"]) == ("paused", "paused")


def test_a_renamed_system_keeps_its_cells(client: FlaskClient) -> None:
    client.put(URL, json={"cells": [{**CELL, "systems": ["Hook"]}]})
    assert client.patch("/api/v1/systems/Hook", json={"name": "Hooked"}).status_code == 200
    assert cells_of(client.get(URL).get_json()) == {("metrics", "error"): (["Hooked"], False)}


def test_every_fault_is_named_at_once(client: FlaskClient, site: Installation) -> None:
    always = {"policy": "Always"}
    body = {
        "cells": [
            {"source": "weather", "severity": "critical", "systems": ["Nobody", "Mute"]},
            {**CELL, "systems": ["Hook", "Hook"]},
            {**CELL, "systems": ["Pager"]},
            {"source": "global", "severity": "info", "override": True},
            {"source": "nodes", "severity": "info", "systems": ["Hook"] * 101},
            {"source": "nodes", "severity": "error", "systems": "Hook", "colour": "red"},
            "nodes",
        ],
        "subscriptions": [
            {"source": "backups", "system": "Hook", "retryPolicy": always},
            {"source": "metrics", "system": "Mail", "retryPolicy": always},
            {"source": "weather", "system": "Nobody", "retryPolicy": always},
            {"source": "nodes", "system": "Hook"},
            {"source": "nodes", "system": "Hook", "retryPolicy": BOUNDED},
            {"source": "nodes", "system": "Pager", "retryPolicy": {"policy": "Bounded",
             "retryNumber": 0, "retryDelay": 259_201}},
        ],
        "colour": "red",
    }  # fmt: skip
    for method in ("PUT", "PATCH"):
        found = faults(client.open(URL, method=method, json=body))
        rows = ", ".join(Row)
        policy = "/subscriptions/5/retryPolicy"
        assert found == {
            "/cells/0/source": f"must be one of {rows}",
            "/cells/0/severity": "must be one of info, warning, error",
            "/cells/0/systems/0": "there is no system 'Nobody'",
            "/cells/0/systems/1": "'Mute' has no To Email-Id: give its options toEmail, to which "
            "routed notifications are written, before it stands in a cell",
            "/cells/1/systems/1": "'Hook' stands in this cell already",
            "/cells/2": "is the cell that stands at /cells/1 already",
            "/cells/3/override": "must be false: Global has no override",
            "/cells/4/systems": "must name at most 100 systems, names 101",
            "/cells/5/systems": "must be a list",
            "/cells/5/colour": "is not a field of this body",
            "/cells/6": "must be an object",
            "/subscriptions/0/retryPolicy": "Always is for monitor rows only; this row tells the "
            "outcome of a remote operation, which is retried a limited number of times (None or "
            "Bounded)",
            "/subscriptions/1/retryPolicy": "mail has no retry policy: what waits goes with the "
            "next dispatch pass",
            "/subscriptions/2/source": f"must be one of {rows}",
            "/subscriptions/2/system": "there is no system 'Nobody'",
            "/subscriptions/4": "is the subscription that stands at /subscriptions/3 already",
            f"{policy}/retryNumber": "must be a whole number from 1 to 1,000",
            f"{policy}/retryDelay": "must be a whole number from 1 to 259,200",
            "/colour": "is not a field of this body",
        }
    assert client.get(URL).get_json()["cells"] == EMPTY
    assert {row.subject_kind for row in audited(site)} == {"system"}


@pytest.mark.parametrize("body", [[], "x", 7, None, [{"cells": []}]])
def test_a_body_that_is_no_object_is_refused(client: FlaskClient, body: Any) -> None:
    for method in ("PUT", "PATCH"):
        raw = json.dumps(body)
        answer = client.open(URL, method=method, data=raw, content_type="application/json")
        assert list(faults(answer)) == [""]


@pytest.mark.parametrize(
    ("name", "number", "what"),
    [("cells", 1_001, "cells"), ("subscriptions", 10_001, "subscriptions")],
)
def test_a_list_without_end_is_refused(
    client: FlaskClient, name: str, number: int, what: str
) -> None:
    found = faults(client.put(URL, json={name: [7] * number}))
    assert "names" in found[f"/{name}"]
    assert what in found[f"/{name}"]


def test_a_cell_may_name_100_systems(client: FlaskClient, site: Installation) -> None:
    names = [f"Hook {number}" for number in range(100)]
    for name in names:
        put_system(site, name, kind="fake", options={})
    body = {"cells": [{**CELL, "systems": names}]}
    document = client.put(URL, json=body).get_json()
    assert cells_of(document) == {("metrics", "error"): (names, False)}
    assert len(document["subscriptions"]) == 100


def test_a_stale_if_match_is_412(client: FlaskClient) -> None:
    old = {"If-Match": client.get(URL).headers["ETag"]}
    body = {"cells": [{**CELL, "systems": ["Hook"]}]}
    answer = client.put(URL, json=body, headers=old)
    assert answer.status_code == 200
    for method in ("PUT", "PATCH"):
        assert is_problem(client.open(URL, method=method, json={}, headers=old), 412)
    new = {"If-Match": answer.headers["ETag"]}
    assert client.patch(URL, json={"cells": []}, headers=new).status_code == 200


def test_only_admins_change_routes(app: Flask) -> None:
    for scope in ("read", "operate"):
        client = client_with(app, scope)
        assert client.get(URL).status_code == 200
        assert client.put(URL, json={}).status_code == 403
        assert client.patch(URL, json={}).status_code == 403
    assert client_with(app, "report").get(URL).status_code == 403


def test_routes_are_not_made_or_deleted(client: FlaskClient) -> None:
    assert client.post(URL, json={}).status_code == 405
    assert client.delete(URL).status_code == 405


@pytest.mark.parametrize(("query", "done"), [("", "sent"), ("?waiting=send", "sent"),
                                             ("?waiting=cancel", "cancelled")])  # fmt: skip
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_waits_for_a_system_that_left_its_last_cell_is_told(
    client: FlaskClient, site: Installation, method: str, query: str, done: str
) -> None:
    client.put(URL, json={"cells": [{**CELL, "systems": ["Hook"]}]})
    lane = lane_of(site, "Hook")
    waits = rows.delivery(site, lane.system_id, lane_id=lane.id, kind="event", why="own_cell")
    answer = client.open(URL + query, method=method, json={"cells": []})
    expected = [{"source": "metrics", "system": "Hook", "count": 1, "done": done}]
    assert answer.get_json()["waiting"] == expected
    delivery = client.get(f"/api/v1/deliveries/{waits}").get_json()
    said = (delivery["state"], delivery["reason"])
    assert said == (("cancelled", "removed") if done == "cancelled" else ("pending", None))
    assert client.get(URL).get_json()["waiting"] == []


def test_another_word_for_what_waits_is_refused(client: FlaskClient) -> None:
    answer = client.put(f"{URL}?waiting=maybe", json={})
    assert faults(answer) == {"/waiting": "must be 'send' or 'cancel'"}
    assert list(faults(client.get(f"{URL}?waiting=send"))) == ["/waiting"]


def test_a_system_in_use_by_routes_is_409_with_each_cell(client: FlaskClient) -> None:
    client.put(URL, json={"cells": [{**CELL, "systems": ["Hook"]}]})
    answer = client.delete("/api/v1/systems/Hook")
    assert is_problem(answer, 409)
    assert answer.get_json()["usedBy"] == [{"kind": "route", "name": "Metrics / error", "url": URL}]
    client.put(URL, json={})
    assert client.delete("/api/v1/systems/Hook").status_code == 204


def test_a_system_takes_a_policy_and_mail_refuses_one(client: FlaskClient) -> None:
    url = "/api/v1/systems/Hook"
    said = {"policy": "Bounded", "maxRetryNumber": 1000, "retryDelay": 3600}
    document = client.patch(url, json={"retryPolicy": said}).get_json()
    kept = document["retryPolicy"]
    assert (kept.pop("note"), kept) == (
        "Its retries would take longer than 3 days: it ends after 3 days.",
        {"policy": "Bounded", "retryNumber": 1000, "retryDelay": 3600},
    )
    answer = client.patch("/api/v1/systems/Mail", json={"retryPolicy": {"policy": "None"}})
    assert faults(answer) == {
        "/retryPolicy": "mail has no retry policy: what waits goes with the next dispatch pass"
    }
    answer = client.patch(url, json={"retryPolicy": {"policy": "Never", "retryDelay": 0}})
    assert faults(answer) == {
        "/retryPolicy/policy": "must be 'None', 'Bounded' or 'Always'",
        "/retryPolicy/retryDelay": "must be a whole number from 1 to 259,200",
    }


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in inner:
        yield (*path, name)
        if isinstance(item, dict | list):
            yield from places(item, (*path, name))


def with_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of the document with one place changed."""
    if not path:
        return value
    copy: Any = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = with_value(copy[path[0]], path[1:], value)
    return copy


ROUTES = {
    "cells": [{**CELL, "systems": ["Hook", "Mail"], "override": True}],
    "subscriptions": [{**SUBSCRIPTION, "retryPolicy": {**BOUNDED, "maxRetryNumber": 7}}],
}
HOOK = {"kind": "fake", "options": {}, "retryPolicy": {**BOUNDED, "maxRetryNumber": 7}}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_each_hostile_value_is_taken_as_it_is_or_refused(client: FlaskClient, value: Any) -> None:
    for url, document in ((URL, ROUTES), ("/api/v1/systems/Hook", HOOK)):
        for path in places(document):
            raw = json.dumps(with_value(document, path, value))
            for method in ("PUT", "PATCH"):
                answer = client.open(url, method=method, data=raw, content_type="application/json")
                assert answer.status_code in (200, 400, 422), (path, answer.text)
                if answer.status_code == 422:
                    assert all(one["message"] for one in answer.get_json()["errors"])
        shown = client.get(url)
        assert client.put(url, json=shown.get_json()).get_json() == shown.get_json()
