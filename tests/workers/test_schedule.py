"""The table of periodic jobs: Redis holds exactly it, once each, whatever happened to Redis."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from app.clock import monotonic, utc_now
from app.queueing import SHORT_SECONDS, WAKE_LIST, Alarm, connect, queue
from app.services import configuring, preferences
from app.services.installation import Installation
from app.services.preferences import PreferencesBody
from app.services.schedule_shape import ScheduleBody
from app.services.schedules import SCHEDULES
from app.shapes import parse
from workers.drain import queue_drain
from workers.schedule import DISPATCH, Periodic, reconcile, scheduler, table

KEY = "rq:scheduler:scheduled_jobs"
# What stands in the table whatever the schedule is.
ALWAYS = {"drain": 30, "sweep": 15, "prune": 86_400, "roll-up": 3_600}
HOUR = timedelta(hours=1)


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


def put(site: Installation, **fields: Any) -> None:
    """Make the schedule Mine, or replace it."""
    configuring.replace(SCHEDULES, site, "a test", "Mine", parse(ScheduleBody, fields))


def once(at: datetime) -> Periodic:
    """Return the pass at that time, as a cron line has it."""
    return Periodic(f"dispatch-{at:%Y%m%dT%H%M%S}", DISPATCH, None, at)


def entries(client: Redis) -> dict[str, int | None]:
    """Return the periodic jobs in Redis with their seconds; None: once."""
    return {job.id: job.meta.get("interval") for job in scheduler(client).get_jobs()}


def times(client: Redis) -> dict[str, datetime]:
    """Return the jobs in Redis that run once, with their times."""
    found = scheduler(client).get_jobs(with_times=True)
    return {job.id: at.replace(tzinfo=UTC) for job, at in found if "interval" not in job.meta}


def full_second() -> datetime:
    """Return the time now as the table in Redis holds it."""
    return utc_now().replace(microsecond=0)


def test_the_table_follows_the_schedule_of_the_pass(site: Installation, redis: Redis) -> None:
    reconcile(redis, table(site))
    assert entries(redis) == ALWAYS | {"dispatch": 1800}

    schedule(site, "30 Second Schedule")
    assert sorted(reconcile(redis, table(site))) == ["+dispatch", "-dispatch"]
    assert entries(redis)["dispatch"] == 30

    schedule(site, "On Demand")
    reconcile(redis, table(site))
    assert entries(redis) == ALWAYS


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

    assert entries(redis) == ALWAYS | {"dispatch": 1800}


def test_everything_is_back_after_a_flush(site: Installation, redis: Redis) -> None:
    reconcile(redis, table(site))
    redis.flushall()

    reconcile(redis, table(site))

    assert set(entries(redis)) == {*ALWAYS, "dispatch"}


def test_the_next_run_of_a_cron_line_stands_there_once_with_its_time(
    site: Installation, redis: Redis
) -> None:
    put(site, cron="0 8 * * *", zone="Asia/Tokyo")
    schedule(site, "Mine")

    reconcile(redis, table(site))

    ((name, at),) = times(redis).items()
    assert (at.hour, at.minute, at.second) == (23, 0, 0)
    assert utc_now() < at <= utc_now() + timedelta(days=1)
    assert name == f"dispatch-{at:%Y%m%dT%H%M}"
    assert entries(redis) == ALWAYS | {name: None}
    before = redis.zrange(KEY, 0, -1, withscores=True)
    assert reconcile(redis, table(site)) == []
    assert redis.zrange(KEY, 0, -1, withscores=True) == before


def test_a_change_of_the_cron_line_in_use_moves_its_entry(site: Installation, redis: Redis) -> None:
    put(site, cron="0 8 * * *")
    schedule(site, "Mine")
    reconcile(redis, table(site))
    put(site, cron="30 9 * * *")
    assert len(reconcile(redis, table(site))) == 2
    assert [(at.hour, at.minute) for at in times(redis).values()] == [(9, 30)]

    put(site, every={"n": 2, "unit": "hours"})
    reconcile(redis, table(site))
    assert entries(redis) == ALWAYS | {"dispatch": 7200}

    put(site, cron="30 9 * * *")
    reconcile(redis, table(site))
    schedule(site, "On Demand")
    reconcile(redis, table(site))
    assert entries(redis) == ALWAYS


def test_an_entry_whose_time_was_changed_is_mended(site: Installation, redis: Redis) -> None:
    wanted = once(full_second() + timedelta(hours=1))
    reconcile(redis, [wanted])
    redis.zadd(KEY, {wanted.id: 4_000_000_000})

    reconcile(redis, [wanted])

    assert times(redis) == {wanted.id: wanted.at}


def test_a_run_that_is_due_is_left_to_the_scheduler_beside_the_one_that_follows(
    site: Installation, redis: Redis
) -> None:
    due, following = once(full_second()), once(full_second() + timedelta(days=1))
    reconcile(redis, [due])

    assert reconcile(redis, [following]) == [f"+{following.id}"]
    assert set(times(redis)) == {due.id, following.id}

    scheduler(redis).enqueue_jobs()
    list(scheduler(redis).enqueue_jobs())
    assert queue(redis).get_job_ids() == [due.id]
    assert set(times(redis)) == {following.id}
    assert reconcile(redis, [following]) == []


def test_a_run_that_no_scheduler_took_for_long_is_forgotten(
    site: Installation, redis: Redis
) -> None:
    late, following = once(full_second() - timedelta(minutes=2)), once(full_second() + HOUR)
    reconcile(redis, [late])

    reconcile(redis, [following])

    assert set(times(redis)) == {following.id}


def test_two_at_once_leave_one_entry_of_each(site: Installation, redis: Redis) -> None:
    wanted = [Periodic("sweep", "workers.jobs.sweep", 15), once(full_second() + HOUR)]
    for _ in range(10):
        redis.flushall()
        reconcile(redis, [once(full_second() + 2 * HOUR), Periodic("sweep", "a.b", 7)])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: reconcile(redis, wanted), range(4)))

        assert entries(redis) == {"sweep": 15, wanted[1].id: None}
        assert times(redis) == {wanted[1].id: wanted[1].at}
        assert redis.zcard(KEY) == 2


def test_jobs_are_json_and_carry_no_pickle(site: Installation, redis: Redis) -> None:
    reconcile(redis, [*table(site), once(full_second() + HOUR)])
    queue_drain(redis)

    jobs = [key for key in redis.scan_iter("rq:job:*")]
    assert len(jobs) == len(table(site)) + 2
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


def test_an_entry_that_a_clock_set_back_has_moved_far_ahead_is_added_anew(
    site: Installation, redis: Redis
) -> None:
    reconcile(redis, table(site))
    redis.zadd(KEY, {"sweep": full_second().timestamp() + 3600})

    assert sorted(reconcile(redis, table(site))) == ["+sweep", "-sweep"]

    assert (redis.zscore(KEY, "sweep") or 0.0) <= full_second().timestamp() + 16
