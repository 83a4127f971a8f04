"""Deleting in small steps: each transaction is short, and gives way to the others behind it.

On SQLite there is one writer at a time, so that intake waits for as long as a step holds the lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from sqlalchemy import Connection

from app import clock
from app.services.installation import Installation
from app.services.sql import patiently

# Bulk writers hold the lock for at most 20 ms at a time (delivery.md); a step aims at half of it.
GOAL_SECONDS = 0.010
LEAST, FIRST, MOST = 40, 100, 2_000
# The lock is free for at least as long as it was held, and never shorter than this.
SHORTEST_PAUSE = 0.002
# Some 1,000 pages, after which SQLite itself would stop and do it.
CHECKPOINT_SECONDS = 0.1


@dataclass(frozen=True)
class Found:
    """Keys of rows that are old, and where to look further; `last` None: there are no more."""

    keys: Sequence[Any]
    last: Any


class Rule(Protocol):
    """Which rows of one table are pruned."""

    @property
    def name(self) -> str:
        """What the rows are, in the log."""

    def find(self, connection: Connection, after: Any) -> Found:
        """Return some old rows behind `after` (None: the first ones), by an index."""

    def delete(self, connection: Connection, keys: Sequence[Any]) -> int:
        """Delete those of `keys` that are still old, with all that is theirs; return how many."""


class Pace:
    """How many rows a step takes: as many as it can delete in the time that it may hold the lock.

    Halved when a step was too slow, and raised by a quarter when it was much faster.
    """

    def __init__(self) -> None:
        self.rows = FIRST
        self._since_checkpoint = 0.0

    def note(self, rows: int, seconds: float) -> None:
        """Learn from a step that took so long for so many rows."""
        if seconds > GOAL_SECONDS:
            self.rows = max(LEAST, min(self.rows, rows) // 2)
        elif seconds < GOAL_SECONDS / 2 and rows >= self.rows:
            self.rows = min(MOST, self.rows + self.rows // 4)
        self._since_checkpoint += seconds

    def asks_for_checkpoint(self) -> bool:
        """Whether as much was written since the last one as is copied in one go."""
        due = self._since_checkpoint >= CHECKPOINT_SECONDS
        if due:
            self._since_checkpoint = 0.0
        return due


def delete_by(site: Installation, rule: Rule) -> Iterator[int]:
    """Delete what `rule` finds, and yield how many rows after each step; each is a transaction.

    May be ended after any step, and begun anew. Raises StorageUnavailable.
    """
    pace, after = Pace(), None
    while True:
        with site.store.reading() as connection:
            found = rule.find(connection, after)
        yield from _steps(site, rule, found.keys, pace)
        after = found.last
        if after is None:
            return


def _steps(site: Installation, rule: Rule, keys: Sequence[Any], pace: Pace) -> Iterator[int]:
    place = 0
    while place < len(keys):
        some = keys[place : place + pace.rows]
        deleted, seconds = patiently(partial(_step, site, rule, some))
        pace.note(len(some), seconds)
        place += len(some)
        if pace.asks_for_checkpoint():
            site.store.checkpoint()
        clock.sleep(max(seconds, SHORTEST_PAUSE))
        yield deleted


def _step(site: Installation, rule: Rule, keys: Sequence[Any]) -> tuple[int, float]:
    with site.store.bulk_writing() as connection:
        began = clock.monotonic()
        deleted = rule.delete(connection, keys)
    return deleted, clock.monotonic() - began
