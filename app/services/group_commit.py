"""Group commit: items of many threads share one transaction, each answered after its commit."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from app.clock import monotonic
from app.errors import StorageUnavailable, TocsinError

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")
# A transaction that waited for so long in vain: the database is held, not merely away for a moment.
LONG_SECONDS = 5.0
IN_VAIN = "The database did not take this in time; send it again."


class _Waiting(Generic[T, R]):
    """One item in the queue, with the place for its answer."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.answered = threading.Event()
        self.result: R | None = None
        self.error: Exception | None = None
        self.taken = False
        self.given_up = False


class Batch(list[T], Generic[T, R]):
    """The items that are applied together, with those who wait for their answers."""

    def __init__(self, group: GroupCommit[T, R], waiting: list[_Waiting[T, R]], most: int) -> None:
        super().__init__(one.item for one in waiting)
        self.waiting = waiting
        self._group, self._most = group, most

    def fill(self) -> None:
        """Take in what has come since."""
        more = self._group.take(self._most - len(self))
        self.waiting += more
        self.extend(one.item for one in more)


def fill(items: Sequence[object]) -> None:
    """Let a batch take in what came while its transaction waited for its turn to write.

    The busier the database is, the more items share a commit. Other sequences stay as they are.
    """
    if isinstance(items, Batch):
        items.fill()


class GroupCommit(Generic[T, R]):
    """Collects items and hands them to `apply` in batches, from one thread per process.

    `apply` runs one transaction over all items and returns one result each, after the commit; it
    may `fill` them first. When it fails for a batch, each item is tried alone, so that a bad one
    does not fail its neighbours. After one that waited long in vain, or while somebody has, nobody
    queues behind: the callers are threads that others need, for reading.
    """

    def __init__(self, name: str, apply: Callable[[Sequence[T]], Sequence[R]], most: int) -> None:
        self._name, self._apply, self._most = name, apply, most
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._queue: deque[_Waiting[T, R]] = deque()
        self._wanted = threading.Condition()
        self._thread: threading.Thread | None = None
        self._outage: str | None = None
        self._trying = False

    def submit(self, item: T, timeout: float) -> R:
        """Return the result of `item`, durable; raises what `apply` raised for it.

        Raises StorageUnavailable after `timeout` seconds; then the item is not stored, unless its
        transaction was under way already (the sender repeats with its idempotency key).
        """
        waiting: _Waiting[T, R] = _Waiting(item)
        self._enqueue(waiting)
        if not waiting.answered.wait(timeout):
            self._give_up(waiting, timeout)
        if waiting.error is not None:
            raise waiting.error
        return waiting.result  # type: ignore[return-value]  # answered without an error

    def _enqueue(self, waiting: _Waiting[T, R]) -> None:
        if self._pid != os.getpid():
            self._reset()  # forked: the parent's thread does not exist here
        with self._wanted:
            if self._outage is not None and self._trying:
                raise StorageUnavailable(self._outage)
            self._queue.append(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._wanted.notify()

    def _give_up(self, waiting: _Waiting[T, R], waited: float) -> None:
        with self._wanted:
            waiting.given_up = not waiting.taken
        if waiting.given_up or not waiting.answered.wait(1.0):
            if waited >= LONG_SECONDS:
                self._outage = IN_VAIN
            raise StorageUnavailable(IN_VAIN)

    def _run(self) -> None:
        while True:
            with self._wanted:
                while not self._queue:
                    self._wanted.wait()
            if batch := self.take(self._most):
                self._trying = True
                self._answer(Batch(self, batch, self._most))
                self._trying = False

    def take(self, most: int) -> list[_Waiting[T, R]]:
        """Take the first of the queue, who will be answered now."""
        taken: list[_Waiting[T, R]] = []
        with self._wanted:
            while self._queue and len(taken) < most:
                waiting = self._queue.popleft()
                if not waiting.given_up:
                    waiting.taken = True
                    taken.append(waiting)
        return taken

    def _answer(self, batch: Batch[T, R]) -> None:
        began = monotonic()
        try:
            results = self._apply(batch)
        except TocsinError as error:
            self._note_outage(error, monotonic() - began)
            self._fail(batch, error)
        except Exception as error:
            log.exception("a batch of %d failed in %s", len(batch), self._name)
            self._fail(batch, error)
        else:
            self._outage = None
            for waiting, result in zip(batch.waiting, results, strict=True):
                waiting.result = result
                waiting.answered.set()

    def _note_outage(self, error: TocsinError, seconds: float) -> None:
        held = isinstance(error, StorageUnavailable) and seconds >= LONG_SECONDS
        self._outage = str(error) if held else None

    def _fail(self, batch: Batch[T, R], error: Exception) -> None:
        """Try each alone, unless nothing can be stored anyway."""
        if len(batch) > 1 and not isinstance(error, StorageUnavailable):
            for waiting in batch.waiting:
                self._answer(Batch(self, [waiting], most=1))
            return
        for waiting in batch.waiting:
            waiting.error = error
            waiting.answered.set()
