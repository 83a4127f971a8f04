"""A prune and a report that meet: neither loses what the other needs, on either database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select

from app.domain.kinds import FailureState
from app.models import Failure, Trace
from app.services import invariants
from app.services.housekeeping import prune
from app.services.installation import Installation
from tests.services.makers import count_of
from tests.services.spine import registered, report, rows
from tests.simulated import Simulated

# How long the other is given to do what it should not.
MOMENT = 0.5


class Halt:
    """Halts whoever is the first to run a statement, before or after it, until it may go on."""

    def __init__(self, start: str) -> None:
        self.start, self.reached, self.goes_on = start, threading.Event(), threading.Event()

    def __call__(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(self.start) and not self.reached.is_set():
            self.reached.set()
            assert self.goes_on.wait(20)


@contextmanager
def halted(site: Installation, when: str, start: str) -> Iterator[Halt]:
    """Halt at the first statement that begins with `start`."""
    halt = Halt(start)
    event.listen(site.store.engine, f"{when}_cursor_execute", halt)
    try:
        yield halt
    finally:
        halt.goes_on.set()
        event.remove(site.store.engine, f"{when}_cursor_execute", halt)


def meet(halt: Halt, first: Callable[[], Any], second: Callable[[], Any]) -> None:
    """Run `first` up to its halt, then `second` as far as it gets, then both to their ends."""
    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert halt.reached.wait(20)
    threads[1].start()
    threads[1].join(MOMENT)
    halt.goes_on.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def traces(site: Installation) -> list[bytes]:
    """Return the hashes of all traces."""
    with site.store.reading() as connection:
        return list(connection.scalars(select(Trace.hash)))


def test_a_failure_that_is_just_being_repeated_is_not_pruned(
    site: Installation, simulated: Simulated
) -> None:
    registered(site)
    report(site, errorCode="E")
    simulated.passes(days=63)

    with halted(site, "before", "UPDATE failures") as halt:
        meet(halt, lambda: report(site, errorCode="E"), lambda: prune(site))

    (row,) = rows(site, Failure)
    assert row.count == 2


def test_a_failure_that_is_just_being_pruned_is_counted_anew(
    site: Installation, simulated: Simulated
) -> None:
    registered(site)
    report(site, errorCode="E")
    simulated.passes(days=63)

    with halted(site, "after", "DELETE FROM failures") as halt:
        meet(halt, lambda: prune(site), lambda: report(site, errorCode="E"))

    (row,) = rows(site, Failure)
    assert (row.count, row.state) == (1, FailureState.OPEN)


def test_a_trace_that_is_just_being_used_again_is_not_pruned(
    site: Installation, simulated: Simulated
) -> None:
    registered(site)
    report(site, errorCode="E", trace="the one")
    report(site, errorCode="E", trace="another")
    simulated.passes(days=2)

    with halted(site, "before", "INSERT INTO failures") as halt:
        meet(halt, lambda: report(site, errorCode="F", trace="the one"), lambda: prune(site))

    assert sorted(row.trace_hash for row in rows(site, Failure)) == sorted(traces(site))
    assert invariants.check(site) == []


def test_a_trace_that_is_just_being_pruned_is_stored_again(
    site: Installation, simulated: Simulated
) -> None:
    registered(site)
    report(site, errorCode="E", trace="the one")
    report(site, errorCode="E", trace="another")
    simulated.passes(days=2)

    with halted(site, "after", "DELETE FROM traces") as halt:
        meet(halt, lambda: prune(site), lambda: report(site, errorCode="F", trace="the one"))

    assert count_of(site, Trace) == 2
    assert invariants.check(site) == []


@pytest.mark.parametrize("hours", [1, 11, 13, 36])
def test_a_trace_that_was_used_again_is_kept_whenever_that_was(
    site: Installation, simulated: Simulated, hours: int
) -> None:
    registered(site)
    report(site, errorCode="E", trace="the one")
    simulated.passes(hours=hours)
    report(site, errorCode="F", trace="the one")
    report(site, errorCode="E", trace="another")
    simulated.passes(days=61)

    prune(site)

    assert count_of(site, Trace) == 2
