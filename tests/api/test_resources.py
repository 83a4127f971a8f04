"""What every resource of the configuration does alike: verbs, versions, pages, scopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.services import api_keys
from app.services.installation import Installation
from tests.services.makers import NO_LOGIN, audited, put_integration, put_system

API = "/api/v1"


@dataclass(frozen=True)
class Case:
    """One resource: where it stands, a body, another one, and a field that is refused."""

    path: str
    key: str
    name: str
    body: dict[str, Any]
    change: dict[str, Any]
    wrong: dict[str, Any]

    @property
    def url(self) -> str:
        return f"{API}{self.path}/{self.name}"


SYSTEM = Case(
    "/systems", "name", "Relay", {"kind": "smtp", "options": NO_LOGIN},
    {"options": {"port": 2525}}, {"options": {"port": 0}},
)  # fmt: skip
INTEGRATION = Case(
    "/integrations", "key", "jira-to-ado", {"system1": "Jira", "system2": "ADO"},
    {"maxRetryCount": 5}, {"maxRetryCount": -1},
)  # fmt: skip
REGISTRATION = Case(
    "/registrations", "integration", "job",
    {"system": "Mail", "forward": {"recipients": "a@b.example"}},
    {"forward": {"subjectPrefix": "[prod]"}}, {"forward": {"recipients": "nobody"}},
)  # fmt: skip
CASES = [pytest.param(case, id=case.path[1:]) for case in (SYSTEM, INTEGRATION, REGISTRATION)]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, site: Installation) -> Case:
    """A resource that can be made."""
    made: Case = request.param
    if made is REGISTRATION:
        put_system(site, "Mail")
        put_integration(site, "job")
    return made


def contains(document: Any, part: Any) -> bool:
    """Whether every field of `part` stands in `document`."""
    if not isinstance(part, dict):
        return bool(document == part)
    return all(contains(document[name], value) for name, value in part.items())


def key_of(site: Installation, scope: str, name: str | None = None) -> dict[str, str]:
    key = api_keys.create(site, name or scope, [scope], actor="a test").reveal()
    return {"Authorization": f"Bearer {key}"}


def test_post_makes_one_and_says_where(client: FlaskClient, case: Case) -> None:
    body = {**case.body, case.key: case.name}
    answer = client.post(API + case.path, json=body)
    assert answer.status_code == 201
    assert answer.headers["Location"] == case.url
    assert client.get(case.url).get_json() == answer.get_json()
    assert client.post(API + case.path, json=body).status_code == 409


def test_post_needs_the_name(client: FlaskClient, case: Case) -> None:
    answer = client.post(API + case.path, json=case.body)
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [{"pointer": f"/{case.key}", "message": "is required"}]


def test_put_makes_one_and_then_replaces_it(client: FlaskClient, case: Case) -> None:
    made = client.put(case.url, json=case.body)
    assert (made.status_code, made.headers["Location"]) == (201, case.url)
    again = client.put(case.url, json=case.body)
    assert (again.status_code, again.get_json()) == (200, made.get_json())
    assert "Location" not in again.headers


def test_what_answers_add_is_accepted_and_ignored(client: FlaskClient, case: Case) -> None:
    document = client.put(case.url, json=case.body).get_json()
    again = client.put(
        case.url, json={**document, "id": "999", "createdAt": "1970-01-01T00:00:00Z"}
    )
    assert (again.status_code, again.get_json()) == (200, document)
    patched = client.patch(case.url, json=document)
    assert (patched.status_code, patched.get_json()) == (200, document)


def test_patch_merges(client: FlaskClient, case: Case) -> None:
    before = client.put(case.url, json=case.body).get_json()
    answer = client.patch(case.url, json=case.change, content_type="application/merge-patch+json")
    assert answer.status_code == 200
    assert contains(answer.get_json(), case.change)
    assert answer.get_json()["id"] == before["id"]
    assert answer.get_json()["updatedAt"] >= before["updatedAt"]
    assert client.get(case.url).get_json() == answer.get_json()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
def test_a_wrong_body_is_refused_and_changes_nothing(
    client: FlaskClient, case: Case, site: Installation, method: str
) -> None:
    before = client.put(case.url, json=case.body).get_json()
    rows = len(audited(site))
    url = API + case.path if method == "POST" else case.url
    body = case.wrong if method == "PATCH" else case.body | case.wrong | {"colour": "red"}
    answer = client.open(url, method=method, json=body)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    pointers = [error["pointer"] for error in answer.get_json()["errors"]]
    assert any(pointer.startswith(f"/{next(iter(case.wrong))}") for pointer in pointers)
    assert ("/colour" in pointers) is (method != "PATCH")
    assert client.get(case.url).get_json() == before
    assert len(audited(site)) == rows


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_is_not_there_is_404(client: FlaskClient, case: Case, method: str) -> None:
    body: dict[str, Any] | None = None if method == "GET" else {}
    answer = client.open(case.url, method=method, json=body)
    assert answer.status_code == 404
    assert case.name in answer.get_json()["detail"]


def test_delete_takes_it_away(client: FlaskClient, case: Case) -> None:
    client.put(case.url, json=case.body)
    answer = client.delete(case.url)
    assert (answer.status_code, answer.data) == (204, b"")
    assert client.get(case.url).status_code == 404
    assert client.delete(case.url).status_code == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_stale_if_match_is_412_and_changes_nothing(
    client: FlaskClient, case: Case, method: str
) -> None:
    old = client.put(case.url, json=case.body).headers["ETag"]
    new = client.patch(case.url, json=case.change)
    assert new.headers["ETag"] != old
    body = None if method == "DELETE" else case.body
    answer = client.open(case.url, method=method, json=body, headers={"If-Match": old})
    assert answer.status_code == 412
    assert client.get(case.url).get_json() == new.get_json()
    fresh = {"If-Match": f'"other", {new.headers["ETag"]}'}
    assert client.open(case.url, method=method, json=body, headers=fresh).status_code < 300


def test_if_match_on_what_is_not_there_is_412(client: FlaskClient, case: Case) -> None:
    answer = client.put(case.url, json=case.body, headers={"If-Match": "*"})
    assert answer.status_code == 412
    assert client.get(case.url).status_code == 404


def pages(client: FlaskClient, url: str) -> list[list[dict[str, Any]]]:
    found, cursor = [], ""
    while True:
        answer: TestResponse = client.get(f"{url}?limit=2{cursor}")
        found.append(answer.get_json()["items"])
        if answer.get_json()["next"] is None:
            return found
        cursor = f"&cursor={answer.get_json()['next']}"


@pytest.mark.parametrize("case", [SYSTEM, INTEGRATION])
def test_lists_are_pages_newest_first(client: FlaskClient, case: Case) -> None:
    for number in range(5):
        client.put(f"{API}{case.path}/n{number}", json=case.body)
    found = pages(client, API + case.path)
    assert [[item[case.key] for item in items] for items in found] == [
        ["n4", "n3"], ["n2", "n1"], ["n0"],
    ]  # fmt: skip
    assert found[2][0] == client.get(f"{API}{case.path}/n0").get_json()


@pytest.mark.parametrize(("scope", "status"), [("report", 403), ("read", 200), ("operate", 200)])
def test_reading_needs_read(
    client: FlaskClient, case: Case, site: Installation, scope: str, status: int
) -> None:
    client.put(case.url, json=case.body)
    for url in (case.url, API + case.path):
        assert client.get(url, headers=key_of(site, scope, name=url)).status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_reader_changes_nothing(
    client: FlaskClient, case: Case, site: Installation, method: str
) -> None:
    client.put(case.url, json=case.body)
    url = API + case.path if method == "POST" else case.url
    body = None if method == "DELETE" else case.body
    answer = client.open(url, method=method, json=body, headers=key_of(site, "read"))
    assert answer.status_code == 403
    assert client.get(case.url).status_code == 200


@pytest.mark.parametrize("scope", ["operate", "admin"])
def test_operators_register_and_admins_do_the_rest(
    client: FlaskClient, case: Case, site: Installation, scope: str
) -> None:
    answer = client.put(case.url, json=case.body, headers=key_of(site, scope))
    allowed = scope == "admin" or case is REGISTRATION
    assert answer.status_code == (201 if allowed else 403)


def test_without_a_key_nothing_is_read(client: FlaskClient, case: Case) -> None:
    del client.environ_base["HTTP_AUTHORIZATION"]
    assert client.get(case.url).status_code == 401


def test_the_audit_log_names_the_key(client: FlaskClient, site: Installation, case: Case) -> None:
    headers = key_of(site, "admin")
    client.put(case.url, json=case.body, headers=headers)
    client.delete(case.url, headers=headers)
    made, gone = audited(site)[-2:]
    assert made.actor == gone.actor == "API key admin"
    assert (made.subject_name, made.before, gone.after) == (case.name, None, None)
    assert contains(made.after, {case.key: case.name})


def test_every_resource_stands_in_the_openapi_document(client: FlaskClient, case: Case) -> None:
    paths = client.get(f"{API}/openapi.json").get_json()["paths"]
    assert set(paths[API + case.path]) == {"get", "post"}
    assert set(paths[f"{API}{case.path}/{{name}}"]) == {"get", "put", "patch", "delete"}
