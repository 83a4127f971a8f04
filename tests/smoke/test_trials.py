"""Test mail over the running product: the same path as real mail, one attempt, no other trace."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.harness.client import Api
from tests.harness.mails import Post, parse, post_office, text_of
from tests.harness.product import Product, free_port
from tests.harness.waiting import eventually
from tests.servers import certificates
from tests.servers.relay import Relay

PASSWORD = "hunter2-of-the-tests"
LOGIN = {"authenticationRequired": True, "username": "tocsin"}
CLEAR_LOGIN = LOGIN | {"allowAuthWithoutTls": True}
FINAL = {"delivered", "dead", "cancelled"}
# More than a worker has threads that send (app/services/deliver/run.py).
CROWD = 40
# Much less than the TimeOut of the systems that hang.
SOON = 15

Document = dict[str, Any]


def draft(port: int, **options: Any) -> Document:
    """Return the draft of a system on a port of loopback."""
    made = {
        "server": "127.0.0.1",
        "port": port,
        "encryption": "none",
        "authenticationRequired": False,
        "senderEmail": "tocsin@example.com",
        "toEmail": "admin@example.com",
        "timeout": 20,
    } | options
    secrets = {"password": PASSWORD} if made["authenticationRequired"] else {}
    return {"kind": "smtp", "options": made, "secrets": secrets}


def ask(api: Api, path: str, body: Document | None = None) -> str:
    """Ask for a test, once; return the id of its delivery."""
    answer = api.ask("POST", f"/api/v1{path}/test", body).of(202)
    assert set(answer) == {"delivery"}
    return str(answer["delivery"])


def ended(api: Api, delivery: str) -> Document:
    """Wait for the verdict of a test; return its delivery, which has had one attempt."""
    path = f"/deliveries/{delivery}"
    eventually("a verdict", lambda: api.get(path)["state"] in FINAL)
    found: Document = api.get(path)
    assert (found["kind"], found["lane"], found["attemptCount"]) == ("test", None, 1)
    (attempt,) = found["attempts"]
    assert (attempt["number"], attempt["count"]) == (1, 1)
    return found


def tried(api: Api, path: str, body: Document | None = None) -> Document:
    """Ask for a test and return how it ended."""
    return ended(api, ask(api, path, body))


def test_a_registration_is_tested_by_an_unsaved_draft(api: Api, post: Post) -> None:
    api.mail_system("Tried", post.port)
    api.register("tried", "Tried", cc=["copy@example.com"])
    saved = api.get("/registrations/tried")
    post.script.recipients = {"gone@example.com": "550 5.1.1 no such user"}
    forward = {
        "recipients": ["draft@example.com", "gone@example.com"],
        "cc": ["copy@example.com"],
        "subjectPrefix": "[DRAFT]",
    }
    backward = {"recipients": ["back@example.com", "Draft@example.com"]}
    body = {"system": "Tried", "sameForBackward": False, "forward": forward, "backward": backward}

    found = tried(api, "/registrations/tried", body)

    assert (found["state"], found["reason"], found["system"]) == ("delivered", None, "Tried")
    assert {one["address"]: (one["role"], one["state"]) for one in found["recipients"]} == {
        "back@example.com": ("to", "accepted"),
        "draft@example.com": ("to", "accepted"),
        "gone@example.com": ("to", "rejected"),
    }
    (attempt,) = found["attempts"]
    assert attempt["verdict"] == "ok"
    said = attempt["answer"]
    assert said.startswith("2 of 3 recipients accepted. 250 2.0.0 Ok")
    assert "gone@example.com: 550 5.1.1 no such user. Correct the address" in said
    assert "C: RCPT TO:<back@example.com>" in attempt["transcript"]
    (mail,) = post.messages
    integration = api.get("/integrations/tried")["id"]
    assert f"/integrations/{integration}/notification" in text_of(mail)
    assert mail["Subject"].startswith("[DRAFT] Test mail for Tried: nothing has failed")
    assert mail["Cc"] is None
    assert mail["X-Tocsin-Delivery"] == found["id"]
    assert "once the registration is saved" in " ".join(text_of(mail).split())
    assert not list(mail.iter_attachments())
    assert api.get("/registrations/tried") == saved


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_the_password_of_a_draft_is_used_and_is_nowhere_afterwards(
    running: Product, api: Api, mechanism: str
) -> None:
    context = certificates.right().server_context()
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[mechanism]
    asked = api.ask("POST", "/api/v1/systems/Secretive/test", {"kind": "smtp"})
    with Relay(context, login=("tocsin", PASSWORD), without=(other,)) as relay:
        options = {"server": "localhost", "encryption": "starttls", **LOGIN}
        body = draft(relay.port, **options, caPem=certificates.authority().pem)
        found = tried(api, "/systems/Secretive", body)
        wrong = body | {"secrets": {"password": f"{PASSWORD}?"}}
        refused = tried(api, "/systems/Secretive", wrong)
        (envelope,) = relay.mails

    assert asked.status == 422
    assert (found["state"], found["system"]) == ("delivered", None)
    assert f"C: AUTH {mechanism}" in found["attempts"][0]["transcript"]
    assert "TLS is on" in found["attempts"][0]["transcript"]
    assert (refused["state"], refused["reason"]) == ("dead", "test")
    assert refused["attempts"][0]["reason"] == "auth_error"
    assert len(relay.logins) == 2
    assert isinstance(envelope.content, bytes)
    assert "Secretive" in parse(envelope.content)["Subject"]
    api.sure("GET", "/systems/Secretive").of(404)
    shown = [str(api.items("/deliveries", kind="test")), str(found), str(refused), asked.text]
    assert [where for where, content in kept(running) if b"through Secretive" in content]
    for needle in needles(PASSWORD, "tocsin"):
        assert not [text for text in shown if needle.decode() in text]
        assert not [where for where, content in kept(running) if needle in content], needle


def needles(password: str, user: str) -> list[bytes]:
    """Return what must be nowhere: the password, and its inside as base64 at any place."""
    found = [password.encode()]
    for before in ("", "x", "xx", f"\0{user}\0"):
        coded = base64.b64encode(f"{before}{password}".encode())
        start = -(-len(before) * 4 // 3)  # the characters that depend on what stands before it
        found.append(coded[start : len(coded) - 4])
    return found


def kept(running: Product) -> Iterator[tuple[str, bytes]]:
    """Yield all that a product has written: its files, its log, and each row of its database."""
    files = [*running.data.rglob("*"), running.output_file]
    for path in files:
        if path.is_file():
            yield path.name, path.read_bytes()
    url = running.environ.get("TOCSIN_DATABASE_URL")
    if url is None:
        assert (running.data / "tocsin.sqlite3").is_file()
        return
    with closing(psycopg.connect(url)) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        for (table,) in connection.execute(query).fetchall():
            rows = connection.execute(f'SELECT t::text FROM "{table}" t').fetchall()  # noqa: S608
            yield table, "\n".join(row for (row,) in rows).encode()


@dataclass(frozen=True)
class Cause:
    """What is wrong with a draft, and what the attempt says of it: the cause and the next step."""

    name: str
    body: Document
    reason: str
    cause: str
    advice: str


@contextmanager
def causes() -> Iterator[list[Cause]]:
    """Run servers that are wrong in one way each, and yield drafts that lead to them."""
    with ExitStack() as stack:

        def server(**script: Any) -> int:
            return stack.enter_context(post_office(**script)).port

        closed = free_port()
        hole = server(black_hole=True)
        stranger = stack.enter_context(Relay(certificates.wrong_name().server_context())).port
        login = server(extensions=["AUTH PLAIN"], replies={"AUTH": "535 5.7.8 Wrong"})
        nobody = server(replies={"RCPT": "550 5.1.1 No such user"})
        later = server(replies={"RCPT": "450 4.2.0 Greylisted"})
        filtered = server(replies={"DOT": "550 5.7.509 Access denied"})
        ca = certificates.authority().pem
        tls = {"server": "localhost", "encryption": "starttls", "caPem": ca}
        yield [
            Cause(
                "refused",
                draft(closed),
                "connection",
                f"Connection refused by 127.0.0.1:{closed}.",
                "Is the server running, and is the port right?",
            ),
            Cause(
                "unknown",
                draft(25, server="nowhere.invalid", timeout=5),
                "dns",
                "Could not resolve host nowhere.invalid",
                "Check the ",  # the spelling, or the name server where it does not answer
            ),
            Cause(
                "slow",
                draft(hole, timeout=1),
                "timeout",
                f"127.0.0.1:{hole} did not finish the greeting within the TimeOut.",
                "Does this port expect TLS from the start?",
            ),
            Cause(
                "stranger",
                draft(stranger, **tls),
                "tls",
                "The certificate is for other.example, not localhost.",
                "Give the name that it is for.",
            ),
            Cause(
                "login",
                draft(login, **CLEAR_LOGIN),
                "auth_error",
                f"127.0.0.1:{login} refused the login of tocsin: 535 5.7.8 Wrong.",
                "Check user name and Password.",
            ),
            Cause(
                "nobody",
                draft(nobody),
                "client_error",
                "0 of 1 recipients accepted. admin@example.com: 550 5.1.1 No such user.",
                "Correct the address, or ask who runs that mailbox.",
            ),
            Cause(
                "later",
                draft(later),
                "server_error",
                "0 of 1 recipients accepted. admin@example.com: 450 4.2.0 Greylisted.",
                "test again later.",
            ),
            Cause(
                "filtered",
                draft(filtered),
                "auth_error",
                f"127.0.0.1:{filtered} refused the mail: 550 5.7.509 Access denied.",
                "Ask who runs that server what its filter has against the mail.",
            ),
        ]


def test_each_cause_is_told_with_its_next_step_after_one_attempt(api: Api) -> None:
    with causes() as wrong:
        asked = [(one, ask(api, f"/systems/{one.name}", one.body)) for one in wrong]

        ends = [(one, ended(api, delivery)) for one, delivery in asked]
        api.run_pass()

        for one, found in ends:
            (attempt,) = found["attempts"]
            end = (found["state"], found["reason"], attempt["verdict"], attempt["reason"])
            assert end == ("dead", "test", "failed", one.reason), (one.name, attempt)
            assert attempt["answer"].startswith(one.cause), attempt["answer"]
            assert one.advice in attempt["answer"], attempt["answer"]
            assert attempt["durationMs"] < 20_000
            assert PASSWORD not in str(found)
            assert api.get(f"/deliveries/{found['id']}") == found  # the pass has not touched it


def test_a_test_that_fails_leaves_lane_failures_and_counters_as_they_were(api: Api) -> None:
    api.mail_system("Untouched", free_port(), toEmail="admin@example.com")
    later = {"immediately": False, "failureCount": 3}
    api.register("untouched", "Untouched", **{"global": later})
    failure = api.fail("untouched")["failure"]["id"]

    def standing() -> list[Any]:
        return [
            api.items("/lanes", system="Untouched"),
            api.items("/failures", integration="untouched"),
            api.items("/failures", errorType="other", integration="untouched"),
            api.get(f"/failures/{failure}/decisions"),
            api.get("/integrations/untouched"),
            api.get("/registrations/untouched"),
            api.get("/systems/Untouched"),
        ]

    before = standing()
    for path in ("/registrations/untouched", "/systems/Untouched"):
        found = tried(api, path)
        assert (found["state"], found["attempts"][0]["reason"]) == ("dead", "connection")

    assert standing() == before
    api.run_pass()
    assert standing() == before
    others = api.items("/failures", errorType="other")
    assert "Untouched" not in {row["system"] for row in others}
    for reason in ("held", "count_reached"):  # it was held at 1 of 3
        failure = api.fail("untouched", errorCode="SECOND")["failure"]["id"]
        assert api.get(f"/failures/{failure}/decisions")["items"][0]["reason"] == reason


@pytest.fixture
def paused(api: Api) -> Iterator[None]:
    """All sending is paused."""
    api.set(paused=True)
    yield
    api.set(paused=False)


def test_a_pause_stops_all_mail_but_a_test(api: Api, post: Post, paused: None) -> None:
    api.mail_system("Paused", post.port, toEmail="admin@example.com")
    api.register("paused", "Paused")
    api.fail("paused")

    for path in ("/registrations/paused", "/systems/Paused"):
        assert tried(api, path)["state"] == "delivered"
    api.sure("PATCH", "/systems/Paused", {"status": "paused"}).of(200)
    assert tried(api, "/systems/Paused")["state"] == "delivered"

    assert len(post.box.mails) == 3
    (waiting,) = api.items("/deliveries", kind="failure", integration="paused")
    assert (waiting["state"], waiting["attemptCount"]) == ("pending", 0)
    api.set(paused=False)
    api.sure("PATCH", "/systems/Paused", {"status": "running"}).of(200)
    post.wait(4)


def test_a_crowd_of_tests_that_hang_holds_up_no_other_mail(api: Api, post: Post) -> None:
    api.mail_system("Beside", post.port)
    api.register("beside", "Beside")
    with post_office(black_hole=True) as hole:
        body = draft(hole.port, timeout=60)
        crowd = [ask(api, "/systems/Hanging", body) for _ in range(CROWD)]
        eventually("tests that hang", lambda: hole.box.counts["connections"])

        for number in range(3):
            api.fail("beside", errorCode=f"E{number}")
            post.wait(number + 1, SOON)

        hole.script.black_hole = False
        eventually("the end of the crowd", lambda: _all_ended(api, hole, crowd))


def _all_ended(api: Api, hole: Post, crowd: list[str]) -> bool:
    hole.hang_up()
    states = {one["id"]: one["state"] for one in api.items("/deliveries", kind="test")}
    return FINAL.issuperset(states[delivery] for delivery in crowd)
