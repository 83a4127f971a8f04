"""The fallback system: one message per episode of a failing system, and no loops (product.md 6)."""

from __future__ import annotations

from typing import Any

from app.models import Lane
from app.services import configuring, invariants, lanes
from app.services.installation import Installation
from app.services.systems import SYSTEMS
from tests.servers.sink import Sink
from tests.services.makers import ACTOR, put_integration, put_system, register
from tests.services.spine import Post, active, deliveries, mail_server, registered, report, rows


def options(port: int, to: str = "") -> dict[str, Any]:
    """Return the options of a mail system at `port`."""
    return {
        "server": "127.0.0.1",
        "port": port,
        "encryption": "none",
        "authenticationRequired": False,
        "senderEmail": "tocsin@corp.example",
        "toEmail": to,
        "timeout": 2,
    }


def closed_port() -> int:
    """Return a port where nobody listens."""
    with Sink() as sink:
        return sink.port


def two(site: Installation, good: int, to: str = "oncall@corp.example") -> None:
    """Make the failing system Mail, whose fallback is Spare at the port `good`."""
    registered(site, closed_port(), immediately=True)
    put_system(site, "Spare", options=options(good, to))
    configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"fallback": "Spare"})


def fallbacks(site: Installation) -> list[Any]:
    return [mail for mail in deliveries(site) if mail.kind == "fallback"]


def test_a_failing_system_is_told_once_per_episode_through_another(site: Installation) -> None:
    with mail_server() as sink:
        two(site, sink.port)
        report(site, errorCode="A")
        post = Post(site)
        post.serve()
        post.serve()
        report(site, errorCode="B")
        post.run_pass()
        post.run_pass()

    assert len(fallbacks(site)) == 1
    (mail,) = sink.mails
    assert list(mail.recipients) == ["oncall@corp.example"]
    assert b"Mail" in mail.body
    assert b"cannot deliver" in mail.body
    assert [str(one.state) for one in fallbacks(site)] == ["delivered"]
    assert invariants.check(site) == []


def test_the_next_episode_is_told_again(site: Installation) -> None:
    with mail_server() as sink, mail_server() as mended:
        two(site, sink.port)
        report(site, errorCode="A")
        post = Post(site)
        post.serve()
        post.serve()
        configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"options": {"port": mended.port}})
        post.run_pass()
        configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"options": {"port": closed_port()}})
        report(site, errorCode="B")
        post.serve()
        post.serve()

    assert len(fallbacks(site)) == 2
    assert len(sink.mails) == 2


def test_without_a_to_email_id_those_are_told_whose_mail_waits(site: Installation) -> None:
    with mail_server() as sink:
        two(site, sink.port, to="")
        report(site)
        post = Post(site)
        post.serve()
        post.serve()

    assert [list(mail.recipients) for mail in sink.mails] == [["ops@corp.example"]]


def test_two_failing_systems_that_stand_in_for_each_other_make_no_loop(
    site: Installation,
) -> None:
    two(site, closed_port())
    configuring.patch(SYSTEMS, site, ACTOR, "Spare", {"fallback": "Mail"})
    report(site)
    post = Post(site)
    for _ in range(4):
        post.serve()
        post.run_pass()

    assert [lane.state for lane in rows(site, Lane)] == ["retrying", "retrying"]
    assert len(fallbacks(site)) == 1
    assert len(deliveries(site)) == 2


def test_a_fallback_that_fails_at_first_is_used_once_it_is_well(site: Installation) -> None:
    with mail_server() as sink:
        two(site, closed_port())
        put_system(site, "Third", options=options(25))
        # Spare fails by a mail of its own before Mail does.
        registered_at_spare(site)
        report(site, "other")
        post = Post(site)
        post.serve()
        report(site)
        post.serve()
        assert fallbacks(site) == []
        configuring.patch(SYSTEMS, site, ACTOR, "Spare", {"options": {"port": sink.port}})
        post.run_pass()
        post.run_pass()
        post.serve()

    assert len(fallbacks(site)) == 1
    assert any(b"cannot deliver" in mail.body for mail in sink.mails)


def registered_at_spare(site: Installation) -> None:
    """Register another integration at the system Spare."""
    put_integration(site, "other")
    told = {"recipients": ["spare@corp.example"], "global": {"immediately": True}}
    register(site, "other", "Spare", forward=told)


def test_a_message_that_comes_after_the_recovery_says_so(site: Installation) -> None:
    with mail_server() as sink, mail_server() as mended:
        two(site, sink.port)
        report(site)
        # the system Mail alone is served: its message waits in the lane of Spare
        post, lane = Post(site), rows(site, Lane)[0].id
        post.serve(lane)
        configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"options": {"port": mended.port}})
        lanes.try_now(site, lane)
        post.serve(lane)
        post.serve()

    assert active(site)["recovered"] is True
    assert b"orks again" in sink.mails[0].body
