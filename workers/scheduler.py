"""The scheduler process: rq-scheduler over the table of periodic jobs."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask
from redis.exceptions import RedisError

from app import clock
from app.errors import TocsinError
from app.failpoints import reach
from app.queueing import connect
from app.services import processes, timekeeping
from app.services.installation import Installation, installation
from workers.schedule import reconcile, scheduler, table

log = logging.getLogger(__name__)

BEAT_SECONDS = 10.0
RECONCILE_SECONDS = 5.0


class Keeper:
    """What the scheduler does besides moving jobs: it shows that it lives, and keeps its table."""

    def __init__(self, site: Installation, client: Any) -> None:
        self._site, self._client = site, client
        self._process_id: int | None = None
        self._beaten = self._reconciled = float("-inf")

    def tend(self) -> None:
        """Beat and reconcile when it is time; a database that is away is no reason to die."""
        try:
            self._beat()
            self._reconcile()
        except TocsinError as error:
            log.warning("the scheduler goes on without the database: %s", error)

    def _beat(self) -> None:
        if clock.monotonic() - self._beaten < BEAT_SECONDS:
            return
        timekeeping.watch(self._site)
        if self._process_id is None:
            self._process_id = processes.register(self._site, "scheduler")
        else:
            processes.beat(self._site, self._process_id)
        self._beaten = clock.monotonic()

    def _reconcile(self) -> None:
        if clock.monotonic() - self._reconciled < RECONCILE_SECONDS:
            return
        reconcile(self._client, table(self._site))
        self._reconciled = clock.monotonic()


def run(app: Flask) -> None:
    """Run until SIGTERM; ends with an error when Redis stays away, to be started again."""
    site = installation(app)
    client = connect(site.settings)
    keeper, engine = Keeper(site, client), scheduler(client)
    try:
        _keep(keeper, engine)
    except (RedisError, OSError) as error:
        raise SystemExit(f"the scheduler cannot go on without Redis: {error}") from error


def _keep(keeper: Keeper, engine: Any) -> None:
    keeper.tend()
    reach(13)
    move = engine.enqueue_jobs

    def enqueue_jobs() -> Any:
        keeper.tend()
        return move()

    engine.enqueue_jobs = enqueue_jobs
    engine.run()
