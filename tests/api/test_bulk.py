"""Bulk registration, its jobs, and the undo of unregistering, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.clock import utc_now
from app.services import configuring, job_work, processes
from app.services.bulk_shape import MOST_KEYS
from app.services.installation import Installation
from app.services.integrations import make_unknown
from app.services.systems import SYSTEMS
from tests.api.helpers import client_with, faults, is_problem
from tests.services.makers import ACTOR, put_integration, put_system, register, unregister

BULK = "/api/v1/registrations/bulk"
RESTORE = "/api/v1/registrations/restore"
FORWARD: dict[str, Any] = {"recipients": ["ops@corp.example"]}
SETTINGS: dict[str, Any] = {"system": "Mail", "forward": FORWARD}


@pytest.fixture(autouse=True)
def ready(site: Installation) -> None:
    """There is a mail system and an integration."""
    put_system(site)
    put_integration(site)


def post(client: FlaskClient, *keys: str, **settings: Any) -> Any:
    body = {"integrations": list(keys), "registration": SETTINGS | settings}
    return client.post(BULK, json=body)


def done(client: FlaskClient, site: Installation, answer: Any) -> Any:
    """Return what a bulk of a few did, although a busy machine may have taken a second for it."""
    if answer.status_code == 202:
        work(site)
        rows = client.get(f"{answer.headers['Location']}/rows").get_json()["items"]
        skipped = [row for row in rows if row.pop("outcome") == "skipped"]
        registered = [row["key"] for row in rows if row not in skipped]
        return {"registered": registered, "skipped": skipped}
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def queued(client: FlaskClient, site: Installation, number: int) -> str:
    """Ask for so many integrations, more than are done at once; return the path of the job."""
    keys = [f"job-{n:03}" for n in range(number)]
    with site.store.writing() as connection:
        make_unknown(connection, keys, utc_now())
    answer = post(client, *keys)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.get_json()['jobId']}"
    return str(answer.headers["Location"])


def work(site: Installation) -> None:
    job_work.run_queued(site, processes.register(site, "worker"), lambda: True)


def test_a_few_are_registered_at_once(client: FlaskClient, site: Installation) -> None:
    put_integration(site, "erp")
    register(site, "erp")

    answer = post(client, "jira", "erp", "nobody", "jira")

    assert done(client, site, answer) == {
        "registered": ["jira"],
        "skipped": [
            {"key": "erp", "reason": "already registered"},
            {"key": "nobody", "reason": "there is no integration 'nobody'"},
        ],
    }
    document = client.get("/api/v1/registrations/jira").get_json()
    assert document["forward"]["recipients"] == ["ops@corp.example"]
    assert document["forward"]["global"]["enabled"] is True


def test_many_are_a_job_that_tells_how_far_it_is(client: FlaskClient, site: Installation) -> None:
    register(site, "jira")
    path = queued(client, site, 51)
    job = client.get(path).get_json()
    assert job.pop("createdAt")
    assert job == {
        "id": path.rpartition("/")[2], "kind": "register", "state": "queued", "total": 51,
        "done": 0, "counts": {"registered": 0, "skipped": 0}, "error": None, "startedAt": None,
        "finishedAt": None,
    }  # fmt: skip
    row = {"key": "job-000", "outcome": None, "reason": None}
    assert client.get(f"{path}/rows").get_json()["items"][0] == row

    work(site)

    job = client.get(path).get_json()
    assert (job["state"], job["done"]) == ("done", 51)
    assert job["counts"] == {"registered": 51, "skipped": 0}
    assert job["createdAt"] <= job["startedAt"] <= job["finishedAt"]
    row = {"key": "job-000", "outcome": "registered", "reason": None}
    assert client.get(f"{path}/rows").get_json()["items"][0] == row
    assert client.get("/api/v1/jobs").get_json() == {"items": [job], "next": None}


def test_the_rows_are_pages_in_order_and_chosen_by_outcome(
    client: FlaskClient, site: Installation
) -> None:
    path = queued(client, site, 60)
    for key in ("job-007", "job-059"):
        register(site, key)
    work(site)

    pages = list(_pages(client, f"{path}/rows?limit=25"))
    assert [len(page) for page in pages] == [25, 25, 10]
    assert [row["key"] for page in pages for row in page] == [f"job-{n:03}" for n in range(60)]
    skipped = list(_pages(client, f"{path}/rows?limit=1&outcome=skipped"))
    assert [row["key"] for page in skipped for row in page] == ["job-007", "job-059"]
    assert set(faults(client.get(f"{path}/rows?outcome=gone"))) == {"/outcome"}
    assert set(faults(client.get(f"{path}/rows?state=done"))) == {"/state"}
    assert set(faults(client.get(f"{path}/rows?cursor=foreign"))) == {"/cursor"}


def _pages(client: FlaskClient, path: str) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    while True:
        page = client.get(path + cursor).get_json()
        yield page["items"]
        if page["next"] is None:
            return
        cursor = f"&cursor={page['next']}"


def test_a_job_that_failed_says_why_and_so_do_its_rows(
    client: FlaskClient, site: Installation
) -> None:
    path = queued(client, site, 51)
    configuring.delete(SYSTEMS, site, ACTOR, "Mail")
    work(site)

    job = client.get(path).get_json()
    assert (job["state"], job["done"]) == ("failed", 0)
    assert job["error"] == "The system 'Mail' was deleted meanwhile."
    row = client.get(f"{path}/rows").get_json()["items"][50]
    assert row["outcome"] is None
    assert row["reason"] == "not done: The system 'Mail' was deleted meanwhile."


def test_a_filter_means_all_that_match(client: FlaskClient, site: Installation) -> None:
    put_integration(site, "erp", name="Jira of old")
    put_integration(site, "crm")
    register(site, "erp")

    answer = client.post(BULK, json={"filter": {"q": "JIRA"}, "registration": SETTINGS})
    found = done(client, site, answer)
    assert found["registered"] == ["jira"]
    assert [row["key"] for row in found["skipped"]] == ["erp"]
    answer = client.post(BULK, json={"filter": {}, "registration": SETTINGS})
    assert done(client, site, answer)["registered"] == ["crm"]
    answer = client.post(BULK, json={"filter": {"registered": False}, "registration": SETTINGS})
    assert (answer.status_code, answer.get_json()) == (200, {"registered": [], "skipped": []})
    assert client.get("/api/v1/jobs").get_json()["items"][0]["total"] == 3


def test_everything_is_on_and_the_same_for_both_directions(client: FlaskClient) -> None:
    off = {"enabled": False}
    forward = FORWARD | {"global": off, "processing": off}
    answer = post(client, "jira", forward=forward, sameForBackward=False, backward=FORWARD)
    said = faults(answer)
    assert sorted(said) == [
        "/registration/backward",
        "/registration/forward/global/enabled",
        "/registration/forward/processing/enabled",
        "/registration/sameForBackward",
    ]
    assert "always turns global notification on" in said["/registration/forward/global/enabled"]
    assert client.get("/api/v1/registrations/jira").status_code == 404


def test_what_a_single_registration_may_say_is_taken(client: FlaskClient) -> None:
    forward = FORWARD | {"global": {"enabled": True}, "processing": {"enabled": True}}
    answer = post(client, "jira", forward=forward, sameForBackward=True, backward=None)
    assert answer.status_code in (200, 202)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"/registration"}),
        ({"registration": SETTINGS}, {""}),
        ({"registration": SETTINGS, "integrations": ["a"], "filter": {}}, {""}),
        ({"registration": SETTINGS, "integrations": []}, {"/integrations"}),
        ({"registration": SETTINGS, "integrations": "jira"}, {"/integrations"}),
        (
            {"registration": SETTINGS, "integrations": ["a", 1, ""]},
            {"/integrations/1", "/integrations/2"},
        ),
        ({"registration": SETTINGS, "integrations": ["a"] * (MOST_KEYS + 1)}, {"/integrations"}),
        ({"registration": SETTINGS, "filter": {"colour": "red"}}, {"/filter/colour"}),
        ({"registration": SETTINGS, "filter": {"status": "paused"}}, {"/filter/status"}),
        ({"registration": SETTINGS, "filter": {"registered": "no"}}, {"/filter/registered"}),
        ({"registration": SETTINGS, "filter": [], "more": 1}, {"/filter", "/more"}),
        ({"registration": {}, "filter": {}}, {"/registration/system", "/registration/forward"}),
        (
            {"registration": SETTINGS | {"integration": "jira"}, "filter": {}},
            {"/registration/integration"},
        ),
        (
            {"registration": SETTINGS | {"system": "Nobody"}, "filter": {}},
            {"/registration/system"},
        ),
        (
            {"registration": SETTINGS | {"forward": {"recipients": "x"}}, "filter": {}},
            {"/registration/forward/recipients"},
        ),
    ],
)  # fmt: skip
def test_each_fault_is_named(client: FlaskClient, body: Any, pointers: set[str]) -> None:
    assert set(faults(client.post(BULK, json=body))) == pointers
    assert client.get("/api/v1/jobs").get_json()["items"] == []


HOSTILE: dict[str, Any] = {
    "null": None, "true": True, "minus": -1, "huge": 2**63, "larger": 10**400, "empty": "",
    "blank": " ", "long": "x" * 70_000, "crlf": "a\r\nBcc: b@example.org", "nul": "a\x00b",
    "surrogate": "a\ud800b", "line": "a\u2028b", "rtl": "a\u202egnp.exe", "list": [],
    "nested": [[{}]], "object": {}, "sql": "'; DROP TABLE jobs; --", "like": "%_\\",
    "markup": "<script>alert(1)</script>", "path": "../../etc/passwd",
}  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_each_hostile_value_is_taken_as_it_is_or_refused(client: FlaskClient, value: Any) -> None:
    bodies: list[tuple[str, Any]] = [
        (BULK, {"integrations": value, "registration": SETTINGS}),
        (BULK, {"integrations": [value], "registration": SETTINGS}),
        (BULK, {"filter": value, "registration": SETTINGS}),
        (BULK, {"filter": {}, "registration": value}),
        (BULK, {"filter": {}, "registration": SETTINGS | {"forward": value}}),
        (BULK, value),
        (RESTORE, {"integrations": value}),
        (RESTORE, {"integrations": [value]}),
        (RESTORE, value),
    ]
    bodies += [
        (BULK, {"filter": {name: value}, "registration": SETTINGS})
        for name in ("q", "status", "registered")
    ]
    for path, body in bodies:
        answer = client.post(path, data=json.dumps(body), content_type="application/json")
        assert answer.status_code in (200, 202, 400, 422), (path, body, answer.text)


def test_an_integration_may_be_called_like_an_endpoint(
    client: FlaskClient, site: Installation
) -> None:
    for key in ("bulk", "restore", "bulk/restore", "restore/restore"):
        put_integration(site, key)
        path = f"/api/v1/registrations/{key.replace('/', '%2F')}"
        assert client.put(path, json=SETTINGS).status_code == 201
        assert client.get(path).get_json()["integration"] == key
        assert client.delete(path).status_code == 204
        answer = client.post(f"{path}/restore")
        assert (answer.status_code, answer.get_json()["integration"]) == (200, key)


def test_who_may_operate_may_register_in_bulk_and_undo(app: Flask, site: Installation) -> None:
    operator, reader = client_with(app, "operate"), client_with(app, "read")
    done(operator, site, post(operator, "jira"))
    unregister(site)
    assert operator.post("/api/v1/registrations/jira/restore").status_code == 200
    assert operator.post(RESTORE, json={"integrations": ["jira"]}).status_code == 200
    assert is_problem(post(reader, "jira"), 403)
    assert is_problem(reader.post("/api/v1/registrations/jira/restore"), 403)
    assert is_problem(reader.post(RESTORE, json={"integrations": ["jira"]}), 403)
    assert reader.get("/api/v1/jobs").status_code == 200


def test_there_is_no_other_job(client: FlaskClient) -> None:
    assert is_problem(client.get("/api/v1/jobs/77"), 404)
    assert is_problem(client.get("/api/v1/jobs/77/rows"), 404)


def test_unregistering_is_undone(client: FlaskClient, site: Installation) -> None:
    before = register(site, forward=FORWARD | {"subjectPrefix": "[prod]"}).document
    unregister(site)

    answer = client.post("/api/v1/registrations/jira/restore")

    assert answer.status_code == 200
    after = answer.get_json()
    assert after.pop("updatedAt") > before.pop("updatedAt")
    assert after == before
    read = client.get("/api/v1/registrations/jira")
    assert answer.headers["ETag"] == read.headers["ETag"]


def test_what_cannot_be_undone_says_why(client: FlaskClient, site: Installation) -> None:
    assert is_problem(client.post("/api/v1/registrations/jira/restore"), 404)
    assert is_problem(client.post("/api/v1/registrations/nobody/restore"), 404)
    register(site)
    answer = client.post("/api/v1/registrations/jira/restore")
    assert is_problem(answer, 409)
    assert answer.get_json()["detail"] == "'jira' cannot be restored: already registered."
    unregister(site)
    assert client.delete("/api/v1/systems/Mail").status_code == 204
    answer = client.post("/api/v1/registrations/jira/restore")
    assert is_problem(answer, 409)
    assert "the system 'Mail', which was deleted" in answer.get_json()["detail"]


def test_many_are_undone_and_the_others_are_listed(client: FlaskClient, site: Installation) -> None:
    put_integration(site, "erp")
    for key in ("jira", "erp"):
        register(site, key)
    unregister(site)

    answer = client.post(RESTORE, json={"integrations": ["jira", "erp", "nobody", "jira"]})

    assert answer.status_code == 200
    assert answer.get_json() == {
        "restored": ["jira"],
        "skipped": [
            {"key": "erp", "reason": "already registered"},
            {"key": "nobody", "reason": "there is no integration 'nobody'"},
        ],
    }


@pytest.mark.parametrize("keys", [[], "jira", ["x" * 256], [None], ["a"] * 10_001])
def test_a_wrong_list_is_refused(client: FlaskClient, keys: Any) -> None:
    pointer = "/integrations/0" if isinstance(keys, list) and len(keys) == 1 else "/integrations"
    assert set(faults(client.post(RESTORE, json={"integrations": keys}))) == {pointer}
    assert set(faults(client.post(RESTORE, json={"keys": ["a"]}))) == {"/integrations", "/keys"}
