"""The table of periodic jobs: Redis holds exactly it, once each, whatever happened to Redis."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis

from app.clock import monotonic
from app.queueing import SHORT_SECONDS, WAKE_LIST, Alarm, connect, queue
from app.services import preferences
from app.services.installation import Installation
from app.services.preferences import PreferencesBody
from app.shapes import parse
from workers.drain import queue_drain
from workers.schedule import reconcile, scheduler, table

KEY = "rq:scheduler:scheduled_jobs"


@pytest.fixture
def redis(site: Installation, redis_server: Path) -> Iterator[Redis]:
    """Return a client of a real server."""
    client = Redis(unix_socket_path=str(redis_server))
    yield client
    client.flushall()
    client.close()


def schedule(site: Installation, name: str) -> None:
    """Let the pass run by the schedule of that name."""
    body = parse(PreferencesBody, {"postNotificationSchedule": name})
    preferences.replace(site, "a test", body)


def entries(client: Redis) -> dict[str, int]:
    """Return the periodic jobs in Redis with their seconds."""
    return {job.id: job.meta["interval"] for job in scheduler(client).get_jobs()}


def test_the_table_follows_the_schedule_of_the_pass(site: Installation, redis: Redis) -> None:
    reconcile(redis, table(site))
    assert entries(redis) == {"drain": 30, "sweep": 15, "dispatch": 1800}

    schedule(site, "30 Second Schedule")
    assert sorted(reconcile(redis, table(site))) == ["+dispatch", "-dispatch"]
    assert entries(redis)["dispatch"] == 30

    schedule(site, "On Demand")
    reconcile(redis, table(site))
    assert entries(redis) == {"drain": 30, "sweep": 15}


def test_what_is_there_is_left_alone(site: Installation, redis: Redis) -> None:
    reconcile(redis, table(site))
    before = redis.zrange(KEY, 0, -1, withscores=True)

    assert reconcile(redis, table(site)) == []
    assert redis.zrange(KEY, 0, -1, withscores=True) == before


def test_what_is_missing_is_added_and_what_is_unknown_removed(
    site: Installation, redis: Redis
) -> None:
    reconcile(redis, table(site))
    redis.zrem(KEY, "sweep")
    redis.delete("rq:job:drain")
    scheduler(redis).enqueue_in(timedelta(hours=1), "workers.jobs.sweep", job_id="stray")

    reconcile(redis, table(site))

    assert entries(redis) == {"drain": 30, "sweep": 15, "dispatch": 1800}


def test_everything_is_back_after_a_flush(site: Installation, redis: Redis) -> None:
    reconcile(redis, table(site))
    redis.flushall()

    reconcile(redis, table(site))

    assert set(entries(redis)) == {"drain", "sweep", "dispatch"}


def test_jobs_are_json_and_carry_no_pickle(site: Installation, redis: Redis) -> None:
    reconcile(redis, table(site))
    queue_drain(redis)

    jobs = [key for key in redis.scan_iter("rq:job:*")]
    assert len(jobs) == 4
    for key in jobs:
        data = redis.hget(key, "data")
        assert isinstance(data, bytes)
        assert json.loads(zlib.decompress(data))[0].startswith("workers.jobs.")


def test_a_drain_is_queued_once(site: Installation, redis: Redis) -> None:
    for _ in range(3):
        queue_drain(redis)

    assert len(queue(redis).get_job_ids()) == 1


def test_a_wake_up_is_pushed_once_until_it_is_taken(site: Installation, redis: Redis) -> None:
    path = redis.connection_pool.connection_kwargs["path"]
    alarm = Alarm(replace(site.settings, redis_url=f"unix://{path}"))

    for _ in range(5):
        assert alarm.wake(["7", "8"])

    assert sorted(redis.lrange(WAKE_LIST, 0, -1)) == [b"7", b"8"]


def test_a_web_process_waits_no_longer_than_a_moment_for_a_redis_that_is_away(
    site: Installation,
) -> None:
    began = monotonic()

    assert site.alarm.wake(["1"]) is False
    client = connect(site.settings, seconds=SHORT_SECONDS)
    assert client.connection_pool.connection_kwargs["socket_timeout"] == 0.2
    assert monotonic() - began < 5
