"""The screens Users and API keys."""

from __future__ import annotations

import re

from app.services import api_keys, people
from app.services.api_keys import Scope
from app.services.installation import Installation
from tests.admin.person import Person, words

PASSWORD = "another fine password"
USER = {"email": "eva@corp.example", "name": "Eva", "role": "operator", "password": PASSWORD}


def test_a_user_is_made_lowered_and_deleted(site: Installation, admin: Person) -> None:
    assert "eva@corp.example may sign in now." in admin.done("/users/new", **USER)
    eva = people.by_email(site, "eva@corp.example")

    admin.done(f"/users/{eva.id}", name="Eva", role="viewer", active="no")
    changed = people.get(site, eva.id)
    assert (changed.role, changed.disabled_at is None) == ("viewer", False)

    assert "will not be able" in words(admin.post(f"/users/{eva.id}/delete"))
    assert "was deleted" in admin.done(f"/users/{eva.id}/delete", sure="yes")


def test_a_short_password_is_refused_at_its_field_and_never_shown_again(admin: Person) -> None:
    answer = admin.post("/users/new", **{**USER, "password": "Zu-kurz-1"})

    assert answer.status_code == 422
    assert "must have 12 to 200 characters" in words(answer)
    assert "Zu-kurz-1" not in answer.text
    assert 'value="eva@corp.example"' in answer.text


def test_the_last_admin_stays(site: Installation, admin: Person) -> None:
    me = people.by_email(site, "admin@example.com")

    answer = admin.post(f"/users/{me.id}", name="", role="viewer", active="yes")

    assert answer.status_code == 422
    assert "is the only admin" in words(answer)


def test_only_admins_see_users_and_keys(operator: Person) -> None:
    assert operator.get("/users/").status_code == 403
    assert operator.get("/api-keys/").status_code == 403
    assert "API keys" not in operator.text("/")


def test_a_key_is_shown_once_and_works_until_it_is_revoked(
    site: Installation, admin: Person
) -> None:
    made = admin.post("/api-keys/new", name="Jira sync", scopes="report", integration="jira")
    key = re.search(r"tck_[\w-]+", made.text)
    assert key is not None
    keyring = api_keys.Keyring(site.store)
    caller = keyring.caller(key[0])
    assert caller is not None
    assert caller.integration_key == "jira"

    assert key[0] not in admin.get("/api-keys/").text
    assert "revoked" in admin.done("/api-keys/revoke", name="Jira sync", sure="yes")
    assert api_keys.Keyring(site.store).caller(key[0]) is None


def test_the_limit_of_a_key_is_ignored_where_it_is_hidden(
    site: Installation, admin: Person
) -> None:
    admin.post("/api-keys/new", name="Reader", scopes="read", integration="jira")

    row = next(one for one in api_keys.listing(site) if one.name == "Reader")
    assert (row.scopes, row.integration_key) == ((str(Scope.READ),), None)


def test_a_key_without_a_name_is_refused(admin: Person) -> None:
    answer = admin.post("/api-keys/new", name="", scopes="read")

    assert answer.status_code == 422
    assert "Name is required." in words(answer)
