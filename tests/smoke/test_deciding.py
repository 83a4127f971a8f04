"""Deciding, as it is seen from outside: decisions at the failure, mails at the mail server."""

from __future__ import annotations

from tests.harness.client import Api
from tests.harness.mails import Post, text_of
from tests.harness.waiting import eventually, steadily

THRESHOLD = {"global": {"immediately": False, "failureCount": 3}}


def _reason(api: Api, failure: str) -> tuple[str, str]:
    (decision,) = api.get(f"/failures/{failure}/decisions")["items"]
    return decision["reason"], decision["text"]


def test_mail_is_due_at_the_third_cycle_and_goes_with_the_pass(api: Api, post: Post) -> None:
    api.mail_system("Threshold", post.port)
    api.register("threshold", "Threshold", **THRESHOLD)

    failure = api.fail("threshold", cycleId="c1")["failure"]["id"]
    assert _reason(api, failure)[0] == "held"
    assert "1 of 3" in _reason(api, failure)[1]
    api.fail("threshold", cycleId="c1")  # the same cycle counts once
    assert "1 of 3" in _reason(api, failure)[1]
    api.fail("threshold", cycleId="c2")
    assert "2 of 3" in _reason(api, failure)[1]
    api.fail("threshold", cycleId="c3")
    assert _reason(api, failure)[0] == "count_reached"

    steadily("no mail before the pass", lambda: not post.box.mails, 1.0)
    (waiting,) = api.items("/deliveries", integration="threshold")
    assert waiting["state"] == "pending"
    run = api.get(f"/dispatch-runs/{api.run_pass()}")
    (mail,) = post.wait(1)
    assert run["cause"] == "manual"
    assert run["notified"] >= 1
    assert "3 failures" in text_of(mail)


def test_what_is_not_accessible_is_told_at_once(api: Api, post: Post) -> None:
    api.mail_system("Closed", post.port)
    api.register("closed", "Closed", **THRESHOLD)

    made = api.fail("closed", accessible=False, project="WEB")

    (mail,) = post.wait(1)
    assert _reason(api, made["failure"]["id"])[0] == "not_accessible"
    assert "cannot reach project WEB" in mail["Subject"]


def test_activity_sets_the_count_to_zero(api: Api, post: Post) -> None:
    api.mail_system("Reset", post.port)
    api.register("reset", "Reset", **THRESHOLD)

    for cycle in ("c1", "c2"):
        failure = api.fail("reset", cycleId=cycle)["failure"]["id"]
    recovered = api.active("reset", processed=7)
    assert recovered["recovered"] is True
    assert api.get(f"/failures/{failure}")["state"] == "resolved"

    api.fail("reset", cycleId="c3")
    assert "1 of 3" in _reason(api, failure)[1]
    assert api.get(f"/failures/{failure}")["state"] == "open"
    api.run_pass()
    assert not post.box.mails


def test_one_digest_tells_the_processing_failures_of_a_direction(api: Api, post: Post) -> None:
    api.mail_system("Digest", post.port)
    api.register("digest", "Digest")

    for entity in ("A-1", "A-2", "A-3"):
        body = {"entityType": "Bug", "entityId": entity, "maxRetryCount": 0}
        api.fail("digest", kind="processing", **body)
    api.active("digest", resolvedEntities=[{"entityType": "Bug", "entityId": "A-2"}])
    api.run_pass()

    (mail,) = post.wait(1)
    assert "A-1" in text_of(mail)
    assert "A-2" not in text_of(mail)  # it succeeded before the mail went
    assert "A-3" in text_of(mail)
    eventually(
        "delivered",
        lambda: api.items("/deliveries", integration="digest")[0]["state"] == "delivered",
    )
