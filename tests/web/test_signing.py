"""Signing in and out, the first admin, and one's own account, through the forms."""

from __future__ import annotations

import logging
import re

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.domain.people import Role
from app.models import Audit, SignedIn, SignInFailure, User
from app.services import people, sessions
from app.services.installation import Installation
from app.services.setup import prepare
from tests.simulated import Simulated
from tests.web.helpers import PASSWORD, add, sign_in, signed_in, token


def cookie(client: FlaskClient) -> str:
    found = client.get_cookie("tocsin")
    return found.value if found else ""


def test_who_signs_in_goes_where_they_wanted_to_go(pages: Flask) -> None:
    add(pages)
    client = pages.test_client()
    answer = client.get("/account?a=1")
    assert (answer.status_code, answer.location) == (302, "/sign-in?next=%2Faccount%3Fa%3D1")
    answer = sign_in(client, " Admin@Example.com ", next="/account?a=1")
    assert (answer.status_code, answer.location) == (303, "/account?a=1")
    assert "admin@example.com" in client.get("/account").text


@pytest.mark.parametrize(
    "target",
    ["//evil.test", "https://evil.test/", "/\\evil.test", "evil", "/\tevil", "", "javascript:1"],
)
def test_no_one_is_sent_to_another_server_after_the_sign_in(pages: Flask, target: str) -> None:
    add(pages)
    assert sign_in(pages.test_client(), next=target).location == "/"


def test_the_cookie_is_for_the_server_alone_and_new_at_each_sign_in(pages: Flask) -> None:
    add(pages)
    client = pages.test_client()
    token(client)
    before = cookie(client)
    answer = sign_in(client)
    header = answer.headers["Set-Cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Lax" in header
    first = cookie(client)
    client.set_cookie("tocsin", before)
    assert client.get("/account").status_code == 302
    other = pages.test_client()
    sign_in(other)
    assert cookie(other) != first


def test_a_sign_out_ends_the_session_on_the_server(pages: Flask) -> None:
    client = signed_in(pages)
    stolen, form = cookie(client), token(client, "/account")
    assert client.post("/sign-out", data={"csrf_token": form}).status_code == 303
    client.set_cookie("tocsin", stolen)
    assert client.get("/account").status_code == 302


def test_a_form_without_its_token_is_refused_in_one_sentence(pages: Flask) -> None:
    client = signed_in(pages)
    for path in ("/sign-in", "/sign-out", "/setup", "/account", "/theme"):
        answer = client.post(path, data={})
        assert answer.status_code == 400, path
        assert "send the form once more" in answer.text


def test_a_wrong_sign_in_keeps_the_email_and_never_the_password(pages: Flask) -> None:
    add(pages)
    for email in ("admin@example.com", "nobody@example.com"):
        answer = sign_in(pages.test_client(), email, "wrong password of mine")
        assert answer.status_code == 422
        assert "E-mail or password is wrong." in answer.text
        assert f'value="{email}"' in answer.text
        assert "wrong password of mine" not in answer.text
        assert 'aria-invalid="true"' in answer.text


def test_users_there_are_not_cost_as_much_as_those_there_are(
    pages: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, calls = add(pages), []
    original = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, password: str) -> bool:
        calls.append(stored.split("$")[3])
        return original(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    sign_in(pages.test_client(), "admin@example.com", "wrong")
    sign_in(pages.test_client(), "nobody@example.com", "wrong")
    with pages.extensions["tocsin"].store.writing() as connection:
        connection.execute(User.__table__.update().where(User.id == key).values(password_hash=None))
    sign_in(pages.test_client(), "admin@example.com", "wrong")
    assert calls == ["m=19456,t=2,p=1"] * 3


def test_guesses_are_slowed_down_and_told_when_to_come_again(
    pages: Flask, simulated: Simulated
) -> None:
    add(pages)
    client = pages.test_client()
    for _ in range(5):
        assert sign_in(client, password="wrong").status_code == 422
    answer = sign_in(client)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert "Try again in 1 second." in answer.text
    simulated.passes(seconds=2)
    assert sign_in(client, password="wrong").status_code == 422
    assert "Try again in 2 seconds." in sign_in(client).text
    simulated.passes(seconds=3)
    assert sign_in(client).status_code == 303


def test_one_address_cannot_try_many_accounts(pages: Flask, site: Installation) -> None:
    add(pages)
    client = pages.test_client()
    form = token(client)
    for number in range(20):
        values = {"csrf_token": form, "email": f"u{number}@example.com", "password": "wrong"}
        assert client.post("/sign-in", data=values).status_code == 422
    assert sign_in(client).status_code == 429
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    values = {"csrf_token": form, "email": "admin@example.com", "password": PASSWORD}
    assert client.post("/sign-in", data=values, environ_base=elsewhere).status_code == 303
    with site.store.reading() as connection:
        assert "example.com" not in str(connection.execute(select(SignInFailure)).all())


def link(app: Flask, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    prepare(app)
    found = re.search(r"https?://[^/]+(/setup\?token=\S+)", capsys.readouterr().out)
    assert found
    return found[1]


def test_the_first_admin_is_made_by_the_printed_link_once(
    pages: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    old, path = link(pages, capsys), link(pages, capsys)
    client = pages.test_client()
    assert client.get("/sign-in").status_code == 200
    assert path.partition("=")[2] not in client.get("/sign-in").text
    assert client.get(old).status_code == 403
    assert client.get("/setup").status_code == 403
    values = {"csrf_token": token(client, path), "token": path.partition("=")[2]}
    answer = client.post("/setup", data={**values, "email": "me@example.com", "password": "short"})
    assert answer.status_code == 422
    assert 'value="me@example.com"' in answer.text
    values |= {"email": "Me@example.com", "password": PASSWORD}
    assert client.post("/setup", data={**values, "token": "x"}).status_code == 403
    assert client.post("/setup", data=values).location == "/"
    assert "me@example.com, admin" in client.get("/account").text
    assert client.get(path).status_code == 404
    form = token(client, "/account")
    assert client.post("/setup", data={**values, "csrf_token": form}).status_code == 404
    prepare(pages)
    assert "/setup" not in capsys.readouterr().out


def test_an_account_is_changed_by_its_user(pages: Flask, site: Installation) -> None:
    client = signed_in(pages, Role.VIEWER)
    form = {"csrf_token": token(client, "/account")}
    wrong = {**form, "name": "Vi", "zone": "Mars/Olympus", "theme": "dark"}
    answer = client.post("/account", data=wrong)
    assert answer.status_code == 422
    assert 'href="#f-zone"' in answer.text
    right = {**form, "name": "Vi", "zone": "Europe/Berlin", "theme": "dark"}
    assert client.post("/account", data=right).status_code == 303
    found = people.by_email(site, "viewer@example.com")
    assert (found.name, found.zone, found.theme) == ("Vi", "Europe/Berlin", "dark")
    client.post("/theme", data={**form, "theme": "light", "back": "/account?"})
    assert people.by_email(site, "viewer@example.com").theme == "light"


def test_a_new_password_ends_all_other_sessions(pages: Flask, site: Installation) -> None:
    client, other = signed_in(pages), pages.test_client()
    sign_in(other)
    form = {"csrf_token": token(client, "/account"), "password": "another good password"}
    answer = client.post("/account/password", data={**form, "old_password": "wrong"})
    assert answer.status_code == 422
    answer = client.post("/account/password", data={**form, "old_password": PASSWORD})
    assert answer.status_code == 303
    assert client.get("/account").status_code == 200
    assert other.get("/account").status_code == 302
    assert sign_in(other).status_code == 422
    assert sign_in(other, password="another good password").status_code == 303


def test_one_session_of_several_can_be_ended_but_none_of_others(
    pages: Flask, site: Installation
) -> None:
    client, viewer, other = signed_in(pages), signed_in(pages, Role.VIEWER), pages.test_client()
    sign_in(other)
    mine = people.by_email(site, "admin@example.com").id
    with site.store.reading() as connection:
        rows = connection.execute(select(SignedIn).order_by(SignedIn.created_at)).all()
    form = {"csrf_token": token(viewer, "/account")}
    for row in rows:
        if row.user_id == mine:
            viewer.post("/account/sessions/end", data={**form, "session": row.token_hash})
    assert len(sessions.listing(site, mine)) == 2
    form = {"csrf_token": token(client, "/account"), "session": rows[-1].token_hash}
    client.post("/account/sessions/end", data=form)
    assert (client.get("/account").status_code, other.get("/account").status_code) == (200, 302)


def test_a_password_stands_in_no_log_and_no_audit(
    pages: Flask, site: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = signed_in(pages)
    form = {"csrf_token": token(client, "/account"), "old_password": PASSWORD}
    client.post("/account/password", data={**form, "password": "another good password"})
    with site.store.reading() as connection:
        written = str([connection.execute(select(one)).all() for one in (Audit, SignedIn, User)])
    for secret in (PASSWORD, "another good password"):
        assert secret not in written + caplog.text
    assert "set password" in written
