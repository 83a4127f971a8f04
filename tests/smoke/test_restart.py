"""Stopping and starting: politely, by kill -9, with a wrong setting, with a Redis outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.mails import Post
from tests.harness.product import Product, free_port
from tests.harness.redis import OutsideRedis
from tests.harness.senders import Ledger, Wish, send_all
from tests.harness.waiting import PATIENCE, eventually

REPORTS = "/api/v1/integrations/kept/failures"


def test_a_key_is_remembered_over_a_restart(product: Product, post: Post) -> None:
    api = product.api
    api.mail_system("Mail", post.port)
    api.register("kept", "Mail")
    body = {"id": "key-1", "kind": "global", "errorCode": "E", "message": "It broke."}
    first = api.ask("POST", REPORTS, body).of(202)
    post.wait(1)

    product.stop()
    product.start()

    again = api.ask("POST", REPORTS, body).of(202)
    assert again == first | {"duplicate": True}
    by_header = {name: value for name, value in body.items() if name != "id"}
    headers = {"Idempotency-Key": "key-1"}
    assert api.ask("POST", REPORTS, by_header, headers).of(202) == again
    api.ask("POST", REPORTS, body | {"message": "Another one."}).of(409)
    assert api.get(f"/failures/{first['failure']['id']}")["count"] == 1
    assert len(post.box.mails) == 1


def test_a_stop_with_mails_in_flight_ends_in_time_and_doubles_nothing(
    product: Product, post: Post
) -> None:
    api = product.api
    post.script.delays = {"DOT": 1.5}  # 20 mails take many seconds
    api.mail_system("One", post.port)
    api.mail_system("Two", post.port)
    names = [f"job-{number}" for number in range(20)]
    for number, name in enumerate(names):
        api.register(name, "One" if number % 2 else "Two")
    send_all(api, [Wish(name, f"K-{name}") for name in names], Ledger())
    post.wait(1)

    assert product.stop() <= 35
    assert len(post.box.mails) < 20, "all were sent before the stop"
    post.script.delays = {}
    product.start()

    post.wait(20)
    eventually("all delivered", lambda: len(api.items("/deliveries", state="delivered")) == 20)
    assert post.doubles == 0
    product.check()


def test_a_start_after_kill_9_of_everything_goes_on(product: Product, post: Post) -> None:
    api = product.api
    post.script.delays = {"DOT": 0.3}
    api.mail_system("Mail", post.port)
    names = [f"job-{number}" for number in range(10)]
    for name in names:
        api.register(name, "Mail")
    send_all(api, [Wish(name, f"K-{name}") for name in names], Ledger())
    post.wait(1)

    product.kill_all()
    post.script.delays = {}
    product.start()

    eventually("all delivered", lambda: len(api.items("/deliveries", state="delivered")) == 10)
    assert len(post.by_delivery()) == 10
    assert post.doubles <= 2  # the lane had two connections
    product.check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_PORT", "http"),
        ("TOCSIN_REDIS_URL", "http://x"),
        ("TOCSIN_WROKERS", "2"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_name(
    installed: Product, name: str, value: str
) -> None:
    installed.environ[name] = value

    code = installed.launch().wait(PATIENCE)

    assert code == 2
    (line,) = installed.output.strip().splitlines()
    assert name in line


def test_a_second_start_on_the_same_directory_refuses(running: Product) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "workers"],
        env=running.environ | {"TOCSIN_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert second.returncode == 3
    assert str(running.supervisor) in second.stderr
    eventually("a ready product", running.ready)


def test_an_outside_redis_is_used_instead_of_the_embedded_one(
    installed: Product, post: Post, tmp_path: Path
) -> None:
    with OutsideRedis(tmp_path) as server:
        installed.environ["TOCSIN_REDIS_URL"] = f"{server.url}/3"
        installed.start()
        api = installed.api
        api.mail_system("Mail", post.port)
        api.register("outside", "Mail")
        api.fail("outside")
        post.wait(1)
        assert not (installed.run_dir / "redis-1.pid").exists()
        with installed.redis() as redis:
            assert redis.zcard("rq:scheduler:scheduled_jobs")
        installed.stop()
