"""Group commit: items of many threads share one transaction, each answered after its commit."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from app.errors import StorageUnavailable, TocsinError

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")
TRIES = 5


class _Waiting(Generic[T, R]):
    """One item in the queue, with the place for its answer."""

    def __init__(self, item: T) -> None:
        self.item = item
        self.answered = threading.Event()
        self.result: R | None = None
        self.error: Exception | None = None
        self.taken = False
        self.given_up = False


class GroupCommit(Generic[T, R]):
    """Collects items and hands them to `apply` in batches, from one thread per process.

    `apply` runs one transaction over all items and returns one result each, after the commit. When
    it fails for a batch, each item is tried alone, so that a bad one does not fail its neighbours.
    """

    def __init__(self, name: str, apply: Callable[[Sequence[T]], Sequence[R]], most: int) -> None:
        self._name, self._apply, self._most = name, apply, most
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._queue: deque[_Waiting[T, R]] = deque()
        self._wanted = threading.Condition()
        self._thread: threading.Thread | None = None

    def submit(self, item: T, timeout: float) -> R:
        """Return the result of `item`, durable; raises what `apply` raised for it.

        Raises StorageUnavailable after `timeout` seconds; then the item is not stored, unless its
        transaction was under way already (the sender repeats with its idempotency key).
        """
        waiting: _Waiting[T, R] = _Waiting(item)
        self._enqueue(waiting)
        if not waiting.answered.wait(timeout):
            self._give_up(waiting)
        if waiting.error is not None:
            raise waiting.error
        return waiting.result  # type: ignore[return-value]  # answered without an error

    def _enqueue(self, waiting: _Waiting[T, R]) -> None:
        if self._pid != os.getpid():
            self._reset()  # forked: the parent's thread does not exist here
        with self._wanted:
            self._queue.append(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._wanted.notify()

    def _give_up(self, waiting: _Waiting[T, R]) -> None:
        with self._wanted:
            waiting.given_up = not waiting.taken
        if waiting.given_up or not waiting.answered.wait(1.0):
            raise StorageUnavailable("The database did not take this in time; send it again.")

    def _run(self) -> None:
        while True:
            with self._wanted:
                while not self._queue:
                    self._wanted.wait()
                batch = self._take()
            if batch:
                self._answer(batch)

    def _take(self) -> list[_Waiting[T, R]]:
        batch = []
        while self._queue and len(batch) < self._most:
            waiting = self._queue.popleft()
            if not waiting.given_up:
                waiting.taken = True
                batch.append(waiting)
        return batch

    def _answer(self, batch: list[_Waiting[T, R]]) -> None:
        try:
            results = self._apply([waiting.item for waiting in batch])
        except TocsinError as error:
            self._fail(batch, error)
        except Exception as error:
            log.exception("a batch of %d failed in %s", len(batch), self._name)
            self._fail(batch, error)
        else:
            for waiting, result in zip(batch, results, strict=True):
                waiting.result = result
                waiting.answered.set()

    def _fail(self, batch: list[_Waiting[T, R]], error: Exception) -> None:
        """Try each alone, unless nothing can be stored anyway."""
        if len(batch) > 1 and not isinstance(error, StorageUnavailable):
            for waiting in batch:
                self._answer([waiting])
            return
        for waiting in batch:
            waiting.error = error
            waiting.answered.set()
