"""Kill -9 of the worker in a Test: it ends, nobody knows how, and it is never sent again."""

from __future__ import annotations

from typing import Any

from tests.harness.client import Api
from tests.harness.fixtures import ON_DEMAND
from tests.harness.mails import Post
from tests.harness.product import Product
from tests.harness.waiting import eventually

CROWD = 5
FINAL = {"delivered", "dead"}
LATE = 60.0


def _ask(api: Api) -> str:
    return str(api.ask("POST", "/api/v1/registrations/tried/test").of(202)["delivery"])


def _ended(api: Api, delivery: str) -> dict[str, Any]:
    """Wait for the end of a test; return it, which has had its one attempt."""
    path = f"/deliveries/{delivery}"
    eventually("an end", lambda: api.get(path)["state"] in FINAL)
    found: dict[str, Any] = api.get(path)
    (attempt,) = found["attempts"]
    assert (found["attemptCount"], attempt["count"]) == (1, 1)
    return found


def _is_unknown(found: dict[str, Any]) -> bool:
    """Say whether a test ended as one whose worker died; else it was delivered."""
    (attempt,) = found["attempts"]
    if attempt["verdict"] == "ok":
        assert (found["state"], found["reason"]) == ("delivered", None)
        return False
    assert (found["state"], found["reason"]) == ("dead", "test")
    assert attempt["verdict"] == "unknown"
    assert "it may have been sent" in attempt["answer"]
    return True


def test_a_test_whose_worker_is_killed_ends_unknown_and_is_sent_at_most_once(
    installed: Product, post: Post
) -> None:
    installed.start(FAILPOINT="17:1")  # after the attempt row, before connecting
    api = installed.api
    api.set(postNotificationSchedule=ON_DEMAND)
    api.mail_system("Mail", post.port, timeout=120)
    api.register("tried", "Mail")
    before = api.items("/lanes"), api.items("/failures"), api.get("/systems/Mail")

    # Killed before it connects; those that have not begun are sent by the next worker.
    crowd = [_ask(api) for _ in range(CROWD)]
    eventually("a death", lambda: installed.fired)
    ends = [_ended(api, delivery) for delivery in crowd]
    lost = {found["id"] for found in ends if _is_unknown(found)}
    sent = post.by_delivery()
    assert lost
    assert sent.keys() >= set(crowd) - lost

    # Killed when the mail was taken and its answer had not come.
    post.script.delays = {"DOT": LATE}
    delivery = _ask(api)
    eventually("a mail in flight", lambda: delivery in post.by_delivery())
    installed.restarted("worker-1", installed.kill("worker-1"))
    assert _is_unknown(_ended(api, delivery))
    post.script.delays = {}

    after = _ask(api)
    assert not _is_unknown(_ended(api, after))
    api.run_pass()
    assert {delivery, after} < post.by_delivery().keys()
    assert post.doubles == 0
    assert api.items("/lanes") == before[0]
    assert api.items("/failures") == before[1] == []
    assert api.get("/systems/Mail")["health"]["lastError"] == before[2]["health"]["lastError"]
    installed.check()
