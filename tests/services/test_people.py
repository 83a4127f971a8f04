"""Users, sessions, passwords, and the first admin of the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import select

from app.config import load
from app.domain.people import Role
from app.errors import Conflict, Invalid, NotFound, SettingError
from app.models import Audit, SignedIn, User
from app.secrets import hash_key
from app.services import first_admin, passwords, people, sessions, sign_in
from app.services.installation import Installation
from tests.conftest import settings_in
from tests.simulated import Simulated

PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.1"
ANYWHERE = "0.0.0.0"  # noqa: S104 - not bound


def add(site: Installation, email: str = "ann@example.com", role: Role = Role.ADMIN) -> int:
    return people.create(site, email=email, password=PASSWORD, role=role, actor="test")


def change(site: Installation, key: int, role: Role = Role.ADMIN, disabled: bool = False) -> None:
    people.update(site, key, name="", role=role, disabled=disabled, actor="test")


def test_each_role_includes_those_below_it() -> None:
    table = [[one.includes(other) for other in Role] for one in Role]
    assert table == [[True, False, False], [True, True, False], [True, True, True]]


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"email": "x"}, ["/email"]),
        ({"email": f"{'x' * 64}@{'y' * 60}.{'z' * 60}.{'a' * 60}.{'b' * 60}.com"}, ["/email"]),
        ({"password": "x" * 11}, ["/password"]),
        ({"password": "x" * 201}, ["/password"]),
        ({"password": "ANN@example.com"}, ["/password"]),
        ({"password": "a\x00" * 10}, ["/password"]),
        ({"name": "a\nb"}, ["/name"]),
        ({"name": "x" * 101}, ["/name"]),
        ({"role": "root", "password": ""}, ["/role", "/password"]),
    ],
)
def test_every_fault_of_a_user_is_named(
    site: Installation, fields: dict[str, str], pointers: list[str]
) -> None:
    whole = {"email": "ann@example.com", "password": PASSWORD, **fields}
    with pytest.raises(Invalid) as caught:
        people.create(site, **whole, actor="test")
    assert [fault.pointer for fault in caught.value.faults] == pointers


def test_an_email_is_taken_once_whatever_its_case(site: Installation) -> None:
    add(site)
    with pytest.raises(Conflict):
        add(site, "Ann@Example.com")


def test_somebody_can_always_administer(site: Installation) -> None:
    ann, bob = add(site), add(site, "bob@example.com")
    change(site, bob, disabled=True)
    attempts: tuple[Callable[[], None], ...] = (
        lambda: people.remove(site, ann, actor="test"),
        lambda: change(site, ann, disabled=True),
        lambda: change(site, ann, Role.OPERATOR),
    )
    for attempt in attempts:
        with pytest.raises(Conflict, match="only admin"):
            attempt()
    change(site, bob)
    people.remove(site, ann, actor="test")
    assert [one.email for one in people.listing(site)] == ["bob@example.com"]
    with pytest.raises(NotFound):
        people.get(site, ann)


def test_two_admins_who_lower_each_other_leave_one(site: Installation) -> None:
    keys = [add(site), add(site, "bob@example.com")]
    refused = []

    def lower(key: int) -> None:
        try:
            change(site, key, Role.VIEWER)
        except Conflict as error:
            refused.append(error)

    threads = [Thread(target=lower, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1


def test_changes_of_users_are_audited(site: Installation) -> None:
    add(site)
    bob = add(site, "bob@example.com", Role.VIEWER)
    change(site, bob, Role.OPERATOR)
    people.set_password(site, bob, "another good password", actor="test")
    people.save_account(site, bob, name="", zone="Asia/Tokyo", theme="dark", actor="bob")
    people.remove(site, bob, actor="test")
    with site.store.reading() as connection:
        wanted = select(Audit).where(Audit.subject_name == "bob@example.com").order_by(Audit.id)
        rows = connection.execute(wanted).all()
    assert [row.action for row in rows] == ["create", "update", "set password", "delete"]
    assert (rows[1].before["role"], rows[1].after["role"]) == ("viewer", "operator")
    assert "argon2" not in str(rows)


def test_a_session_knows_its_user_until_it_ends(site: Installation) -> None:
    key = add(site)
    token = sessions.begin(site, key, user_agent="Firefox\nx", address=ADDRESS)
    found = sessions.visitor(site, token)
    assert found is not None
    assert (found.user_id, found.actor, found.role) == (key, "ann@example.com", Role.ADMIN)
    assert found.may(Role.OPERATOR)
    assert sessions.listing(site, key)[0].user_agent == r"Firefox\nx"
    assert sessions.visitor(site, "x") is sessions.visitor(site, "") is None
    with site.store.reading() as connection:
        assert connection.scalar(select(SignedIn.token_hash)) == hash_key(token)
    sessions.end(site, key, found.session)
    assert sessions.visitor(site, token) is None


def test_a_session_ends_when_it_is_not_used_or_old(
    site: Installation, simulated: Simulated
) -> None:
    token = sessions.begin(site, add(site))
    for _ in range(6):
        simulated.passes(days=13)
        assert sessions.visitor(site, token)
    simulated.passes(days=13)
    assert sessions.visitor(site, token) is None
    token = sessions.begin(site, people.listing(site)[0].id)
    simulated.passes(days=15)
    assert sessions.visitor(site, token) is None
    sessions.begin(site, people.listing(site)[0].id)
    with site.store.reading() as connection:
        assert len(connection.execute(select(SignedIn)).all()) == 1


def test_that_a_session_is_used_is_written_every_five_minutes(
    site: Installation, simulated: Simulated
) -> None:
    key = add(site)
    token = sessions.begin(site, key)
    first = sessions.listing(site, key)[0].seen_at
    simulated.passes(minutes=4)
    sessions.visitor(site, token)
    assert sessions.listing(site, key)[0].seen_at == first
    simulated.passes(minutes=1)
    sessions.visitor(site, token)
    assert sessions.listing(site, key)[0].seen_at > first


def test_disabling_ends_the_sessions_and_the_sign_in(site: Installation) -> None:
    add(site)
    bob = add(site, "bob@example.com")
    token = sessions.begin(site, bob)
    change(site, bob, disabled=True)
    assert sessions.visitor(site, token) is None
    assert sign_in.authenticate(site, "bob@example.com", PASSWORD, ADDRESS) is None
    change(site, bob)
    assert sessions.visitor(site, token) is None
    assert sign_in.authenticate(site, "bob@example.com", PASSWORD, ADDRESS) == bob


def test_waits_grow_to_a_quarter_of_an_hour_and_are_forgotten(
    site: Installation, simulated: Simulated
) -> None:
    add(site)
    waits = []
    for _ in range(17):
        try:
            sign_in.authenticate(site, "ann@example.com", "wrong", ADDRESS)
        except sign_in.TooManyTries as error:
            waits.append(error.retry_after)
            simulated.passes(seconds=error.retry_after)
            sign_in.authenticate(site, "ann@example.com", "wrong", ADDRESS)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    with pytest.raises(sign_in.TooManyTries, match="15 minutes"):
        sign_in.authenticate(site, "ann@example.com", PASSWORD, ADDRESS)
    simulated.passes(days=1, seconds=1)
    assert sign_in.authenticate(site, "ann@example.com", PASSWORD, ADDRESS)


def test_guesses_at_the_same_moment_do_not_slip_through(site: Installation) -> None:
    add(site)
    looked = []

    def guess() -> None:
        try:
            sign_in.authenticate(site, "ann@example.com", "wrong", ADDRESS)
            looked.append(True)
        except sign_in.TooManyTries:
            pass

    threads = [Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looked) <= 6  # five, and one more if a second has passed


def test_an_old_hash_is_renewed_at_the_next_sign_in(site: Installation) -> None:
    key = add(site)
    weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    with site.store.writing() as connection:
        connection.execute(User.__table__.update().values(password_hash=weak))
    assert sign_in.authenticate(site, "ann@example.com", PASSWORD, ADDRESS) == key
    with site.store.reading() as connection:
        stored = connection.scalar(select(User.password_hash))
    assert stored is not None
    assert not passwords.outdated(stored)
    assert passwords.matches(PASSWORD, stored)


def test_the_hash_of_nobody_costs_as_much_as_the_others() -> None:
    assert not passwords.outdated(passwords.NOBODYS)
    assert not passwords.matches(PASSWORD, None)
    assert not passwords.matches("x" * 201, passwords.hashed(PASSWORD))


def test_the_environment_makes_the_first_admin_and_no_other(
    site: Installation, tmp_path: Path
) -> None:
    def start(email: str, password: str | None = PASSWORD) -> str | None:
        more = {"ADMIN_EMAIL": email} | ({"ADMIN_PASSWORD": password} if password else {})
        with site.store.writing() as connection:
            return first_admin.at_start(connection, settings_in(tmp_path / "other", **more))

    with pytest.raises(SettingError, match="TOCSIN_ADMIN_PASSWORD: is needed"):
        start("a@example.com", None)
    with pytest.raises(SettingError, match="TOCSIN_ADMIN_PASSWORD: must have 12"):
        start("a@example.com", "short")
    with pytest.raises(SettingError, match="TOCSIN_ADMIN_EMAIL"):
        start("a")
    assert start("a@example.com") is None
    assert start("b@example.com", "another good password") is None
    assert [(one.email, one.role) for one in people.listing(site)] == [("a@example.com", "admin")]
    assert sign_in.authenticate(site, "a@example.com", PASSWORD, ADDRESS)


def test_passwords_cross_no_network_in_the_clear_unless_told_to(tmp_path: Path) -> None:
    base = {"TOCSIN_DATA_DIR": str(tmp_path), "TOCSIN_HOST": ANYWHERE}
    with pytest.raises(SettingError, match=r"TOCSIN_HOST: .*TOCSIN_ALLOW_HTTP=yes"):
        load(base)
    assert load({**base, "TOCSIN_ALLOW_HTTP": "yes"}).host == ANYWHERE
    assert load({**base, "TOCSIN_PUBLIC_URL": "https://x.example.com"}).host == ANYWHERE
    for host in ("127.0.0.1", "::1", "localhost"):
        assert load({**base, "TOCSIN_HOST": host}).host == host


def test_the_command_line_is_the_way_back_in(app: Flask, site: Installation) -> None:
    runner = app.test_cli_runner()
    add_ = "tocsin user add Ann@example.com --role admin".split()
    made = runner.invoke(args=add_, input=f"{PASSWORD}\n")
    assert (made.exit_code, PASSWORD in made.output) == (0, False)
    changed = runner.invoke(
        args="tocsin user password ann@example.com".split(), input="another good password\n"
    )
    assert changed.exit_code == 0
    assert sign_in.authenticate(site, "ann@example.com", "another good password", ADDRESS)
    listed = runner.invoke(args="tocsin user list".split()).output
    assert listed == "ann@example.com  admin  enabled\n"
    for args, said in (("password x@example.com", "no user"), ("add x", "mail address")):
        refused = runner.invoke(args=f"tocsin user {args}".split(), input=f"{PASSWORD}\n")
        assert refused.exit_code == 1
        assert said in refused.output
