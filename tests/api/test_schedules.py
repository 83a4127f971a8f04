"""Schedules over HTTP: the built-in ones are read, one's own are made, changed and deleted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.clock import utc_now
from app.domain.schedule import BUILT_IN
from app.services.installation import Installation
from tests.services.makers import audited

URL = "/api/v1/schedules"
SETTINGS = "/api/v1/settings"
MINE = f"{URL}/Mine"
EVERY = {"every": {"n": 2, "unit": "hours"}}
CRON = {"cron": "0 8 * * MON-FRI", "zone": "Europe/Berlin"}
USE = {"kind": "settings", "name": "postNotificationSchedule", "url": SETTINGS}


def choose(client: FlaskClient, name: str) -> None:
    """Let the pass run by the schedule of that name."""
    assert client.patch(SETTINGS, json={"postNotificationSchedule": name}).status_code == 200


def chosen(client: FlaskClient) -> str:
    """Return the name of the schedule by which the pass runs."""
    return str(client.get(SETTINGS).get_json()["postNotificationSchedule"])


def faults(answer: Any) -> dict[str, str]:
    """Return the message of each fault by its pointer."""
    assert answer.status_code == 422
    return {error["pointer"]: error["message"] for error in answer.get_json()["errors"]}


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    """Return an answer but for the next runs of an interval, which move as time passes."""
    return {name: value for name, value in document.items() if name != "next"}


def test_the_built_in_schedules_are_listed(client: FlaskClient) -> None:
    items = client.get(URL).get_json()["items"]
    assert {item["name"] for item in items} == set(BUILT_IN)
    document = client.get(f"{URL}/30%20Minute%20Schedule").get_json()
    assert document["builtIn"] is True
    assert document["every"] == {"n": 30, "unit": "minutes"}
    assert (document["cron"], document["zone"]) == (None, None)
    assert document["sentence"] == "Every 30 minutes"


def test_on_demand_has_no_next_run(client: FlaskClient) -> None:
    document = client.get(f"{URL}/On%20Demand").get_json()
    assert (document["next"], document["sentence"]) == ([], "Never by itself")


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PUT", {"every": None}),
        ("PUT", EVERY),
        ("PATCH", {"zone": "UTC"}),
        ("PATCH", {"name": "Never"}),
        ("PATCH", {}),
        ("DELETE", None),
    ],
)
def test_a_built_in_schedule_stays_as_it_is(client: FlaskClient, method: str, body: Any) -> None:
    before = client.get(f"{URL}/On%20Demand").get_json()
    answer = client.open(f"{URL}/On%20Demand", method=method, json=body)
    assert answer.status_code == 409
    assert answer.get_json()["detail"] == (
        "'On Demand' is built in: it cannot be changed or deleted."
    )
    assert client.get(f"{URL}/On%20Demand").get_json() == before


@pytest.mark.parametrize("body", [EVERY, CRON])
def test_post_makes_one_and_says_where(client: FlaskClient, body: dict[str, Any]) -> None:
    answer = client.post(URL, json={"name": "Mine", **body})
    assert (answer.status_code, answer.headers["Location"]) == (201, MINE)
    document = answer.get_json()
    assert document["builtIn"] is False
    assert {name: document[name] for name in ("every", "cron", "zone")} == {
        "every": None, "cron": None, "zone": None, **body,
    }  # fmt: skip
    assert set(document) >= {"id", "createdAt", "updatedAt", "usedBy", "next", "sentence"}
    assert without_times(client.get(MINE).get_json()) == without_times(document)
    assert client.get(URL).get_json()["items"][0]["name"] == "Mine"
    assert client.post(URL, json={"name": "Mine", **body}).status_code == 409
    assert client.post(URL, json={"name": "On Demand", **body}).status_code == 409


def test_put_makes_one_and_replaces_it(client: FlaskClient) -> None:
    assert client.put(MINE, json=EVERY).status_code == 201
    answer = client.put(MINE, json=CRON)
    assert (answer.status_code, answer.get_json()["every"]) == (200, None)
    again = client.put(MINE, json=answer.get_json())
    assert (again.status_code, again.get_json()) == (200, answer.get_json())
    assert again.headers["ETag"] == answer.headers["ETag"]


def test_patch_changes_a_part_and_the_zone_goes_with_its_cron_line(client: FlaskClient) -> None:
    client.put(MINE, json=CRON)
    assert client.patch(MINE, json={"zone": "Asia/Tokyo"}).get_json()["cron"] == CRON["cron"]
    document = client.patch(MINE, json={"cron": None, **EVERY}).get_json()
    assert (document["every"], document["cron"], document["zone"]) == (EVERY["every"], None, None)
    assert client.patch(MINE, json={"every": {"n": 5}}).get_json()["every"] == {
        "n": 5, "unit": "hours",
    }  # fmt: skip


def test_the_zone_of_a_cron_line_is_utc_unless_it_is_named(client: FlaskClient) -> None:
    document = client.put(MINE, json={"cron": "0 8 * * *"}).get_json()
    assert (document["zone"], document["sentence"]) == ("UTC", "At 08:00 every day (UTC)")


def test_a_stale_version_is_refused(client: FlaskClient) -> None:
    old = client.put(MINE, json=EVERY).headers["ETag"]
    client.put(MINE, json=CRON)
    assert client.put(MINE, json=EVERY, headers={"If-Match": old}).status_code == 412
    assert client.delete(MINE, headers={"If-Match": old}).status_code == 412


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({}, "/every", "is required, unless cron is given"),
        ({"every": None, "cron": None}, "/every", "is required, unless cron is given"),
        ({**EVERY, **CRON}, "/cron", "must be null where every is given"),
        ({**EVERY, "zone": "UTC"}, "/zone", "must be null without cron"),
        ({"zone": "UTC"}, "/zone", "must be null without cron"),
        ({"every": {"n": 9, "unit": "seconds"}}, "/every/n", "from 10 to 31,449,600"),
        ({"every": {"n": 31_449_601, "unit": "seconds"}}, "/every/n", "from 10 to 31,449,600"),
        ({"every": {"n": 0, "unit": "minutes"}}, "/every/n", "from 1 to 524,160"),
        ({"every": {"n": -1, "unit": "hours"}}, "/every/n", "from 1 to 8,736"),
        ({"every": {"n": 365, "unit": "days"}}, "/every/n", "from 1 to 364"),
        ({"every": {"n": 53, "unit": "weeks"}}, "/every/n", "from 1 to 52"),
        ({"every": {"n": 1.5, "unit": "weeks"}}, "/every/n", "a whole number"),
        ({"every": {"n": "1", "unit": "weeks"}}, "/every/n", "a whole number"),
        ({"every": {"n": True, "unit": "weeks"}}, "/every/n", "a whole number"),
        ({"every": {"n": 1, "unit": "months"}}, "/every/unit", "'weeks'"),
        ({"every": {"unit": "weeks"}}, "/every/n", "is required"),
        ({"every": {"n": 1}}, "/every/unit", "is required"),
        ({"every": {"n": 1, "unit": "days", "at": 8}}, "/every/at", "is not a field"),
        ({"every": "10 minutes"}, "/every", "must be an object"),
        ({"cron": "0 8 * *"}, "/cron", "must have five fields"),
        ({"cron": "0 24 * * *"}, "/cron", "the hour (field 2) must be made of 0-23"),
        ({"cron": "0 8 * * *\n"}, "/cron", "one line"),
        ({"cron": "0 0 30 2 *"}, "/cron", "never comes"),
        ({"cron": "0 8 * * *" + " " * 200}, "/cron", "at most 200 characters"),
        ({"cron": 8}, "/cron", "must be a text"),
        ({"cron": "0 8 * * *", "zone": "Berlin"}, "/zone", "such as Europe/Berlin"),
        ({"cron": "0 8 * * *", "zone": "europe/berlin"}, "/zone", "such as Europe/Berlin"),
        ({"cron": "0 8 * * *", "zone": "../../etc/passwd"}, "/zone", "such as Europe/Berlin"),
        ({"cron": "0 8 * * *", "zone": "Europe"}, "/zone", "such as Europe/Berlin"),
        ({"cron": "0 8 * * *", "zone": "localtime"}, "/zone", "such as Europe/Berlin"),
        ({"cron": "0 8 * * *", "zone": ""}, "/zone", "must not be empty"),
        ({**EVERY, "name": "Other"}, "/name", "as in the path"),
        ({**EVERY, "colour": "red"}, "/colour", "is not a field"),
    ],
)
def test_each_wrong_field_is_named(
    client: FlaskClient, body: dict[str, Any], pointer: str, words: str
) -> None:
    assert words in faults(client.put(MINE, json=body))[pointer]
    assert client.get(MINE).status_code == 404


def test_the_limits_of_each_unit_are_taken(client: FlaskClient) -> None:
    for n, unit in ((10, "seconds"), (31_449_600, "seconds"), (1, "minutes"), (52, "weeks")):
        answer = client.put(MINE, json={"every": {"n": n, "unit": unit}})
        assert answer.get_json()["every"] == {"n": n, "unit": unit}


@pytest.mark.parametrize("name", ["x" * 101, "two%0Alines", "nul%00", "%20"])
def test_a_name_that_cannot_be_stored_is_refused(client: FlaskClient, name: str) -> None:
    assert list(faults(client.put(f"{URL}/{name}", json=EVERY))) == ["/name"]


def test_the_next_five_runs_stand_in_the_answer_in_utc(client: FlaskClient) -> None:
    found = client.put(MINE, json={"cron": "0 8 * * *", "zone": "Europe/Berlin"}).get_json()["next"]
    times = [datetime.fromisoformat(at) for at in found]
    assert len(times) == 5
    assert all(at.endswith(":00.000Z") for at in found)
    assert all(timedelta(hours=23) <= b - a <= timedelta(hours=25) for a, b in pairwise(times))
    assert all(at.astimezone(UTC).hour in (6, 7) for at in times)
    assert utc_now() < times[0] <= utc_now() + timedelta(hours=25)


def test_the_next_runs_of_the_one_in_use_follow_from_the_last_pass(client: FlaskClient) -> None:
    client.put(MINE, json=EVERY)
    in_two_hours = utc_now() + timedelta(hours=2)
    (first, *_) = client.get(MINE).get_json()["next"]
    assert abs(datetime.fromisoformat(first) - in_two_hours) < timedelta(minutes=1)
    choose(client, "Mine")
    # There was no pass yet: the first one is due.
    (first, *_) = client.get(MINE).get_json()["next"]
    assert abs(datetime.fromisoformat(first) - utc_now()) < timedelta(minutes=1)


def test_one_in_use_says_so_and_cannot_be_deleted(client: FlaskClient) -> None:
    client.put(MINE, json=EVERY)
    choose(client, "Mine")
    assert client.get(MINE).get_json()["usedBy"] == [USE]
    answer = client.delete(MINE)
    assert answer.status_code == 409
    assert answer.get_json()["detail"] == "The schedule 'Mine' is in use."
    assert answer.get_json()["usedBy"] == [USE]
    choose(client, "On Demand")
    assert client.get(MINE).get_json()["usedBy"] == []
    assert client.delete(MINE).status_code == 204
    assert client.get(MINE).status_code == 404
    assert client.delete(MINE).status_code == 404
    assert list(faults(client.patch(SETTINGS, json={"postNotificationSchedule": "Mine"}))) == [
        "/postNotificationSchedule"
    ]


def test_the_setting_follows_a_new_name(client: FlaskClient) -> None:
    client.put(MINE, json=EVERY)
    choose(client, "Mine")
    answer = client.patch(MINE, json={"name": "Ours & theirs"})
    assert (answer.status_code, answer.get_json()["usedBy"]) == (200, [USE])
    assert chosen(client) == "Ours & theirs"
    assert client.get(MINE).status_code == 404
    found = client.get(f"{URL}/Ours%20%26%20theirs").get_json()
    # One that is overdue runs now, which is later now.
    assert {**found, "next": None} == {**answer.get_json(), "next": None}


def test_a_new_name_leaves_the_setting_alone_where_it_names_another(client: FlaskClient) -> None:
    client.put(MINE, json=EVERY)
    client.patch(MINE, json={"name": "Ours"})
    assert chosen(client) == "30 Minute Schedule"


def test_a_name_that_is_taken_is_refused(client: FlaskClient) -> None:
    client.put(MINE, json=EVERY)
    choose(client, "Mine")
    assert client.patch(MINE, json={"name": "On Demand"}).status_code == 409
    assert chosen(client) == "Mine"


def test_each_change_is_audited_and_one_that_changes_nothing_is_not(
    client: FlaskClient, site: Installation
) -> None:
    client.put(MINE, json=EVERY)
    client.put(MINE, json=EVERY)
    client.patch(MINE, json={"name": "Ours"})
    client.delete(f"{URL}/Ours")
    made, renamed, gone = audited(site)
    assert [row.action for row in (made, renamed, gone)] == ["create", "update", "delete"]
    assert {row.subject_kind for row in (made, renamed, gone)} == {"schedule"}
    assert (made.subject_name, renamed.subject_name, gone.subject_name) == ("Mine", "Ours", "Ours")
    assert (renamed.before["name"], renamed.after["name"]) == ("Mine", "Ours")
    assert (made.before, gone.after) == (None, None)


def test_names_of_every_script_and_mark_have_their_path(client: FlaskClient) -> None:
    for name, path in (("täglich", "t%C3%A4glich"), ("a/b", "a%2Fb"), ("#1", "%231")):
        answer = client.post(URL, json={"name": name, **CRON})
        assert answer.headers["Location"] == f"{URL}/{path}"
        assert client.get(f"{URL}/{path}").get_json() == answer.get_json()


def test_the_openapi_document_says_how_a_schedule_is_made(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    assert set(document["paths"][URL]) == {"get", "post"}
    assert set(document["paths"][f"{URL}/{{name}}"]) == {"get", "put", "patch", "delete"}
    body = json.dumps(document["components"]["schemas"]["ScheduleBody"])
    for word in ("cron", "zone", "sentence", "builtIn", "skips"):
        assert word in body
