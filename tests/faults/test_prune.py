"""A worker that is killed in the middle of the nightly prune: the next one goes on with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial

from tests.harness.books import assert_stored_once
from tests.harness.fixtures import calm
from tests.harness.mails import Post
from tests.harness.product import ROOT, Product
from tests.harness.rounds import rounds
from tests.harness.rows import select
from tests.harness.senders import Load, Wish
from tests.harness.waiting import eventually

OLD = 6_000
LEFT = """
    SELECT (SELECT count(*) FROM failures WHERE error_code = 'E-503')
         + (SELECT count(*) FROM deliveries WHERE message_id = '<4711.1@bench.example.com>')
"""


def age(product: Product, number: int) -> None:
    """Add failures from before the retention, each told by a mail."""
    command = [sys.executable, "-m", "bench.ageing", str(number)]
    done = subprocess.run(
        command, cwd=ROOT, env=product.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _fewer(left: Callable[[], int], before: int) -> bool:
    return left() < max(before, 1)


def test_a_prune_that_is_killed_again_and_again_comes_to_its_end(
    installed: Product, post: Post
) -> None:
    api = calm(installed).api
    api.mail_system("Mail", post.port)
    api.register("job-0", "Mail")
    api.fail("job-0", errorCode="YOUNG")
    post.wait(1)
    installed.stop()
    age(installed, OLD)
    installed.start()

    def left() -> int:
        ((number,),) = select(installed, LEFT)
        return int(number)

    with Load(api, lambda number: Wish("job-0", f"K{number}"), at_once=2, pause=0.02) as load:
        for _ in range(rounds(3, 30)):
            before = left()
            eventually("some to be pruned", partial(_fewer, left, before))
            installed.restarted("worker-1", installed.kill("worker-1"))
        # The first prune was that of the empty database.
        eventually("the end of a prune", lambda: installed.output.count("Pruned in") == 2, 90)
    assert left() == 0
    print(f"the longest of {load.accepted}: {max(load.ledger.took) * 1000:.0f} ms")

    assert set(load.ledger.statuses) == {202}
    assert_stored_once(api, load.ledger)
    assert len(api.items("/failures", errorCode="YOUNG")) == 1
    eventually("a mail for each", lambda: not api.items("/deliveries", state="pending"))
    installed.check()
