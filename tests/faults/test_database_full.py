"""Disks that are full: reports are refused, reading and what waits go on, nothing is lost."""

from __future__ import annotations

import re

import pytest

from tests.harness.books import assert_stored_once, wait_until_told
from tests.harness.client import Answer, Api
from tests.harness.disks import RealDisk, full_disks
from tests.harness.fixtures import calm
from tests.harness.mails import Post
from tests.harness.product import Product
from tests.harness.senders import Load, Wish
from tests.harness.waiting import eventually, grows, steadily

INTEGRATIONS = 4
MOST_CONNECTIONS = 4
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
WAYS = full_disks()
ENDED = r"supervisor \S+: worker-1 (?:was|ended)"
BODY = {"kind": "global", "errorCode": "E", "message": "It broke."}


def _report(api: Api) -> Answer:
    return api.ask("POST", "/api/v1/integrations/job-0/failures", BODY, timeout=30)


def _refusal(api: Api) -> Answer:
    """Report until that is refused."""

    def look() -> Answer | None:
        answer = _report(api)
        assert answer.status in (202, 503), answer.text
        return answer if answer.status == 503 else None

    refusal = eventually("a refusal", look)
    assert refusal is not None
    return refusal


@SQLITE
@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_refuses_reports_and_loses_none(
    installed: Product, post: Post, way: str
) -> None:
    # The disk is full although some of it is kept: somebody else has written that.
    installed.environ["TOCSIN_MIN_FREE_MB"] = "0"
    with WAYS[way](installed) as disk:
        api = calm(installed).api
        post.script.delays = {"DOT": 0.02}
        api.mail_system("Mail", post.port)
        for number in range(INTEGRATIONS):
            api.register(f"job-{number}", "Mail")
        make = lambda number: Wish(f"job-{number % INTEGRATIONS}", f"K{number}")  # noqa: E731

        with Load(api, make, at_once=2, pause=0.02) as load:
            post.wait(5)
            disk.fill()
            answer = _refusal(api)
            _while_it_is_full(installed, load)
            disk.empty()
            grows("reports", lambda: load.accepted, 5)

        wait_until_told(api, post, load.ledger)
        assert answer.document["status"] == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert set(load.ledger.statuses) == {202, 503}
        assert_stored_once(api, load.ledger)
        assert post.doubles <= MOST_CONNECTIONS  # what the killed worker had in flight
        eventually("a ready product", installed.ready)
        installed.check()
        installed.stop()


def _while_it_is_full(product: Product, load: Load) -> None:
    """Reading goes on, and a worker that dies waits for room instead of dying again and again.

    It need not wait: its own first write is so small that it may fit into a page of the log.
    """
    product.kill("worker-1")
    # Its pid file may find no room either: that it was started anew is seen by what it does not do.
    eventually("the end of the worker", lambda: bool(re.search(ENDED, product.output)))
    accepted = load.accepted

    def goes_on() -> bool:
        ends = re.findall(ENDED, product.output)
        reads = product.api.ask("GET", "/api/v1/failures").status
        return len(ends) == 1 and reads == 200 and load.accepted == accepted

    steadily("waiting", goes_on, 4)


@SQLITE
def test_a_disk_that_is_nearly_full_refuses_reports_while_what_waits_is_sent(
    installed: Product, post: Post
) -> None:
    with RealDisk(installed) as disk:
        installed.environ["TOCSIN_MIN_FREE_MB"] = str(disk.floor)
        api = calm(installed).api
        api.mail_system("Mail", post.port)
        for number in range(INTEGRATIONS):
            later = {"immediately": False, "failureCount": 1}
            api.register(f"job-{number}", "Mail", **{"global": later})
        for number in range(INTEGRATIONS):
            api.fail(f"job-{number}")
        assert installed.ready()

        disk.fill()
        answer = _refusal(api)
        api.run_pass()
        post.wait(INTEGRATIONS)
        eventually("nothing waiting", lambda: len(api.items("/deliveries", state="delivered")) == 4)
        readiness, health = api.ask("GET", "/readyz"), api.ask("GET", "/healthz")
        disk.empty()
        eventually("a report that is taken", lambda: _report(api).status == 202)

    assert "nearly full" in answer.document["detail"]
    assert f"less than the {disk.floor:,} MB" in answer.document["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    told = readiness.document["checks"]["disk"]
    assert (readiness.status, readiness.document["status"], told["ok"]) == (200, "failing", False)
    assert (told["unit"], told["value"] < disk.floor) == ("MB", True)
    assert (health.status, health.document["status"]) == (200, "ok")
    assert "nearly full" in health.document["warning"]
    eventually("a ready product", installed.ready)
    installed.check()
