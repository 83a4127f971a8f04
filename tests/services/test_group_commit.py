"""Group commit: items of many threads share a transaction, and fail alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.errors import StorageUnavailable
from app.services import group_commit
from app.services.group_commit import GroupCommit


class Applied:
    """Notes the batches; slow, so that items queue up behind it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.may_go.wait(10)
        self.batches.append(list(items))
        if 13 in items:
            raise ValueError("13 cannot be stored")
        return [item * 2 for item in items]


@pytest.fixture
def applied() -> Applied:
    """Return the applier of a test."""
    return Applied()


def _being_applied(
    pool: ThreadPoolExecutor, group: GroupCommit[int, int], item: int
) -> Future[int]:
    """Submit the first item, and return when its batch is under way."""
    submitted = pool.submit(group.submit, item, 10.0)
    while not group._thread or group._queue:
        threading.Event().wait(0.001)
    return submitted


def test_what_queues_up_meanwhile_shares_the_next_batch(applied: Applied) -> None:
    group = GroupCommit("test", applied, 500)
    applied.may_go.clear()

    with ThreadPoolExecutor(20) as pool:
        futures = [_being_applied(pool, group, 100)]
        futures += [pool.submit(group.submit, number, 10.0) for number in range(101, 120)]
        while len(group._queue) < 19:
            threading.Event().wait(0.001)
        applied.may_go.set()
        results = [future.result() for future in futures]

    assert results == [number * 2 for number in range(100, 120)]
    assert [len(batch) for batch in applied.batches] == [1, 19]


def test_one_bad_item_fails_alone(applied: Applied) -> None:
    group = GroupCommit("test", applied, 500)

    with ThreadPoolExecutor(20) as pool:
        futures = {number: pool.submit(group.submit, number, 10.0) for number in range(20)}
        good = {number: future.result() for number, future in futures.items() if number != 13}
        with pytest.raises(ValueError, match="13"):
            futures[13].result()

    assert good == {number: number * 2 for number in range(20) if number != 13}


def test_a_batch_is_no_larger_than_it_may_be(applied: Applied) -> None:
    group = GroupCommit("test", applied, 3)
    applied.may_go.clear()

    with ThreadPoolExecutor(10) as pool:
        futures = [pool.submit(group.submit, number, 10.0) for number in range(10)]
        while len(group._queue) < 7:  # at most three of them are being applied
            threading.Event().wait(0.001)
        applied.may_go.set()
        assert sorted(future.result() for future in futures) == [n * 2 for n in range(10)]

    assert max(len(batch) for batch in applied.batches) == 3


def test_who_gives_up_waiting_is_told_so_and_is_not_stored(applied: Applied) -> None:
    group = GroupCommit("test", applied, 500)
    applied.may_go.clear()

    with ThreadPoolExecutor(2) as pool:
        first = _being_applied(pool, group, 1)
        with pytest.raises(StorageUnavailable):
            group.submit(2, 0.05)
        applied.may_go.set()
        assert first.result() == 2

    assert group.submit(3, 10.0) == 6
    assert applied.batches == [[1], [3]]


def test_nobody_queues_where_somebody_has_waited_long_in_vain(
    applied: Applied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "LONG_SECONDS", 0.05)
    group = GroupCommit("test", applied, 500)
    applied.may_go.clear()
    with ThreadPoolExecutor(2) as pool:
        first = _being_applied(pool, group, 1)
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="in time"):
                group.submit(2, 0.05)
        assert len(group._queue) == 1, "the second one has queued as well"
        applied.may_go.set()
        assert first.result() == 2

    assert group.submit(3, 10.0) == 6


def test_it_works_on_in_a_forked_process(applied: Applied) -> None:
    group = GroupCommit("test", applied, 500)
    group.submit(1, 10.0)

    child = os.fork()
    if child == 0:
        os._exit(0 if group.submit(5, 10.0) == 10 else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
