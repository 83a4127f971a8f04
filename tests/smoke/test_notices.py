"""Silence and recovery over the running product: who was told is told again when it works."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.harness.client import Api
from tests.harness.fixtures import calm
from tests.harness.mails import Post, text_of
from tests.harness.product import Product
from tests.harness.waiting import eventually

PASS = {"global": {"immediately": False, "failureCount": 1}}
# A step that is no jump (app/clock.py), and what is left of a minute after it.
STEP, REST = 58, 30.0
SEVEN_HOURS = 7 * 3_600


def ids(mail: EmailMessage) -> set[str]:
    """Return the mails that this one refers to, its thread."""
    return set(str(mail["References"]).split())


def test_recovery_is_told_in_the_thread_of_the_failure(api: Api, post: Post) -> None:
    api.mail_system("Again", post.port)
    api.register("again", "Again", **PASS)
    api.fail("again", errorCode="AUTH_401")
    api.run_pass()
    post.wait(1)
    eventually("it is told", lambda: api.items("/failures", integration="again", notified="true"))

    assert api.active("again", processed=3)["recovered"] is True
    assert api.active("again", processed=3)["recovered"] is False
    api.run_pass()
    failure, recovery = post.wait(2)
    api.run_pass()

    assert "failing" in failure["Subject"]
    assert "works again" in recovery["Subject"]
    assert recovery["To"] == failure["To"] == "again@example.com"
    assert ids(failure) & ids(recovery)
    assert failure["Message-ID"] != recovery["Message-ID"]
    assert "Works again since" in text_of(recovery)
    assert "1 failure" in text_of(recovery)
    assert _kinds(api, "again") == ["recovery", "failure"]
    assert len(post.box.mails) == 2


def _kinds(api: Api, integration: str) -> list[str]:
    return [str(one["kind"]) for one in api.items("/deliveries", integration=integration)]


def test_mail_that_waits_when_activity_returns_says_since_when_it_works(
    api: Api, post: Post
) -> None:
    api.mail_system("Waiting", post.port)
    api.register("waiting", "Waiting", **PASS)
    api.fail("waiting", errorCode="AUTH_401")

    assert api.active("waiting", processed=3)["recovered"] is True
    api.run_pass()
    (mail,) = post.wait(1)
    api.run_pass()

    assert "works again" in mail["Subject"]
    for text in (text_of(mail), text_of(mail, "html")):
        assert "orks again since" in text
        assert "AUTH_401" in text
    assert _kinds(api, "waiting") == ["failure"]  # it says what a further mail would
    assert len(post.box.mails) == 1


def test_who_does_not_want_to_hear_of_recovery_is_told_of_the_failure_alone(
    api: Api, post: Post
) -> None:
    api.mail_system("Quiet", post.port)
    api.register("quiet", "Quiet", **PASS)
    api.sure("PATCH", "/registrations/quiet", {"tellRecovery": False}).of(200)
    api.fail("quiet")
    api.run_pass()
    post.wait(1)

    api.active("quiet")
    api.run_pass()

    assert _kinds(api, "quiet") == ["failure"]


@pytest.fixture
def clock_file(installed: Product) -> Iterator[Path]:
    """The file that moves the wall clock of a product which has not been started."""
    path = Path(f"{installed.data}.clock")
    installed.environ["TOCSIN_TEST_CLOCK"] = str(path)
    yield path
    path.unlink(missing_ok=True)


def _watch(api: Api, key: str, minutes: int) -> None:
    """Register an integration of one direction whose silence is told."""
    api.register(key, "Mail", **{"global": {"noActivityMinutes": minutes}})
    api.put(f"/integrations/{key}", {"name": key.title(), "bidirectional": False})


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_silence_is_told_once_then_its_end_and_none_by_a_clock_that_jumps(
    installed: Product, post: Post, clock_file: Path
) -> None:
    # A process start of its own, and seconds of real time: the rest of a minute. Therefore on one
    # database; tests/services/test_silence.py asks both.
    product = calm(installed)
    api = product.api
    api.mail_system("Mail", post.port)
    _watch(api, "brief", 1)
    _watch(api, "patient", 6 * 60)
    api.active("brief")
    api.run_pass()
    assert _kinds(api, "brief") == []

    clock_file.write_text(str(STEP), encoding="ascii")
    eventually("silence", lambda: api.run_pass() and _kinds(api, "brief"), REST)
    (told,) = post.wait(1)
    api.run_pass()
    assert _kinds(api, "brief") == ["inactivity"]
    assert "no activity for" in told["Subject"]
    assert told["To"] == "brief@example.com"
    assert "Limit: 1 minute" in " ".join(text_of(told).split())

    assert api.active("brief")["recovered"] is True
    api.run_pass()
    _, recovery = post.wait(2)
    assert "works again" in recovery["Subject"]
    assert "Silent from" in text_of(recovery)
    assert ids(told) & ids(recovery)

    clock_file.write_text(str(STEP + SEVEN_HOURS), encoding="ascii")
    eventually("notice of the jump", lambda: "clock of this machine was set" in product.output)
    runs: list[Any] = [api.get(f"/dispatch-runs/{api.run_pass()}") for _ in range(2)]
    assert [(run["considered"], run["notified"], run["skipped"]) for run in runs] == [(0, 0, 0)] * 2
    assert _kinds(api, "patient") == []
    assert _kinds(api, "brief") == ["recovery", "inactivity"]
    product.check()
