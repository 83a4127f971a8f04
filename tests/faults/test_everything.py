"""Kill -9 of every process at once, under load, and a new start."""

from __future__ import annotations

from tests.harness.books import assert_stored_once, wait_until_told
from tests.harness.mails import Post
from tests.harness.product import Product
from tests.harness.rounds import rounds
from tests.harness.senders import Load, Wish
from tests.harness.waiting import grows

INTEGRATIONS = 8
MOST_CONNECTIONS = 4


def test_a_kill_of_everything_under_load_loses_nothing(product: Product, post: Post) -> None:
    api = product.api
    post.script.delays = {"DOT": 0.02}
    api.mail_system("Mail", post.port)
    for number in range(INTEGRATIONS):
        api.register(f"job-{number}", "Mail")
    kills = rounds(2, 20)

    def make(number: int) -> Wish:
        return Wish(f"job-{number % INTEGRATIONS}", f"K{number}")

    with Load(api, make, at_once=2, pause=0.01) as load:
        for _ in range(kills):
            grows("mails", lambda: len(post.box.mails), 10)
            product.kill_all()
            product.start()

    wait_until_told(api, post, load.ledger)
    assert_stored_once(api, load.ledger)
    assert post.doubles <= kills * MOST_CONNECTIONS
    assert not api.items("/deliveries", state="dead")
    product.check()
