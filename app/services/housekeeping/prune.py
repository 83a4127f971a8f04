"""The nightly prune: deletes what is older than it is kept (product.md 11)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Lock

from app import clock
from app.services import timekeeping
from app.services.housekeeping import mail, others, texts, turns
from app.services.housekeeping.events import Events
from app.services.housekeeping.failures import BusyFailures, Failures
from app.services.housekeeping.steps import Rule, delete_by
from app.services.installation import Installation

log = logging.getLogger(__name__)

AUDIT_DAYS = 365
# As long as the API promises to know an Idempotency-Key again, whatever the retention is.
ANSWER_DAYS = 62
# A process runs one prune at a time; so one that it owns and does not run was left by an error.
_ONE = Lock()

GoesOn = Callable[[], bool]


def prune_if_due(site: Installation, process_id: int, goes_on: GoesOn = lambda: True) -> bool:
    """Prune, once a night, and again where a prune was cut short; returns whether it was done.

    Harmless by many at once. It stops, to be taken up later, when `goes_on` says so or the clock
    jumps. Raises StorageUnavailable.
    """
    with site.store.reading() as connection:
        if not turns.may_be_due(connection, process_id):
            return False
    if not timekeeping.watch(site) or not _ONE.acquire(blocking=False):
        return False
    try:
        if not turns.take(site, process_id):
            return False
        counts = prune(site, goes_on)
        turns.give_back(site, process_id, counts)
        return counts is not None
    finally:
        _ONE.release()


def prune(site: Installation, goes_on: GoesOn = lambda: True) -> Counter[str] | None:
    """Delete everything old in small transactions; returns how many rows by what they were.

    None: it was told to stop, or the clock is unsteady. Idempotent, and safe when two run at once.
    """
    began, counts = clock.monotonic(), Counter[str]()
    for rule in _rules(site):
        for deleted in _steady(delete_by(site, rule), goes_on):
            if deleted is None:
                log.info("The prune was cut short; it will be taken up again.")
                return None
            counts[rule.name] += deleted
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    log.info("Pruned in %.1f s: %s", clock.monotonic() - began, told or "nothing was old")
    return counts


def _steady(steps: Iterator[int], goes_on: GoesOn) -> Iterator[int | None]:
    """Yield the steps while they may go on, and None when they may not."""
    # A jump before the first step made the limits, one after it does not: they stay as they are.
    while goes_on() and not clock.unsteady():
        step = next(steps, None)
        if step is None:
            return
        yield step
    yield None


def _rules(site: Installation) -> list[Rule]:
    """Return what is pruned, in order; the limits are those of this moment."""
    now = clock.utc_now()
    limit = now - timedelta(days=site.settings.retention_days)
    return [
        mail.Deliveries(limit, now),
        Failures(limit),
        Events(limit, now),
        others.answers(now - timedelta(days=ANSWER_DAYS)),
        others.cycles(limit),
        others.hours(limit),
        others.passes(limit, now),
        *others.jobs(limit, now),
        others.audited(now - timedelta(days=AUDIT_DAYS), now),
        others.Processes(site, now),
        BusyFailures(limit),
        mail.Traces(now),
        texts.Orphans(),
    ]
