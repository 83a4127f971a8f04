"""When it cannot be sent: visible, waiting, and sent by a later pass."""

from __future__ import annotations

from typing import Any

from tests.harness.client import Api
from tests.harness.mails import Post, post_office
from tests.harness.product import free_port
from tests.harness.waiting import eventually

PASS = {"global": {"immediately": False, "failureCount": 1}}


def _other(api: Api, integration: str, state: str) -> list[dict[str, Any]]:
    query = {"errorType": "other", "integration": integration, "state": state}
    return api.items("/failures", **query)


def test_a_stopped_mail_server_is_an_other_error_until_the_next_pass_gets_through(
    api: Api,
) -> None:
    port = free_port()
    api.mail_system("Stopped", port)
    api.register("stopped", "Stopped")

    api.fail("stopped")

    (other,) = eventually("the other error", lambda: _other(api, "stopped", "open"))
    assert other["system"] == "Stopped"
    assert other["reason"] == "connection"
    assert str(port) in other["message"]
    (delivery,) = api.items("/deliveries", integration="stopped")
    assert delivery["state"] == "pending"
    assert _other(api, "stopped", "open")[0]["waiting"] == 1

    with post_office(port=port) as post:
        assert not post.box.mails
        api.run_pass()
        post.wait(1)
        eventually("it is resolved", lambda: not _other(api, "stopped", "open"))
    assert api.get(f"/deliveries/{delivery['id']}")["state"] == "delivered"


def test_each_recipient_is_asked_until_there_is_a_final_answer(api: Api, post: Post) -> None:
    taken, later, never = "taken@example.com", "later@example.com", "never@example.com"
    post.script.recipients = {later: "450 4.2.0 come again", never: "550 5.1.1 no such user"}
    api.mail_system("Partial", post.port)
    api.register("partial", "Partial", recipients=[taken, later, never], **PASS)
    api.fail("partial")

    def states() -> dict[str, str]:
        (delivery,) = api.items("/deliveries", integration="partial")
        return {one["address"]: one["state"] for one in delivery["recipients"]}

    api.run_pass()
    wanted = {taken: "accepted", later: "deferred", never: "rejected"}
    eventually("three verdicts", lambda: states() == wanted)
    post.script.recipients = {never: "550 5.1.1 no such user"}
    api.run_pass()
    eventually("delivery to the second", lambda: states() == wanted | {later: "accepted"})

    asked = [post.commands(f"RCPT TO:<{address}>") for address in (taken, later, never)]
    assert asked == [1, 2, 1]
    (delivery,) = api.items("/deliveries", integration="partial")
    assert delivery["state"] == "delivered"
    names = [row for row in _other(api, "partial", "open") if row["entityId"] == never]
    assert len(names) == 1
    assert "550" in names[0]["message"]
