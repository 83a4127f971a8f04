"""Intake: reports become failures, decisions and deliveries, durable before they are answered."""

from __future__ import annotations

from functools import partial
from weakref import WeakKeyDictionary

from app.errors import TocsinError
from app.services.group_commit import GroupCommit
from app.services.installation import Installation
from app.services.intake.recording import Prepared, prepare, record
from app.services.intake.reports import ActivityBody, Answer, FailureBody, Report, Result

__all__ = ["ActivityBody", "Answer", "FailureBody", "Report", "submit"]

MOST_REPORTS = 500
WAIT_SECONDS = 12.0
_committers: WeakKeyDictionary[object, GroupCommit[Prepared, Result]] = WeakKeyDictionary()


def submit(site: Installation, report: Report) -> Answer:
    """Store `report` in the next shared commit and return its answer once it is durable.

    Idempotent by `report.client_id`. Raises Conflict (the id was used with another body), NotFound
    (unknown integration that may not be made), StorageUnavailable, LowDisk.
    """
    if site.store.sqlite:
        site.store.room.require()
    result = _committer(site).submit(prepare(report), WAIT_SECONDS)
    if isinstance(result, TocsinError):
        raise result
    return result


def _committer(site: Installation) -> GroupCommit[Prepared, Result]:
    committer = _committers.get(site.store)
    if committer is None:
        made = GroupCommit("intake", partial(record, site), MOST_REPORTS)
        committer = _committers.setdefault(site.store, made)
    return committer
