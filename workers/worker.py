"""The worker process: an RQ SimpleWorker on the one queue; its jobs are thin."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from flask import Flask
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from app import clock
from app.errors import StorageUnavailable
from app.queueing import LONG_SECONDS, JsonJob, connect, queue
from app.services.installation import installation
from workers import jobs  # noqa: F401 - imported before the first job is looked up
from workers.drain import Drainer, bind, queue_drain

log = logging.getLogger(__name__)

T = TypeVar("T")
START_SECONDS = 1.0
# What a dead worker leaves in RQ is found within a minute (facts.md, RQ).
WORKER_TTL, MAINTENANCE_SECONDS, MONITORING_SECONDS = 30, 10, 5


class DrainingWorker(SimpleWorker):
    """A SimpleWorker whose long drain ends as soon as a stop is asked for."""

    drainer: Drainer

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop after what is being sent; without Redis the request is simply not written down."""
        self.drainer.stop()
        try:
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            raise SystemExit(0) from None


def _in_time(start: Callable[[], T]) -> T:
    """Wait for a database and a Redis that take nothing yet: to die would not help."""
    while True:
        try:
            return start()
        except (StorageUnavailable, RedisError, OSError) as error:
            log.warning("the worker cannot begin yet: %s", error)
            clock.sleep(START_SECONDS)


def run(app: Flask) -> None:
    """Work until SIGTERM; ends with an error when Redis stays away, to be started again."""
    site = installation(app)
    client = connect(site.settings)
    drainer = _in_time(lambda: Drainer(site, connect(site.settings, seconds=LONG_SECONDS)))
    bind(drainer)
    worker = DrainingWorker(
        [queue(client)],
        name=f"worker-{os.getpid()}-{secrets.token_hex(4)}",
        connection=client,
        job_class=JsonJob,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL,
        maintenance_interval=MAINTENANCE_SECONDS,
        job_monitoring_interval=MONITORING_SECONDS,
    )
    worker.drainer = drainer
    worker.log.setLevel(logging.WARNING)
    _in_time(lambda: queue_drain(client))
    try:
        worker.work(logging_level="WARNING")
    finally:
        drainer.finish()
