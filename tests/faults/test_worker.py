"""Workers that die: what they held goes on, and a delivery that kills them is set aside."""

from __future__ import annotations

from tests.harness.books import assert_stored_once, wait_until_told
from tests.harness.mails import Post
from tests.harness.product import Product
from tests.harness.rounds import rounds
from tests.harness.senders import Load, Wish
from tests.harness.waiting import eventually, grows

INTEGRATIONS = 12
MOST_CONNECTIONS = 2 * 4  # two lanes
MORE = 5 * MOST_CONNECTIONS


def test_a_kill_of_the_worker_under_load_sends_everything(product: Product, post: Post) -> None:
    api = product.api
    post.script.delays = {"DOT": 0.01}
    for name in ("Even", "Odd"):
        api.mail_system(name, post.port)
    for number in range(INTEGRATIONS):
        api.register(f"job-{number}", "Odd" if number % 2 else "Even")
    kills = rounds(4, 50)

    def make(number: int) -> Wish:
        return Wish(f"job-{number % INTEGRATIONS}", f"K{number}")

    with Load(api, make, at_once=2, pause=0.02) as load:
        for _ in range(kills):
            # Enough for every connection to be done with the mails that it began with: what is
            # in flight at three deaths in a row is quarantined, whoever killed the worker.
            grows("mails", lambda: len(post.box.mails), MORE)
            product.restarted("worker-1", product.kill("worker-1"))

    wait_until_told(api, post, load.ledger)
    assert_stored_once(api, load.ledger)
    assert post.doubles <= kills * MOST_CONNECTIONS
    assert not api.items("/deliveries", state="dead")
    product.check()


def test_a_delivery_that_ends_its_worker_three_times_is_quarantined(
    installed: Product, post: Post
) -> None:
    installed.start(FAILPOINT="6:1")  # after the attempt row, before connecting
    api = installed.api
    api.set(postNotificationSchedule="On Demand")
    api.mail_system("Mail", post.port)
    for name in ("poison", "other-1", "other-2"):
        api.register(name, "Mail")

    api.fail("poison")
    for death in range(1, 4):
        eventually("a death", lambda: installed.fired)
        if death < 3:
            installed.rearm()
    # What ended a worker is sent last: before its last death these would go first, and be hit.
    api.fail("other-1")
    api.fail("other-2")

    mails = post.wait(2)
    assert {mail["To"] for mail in mails} == {"other-1@example.com", "other-2@example.com"}
    (dead,) = eventually("quarantine", lambda: api.items("/deliveries", state="dead"))
    assert dead["reason"] == "quarantined"
    attempts = api.get(f"/deliveries/{dead['id']}")["attempts"]
    assert sum(attempt["count"] for attempt in attempts) == 3
    assert {attempt["verdict"] for attempt in attempts} == {"unknown"}
    # Said until somebody looks at it: other mail of the integration does not mend it.
    api.fail("poison", errorCode="HARMLESS")
    post.wait(3)
    query = {"errorType": "other", "integration": "poison", "state": "open"}
    (other,) = api.items("/failures", **query)
    assert "quarantined" in other["message"]
    assert other["entityId"] == f"delivery {dead['id']}"
    installed.check()
