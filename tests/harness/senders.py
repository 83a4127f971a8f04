"""Senders as the manual tells them to be: what is not answered is sent again, with the same key."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import Any

from app import clock
from tests.harness.client import BROKEN, Api
from tests.harness.waiting import PATIENCE

REFUSED = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True)
class Wish:
    """One report to be made: its key is also its error code, so that it is a row of its own."""

    integration: str
    key: str
    accessible: bool = True

    @property
    def body(self) -> dict[str, Any]:
        """What is sent, the same each time."""
        return {
            "id": self.key,
            "kind": "global",
            "errorCode": self.key,
            "message": "The cycle stopped.",
            "accessible": self.accessible,
        }


@dataclass
class Ledger:
    """What the senders know: per key the failure's id and the time and number of its 2xx."""

    failures: dict[str, str] = field(default_factory=dict)
    answered_at: dict[str, float] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    repeats: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def send(api: Api, wish: Wish, ledger: Ledger, patience: float = PATIENCE) -> None:
    """Report until it is answered with 202; each repeat has the same key."""
    deadline = clock.monotonic() + patience
    path = f"/api/v1/integrations/{wish.integration}/failures"
    while True:
        began = clock.monotonic()
        try:
            answer = api.ask("POST", path, wish.body, timeout=20)
        except BROKEN as error:
            assert clock.monotonic() < deadline, f"never answered: {wish} ({error!r})"
            ledger.repeats += 1
            clock.sleep(0.02)
            continue
        ended = clock.monotonic()
        with ledger.lock:
            ledger.statuses[answer.status] += 1
            ledger.took.append(ended - began)
        if answer.status in REFUSED:
            assert clock.monotonic() < deadline, f"never taken: {wish} ({answer.text})"
            clock.sleep(0.1)
            continue
        document = answer.of(HTTPStatus.ACCEPTED)
        with ledger.lock:
            ledger.failures[wish.key] = document["failure"]["id"]
            ledger.answered_at[wish.key] = ended
        return


def send_all(api: Api, wishes: Sequence[Wish], ledger: Ledger, at_once: int = 4) -> None:
    """Report all of them, some at the same time; returns when each was answered with 202."""
    numbers = count()
    troubles: list[BaseException] = []

    def work() -> None:
        try:
            while (number := next(numbers)) < len(wishes):
                send(api, wishes[number], ledger)
                api.hang_up()  # the next one may reach the other web process
        except BaseException as error:
            troubles.append(error)
        finally:
            api.hang_up()

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]


class Load:
    """Senders that go on until they are told to stop: `with Load(api, make) as load`."""

    def __init__(
        self, api: Api, make: Callable[[int], Wish], at_once: int = 4, pause: float = 0.0
    ) -> None:
        self.ledger = Ledger()
        self._api, self._make, self._pause = api, make, pause
        self._numbers = count()
        self._stop = threading.Event()
        self._troubles: list[BaseException] = []
        self._threads = [threading.Thread(target=self._work) for _ in range(at_once)]

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                send(self._api, self._make(next(self._numbers)), self.ledger)
                self._stop.wait(self._pause)
        except BaseException as error:
            self._troubles.append(error)
        finally:
            self._api.hang_up()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._troubles:
            raise self._troubles[0]

    @property
    def accepted(self) -> int:
        """How many reports were answered with 2xx so far."""
        return len(self.ledger.failures)
