"""PostgreSQL killed, stopped, out of connections: reports are refused, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app import clock
from tests.harness.books import assert_stored_once, wait_until_told
from tests.harness.client import ADMIN_KEY, Answer
from tests.harness.fixtures import calm, installation
from tests.harness.mails import Post
from tests.harness.postgresql import CLIENT, ROLE, OutsidePostgresql
from tests.harness.product import Product
from tests.harness.rounds import rounds
from tests.harness.senders import Load, Wish
from tests.harness.waiting import eventually

INTEGRATIONS = 4
MOST_CONNECTIONS = 4
AWAY = 2.0
BACK = 15  # seconds after the server is back


@pytest.fixture
def server(shared_directory: Path) -> Iterator[OutsidePostgresql]:
    """A PostgreSQL of the test's own."""
    directory = shared_directory / "outside"
    directory.mkdir(mode=0o755)
    with OutsidePostgresql(directory) as made:
        yield made


@pytest.fixture
def product(server: OutsidePostgresql) -> Iterator[Product]:
    """A running product on it."""
    with installation(lambda directory: _environ(directory, server)) as made:
        yield calm(made)


def _environ(directory: Path, server: OutsidePostgresql) -> dict[str, str]:
    return {
        "TOCSIN_DATA_DIR": str(directory),
        "TOCSIN_API_KEY": ADMIN_KEY,
        "TOCSIN_DATABASE_URL": server.url,
    }


def _make(number: int) -> Wish:
    return Wish(f"job-{number % INTEGRATIONS}", f"K{number}")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("database")
def test_reports_are_refused_while_postgresql_is_away_and_all_goes_on_after(
    product: Product, post: Post, server: OutsidePostgresql
) -> None:
    api = product.api
    post.script.delays = {"DOT": 0.02}
    api.mail_system("Mail", post.port)
    for number in range(INTEGRATIONS):
        api.register(f"job-{number}", "Mail")

    with Load(api, _make, at_once=2, pause=0.02) as load:
        for _ in range(rounds(1, 20)):
            for end, away in ((server.kill, AWAY), (server.stop, 0.0)):
                _let_go(post)
                end()
                _refused(product)
                clock.sleep(away)
                server.start()
                _goes_on(post, load)
            _let_go(post)
            with _Hogs(server) as hogs:
                hogs.take_all()
                _refused(product)
            _goes_on(post, load)

    wait_until_told(api, post, load.ledger, BACK)
    print(f"answers: {load.ledger.statuses}, cut off: {load.ledger.repeats}")
    assert set(load.ledger.statuses) == {202, 503}
    assert_stored_once(api, load.ledger)
    assert post.doubles <= 3 * MOST_CONNECTIONS * rounds(1, 20)
    assert not api.items("/deliveries", state="dead")
    eventually("a ready product", product.ready)
    product.check()
    product.stop()


def _let_go(post: Post) -> None:
    """Wait for mails, so that some are in flight."""
    post.arrive(len(post.box.mails) + 5)


def _refused(product: Product) -> None:
    """Fail unless reports are refused by both web processes, and it is told where to look."""

    def look() -> list[Answer]:
        product.api.hang_up()
        found = [product.api.ask("POST", PATH, BODY), product.api.ask("GET", "/readyz")]
        return found if {answer.status for answer in found} == {503} else []

    refusal, readiness = eventually("a refusal", look)
    assert refusal.headers["Content-Type"] == "application/problem+json"
    assert int(refusal.headers["Retry-After"]) > 0
    assert readiness.document["checks"]["database"]["ok"] is False


PATH, BODY = "/api/v1/integrations/job-0/failures", {"kind": "global", "message": "It broke."}


def _goes_on(post: Post, load: Load) -> None:
    """Fail unless a report is taken, and a mail sent, soon after the server is back."""
    back, accepted, mails = clock.monotonic(), load.accepted, len(post.box.mails)
    eventually("a 2xx", lambda: load.accepted > accepted, BACK)
    first = clock.monotonic() - back
    eventually("a mail", lambda: len(post.box.mails) > mails, BACK)
    print(f"back: 2xx after {first:.1f} s, a mail after {clock.monotonic() - back:.1f} s")


class _Hogs:
    """Other clients, who take every connection that the server has."""

    def __init__(self, server: OutsidePostgresql) -> None:
        self._server = server
        self._all: list[psycopg.Connection] = []

    def __enter__(self) -> _Hogs:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._all:
            one.close()

    def take_all(self) -> None:
        """Take what is free, and what the product lets go as its connections are ended."""
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
        with self._server.connect("postgres", "postgres") as admin:

            def look() -> bool:
                self._take_free()
                return not admin.execute(ended, (ROLE,)).fetchall()

            eventually("all connections", look)

    def _take_free(self) -> None:
        while True:
            try:
                self._all.append(self._server.connect(CLIENT, "postgres"))
            except psycopg.OperationalError:
                return
