"""The alarm clock: RQ jobs that carry ids only, wake-ups, and the scheduler's table in Redis.

The only importer of RQ in app/. All of it may be lost, doubled or flushed at any time without harm:
the database is the queue of record (delivery.md, Who does what, 2).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from app.clock import monotonic
from app.config import Settings
from app.sockets import reachable

log = logging.getLogger(__name__)

QUEUE = "tocsin"
DRAIN = "workers.jobs.drain"
WAKE_LIST = "tocsin:wake"
WAKE_SET = "tocsin:awake"
RUNS = "runs"
JOBS = "jobs"
TESTS = "tests"
SHORT_SECONDS = 0.2
# After a wake-up that failed none is tried for so long: one that hangs costs 0.2 s of intake.
QUIET_SECONDS = 2.0
# A Redis that hangs must not hold the drain, which then looks into the database.
LONG_SECONDS = 5.0

# A lane is pushed only if it is not waiting already, so that a burst costs one wake-up.
_WAKE = """
local pushed = 0
for _, name in ipairs(ARGV) do
  if redis.call('SADD', KEYS[1], name) == 1 then
    redis.call('LPUSH', KEYS[2], name)
    pushed = pushed + 1
  end
end
return pushed
"""


class JsonJob(Job):
    """An RQ job that is JSON whoever makes it (rq-scheduler knows no serializer: facts.md)."""

    def __init__(
        self, id: str | None = None, connection: Redis | None = None, serializer: Any = None
    ) -> None:
        super().__init__(id, connection, serializer or JSONSerializer)


def connect(settings: Settings, *, seconds: float | None = None) -> Redis:
    """Return a client that gives up after `seconds` without a retry; None: it is patient."""
    manner: dict[str, Any] = {"health_check_interval": 30}
    if seconds is not None:
        manner = {
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "retry": Retry(NoBackoff(), 0),
        }
    if settings.redis_url is not None:
        return Redis.from_url(settings.redis_url, **manner)
    return Redis(unix_socket_path=reachable(settings.redis_socket), **manner)


class Alarm:
    """Wakes workers; never raises, as the sweep finds within 15 s what was not woken."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Redis | None = None
        self._script: Any = None
        self._owed: set[str] = set()
        self._quiet_until = float("-inf")

    @property
    def client(self) -> Redis:
        """The impatient client, made at first use (after the fork)."""
        if self._client is None:
            self._client = connect(self._settings, seconds=SHORT_SECONDS)
            self._script = self._client.register_script(_WAKE)
        return self._client

    def wake(self, names: Iterable[str]) -> bool:
        """Wake the workers for `names` (lane ids, or RUNS, JOBS, TESTS); return if Redis took it.

        What it did not take goes with a later wake-up of this process, or by the sweep.
        """
        wanted = sorted({*names, *self._owed.copy()})
        if not wanted:
            return True
        if monotonic() < self._quiet_until:
            self._owed.update(wanted)
            return False
        try:
            client = self.client
            self._script(keys=[WAKE_SET, WAKE_LIST], args=wanted, client=client)
        except (RedisError, OSError) as error:
            self._quiet_until = monotonic() + QUIET_SECONDS
            self._owed.update(wanted)
            log.warning("Redis is away, the sweep will find what waits: %s", error)
            return False
        self._owed.difference_update(wanted)
        return True

    def alive(self) -> float | None:
        """Return the seconds of a PING, or None when Redis is away."""
        began = monotonic()
        try:
            self.client.ping()
        except (RedisError, OSError):
            return None
        return monotonic() - began


def queue(client: Redis) -> Queue:
    """Return the one queue of the workers."""
    return Queue(QUEUE, connection=client, job_class=JsonJob, serializer=JSONSerializer)
