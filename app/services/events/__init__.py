"""Events: reported, decided by the matrix, and on disk with their deliveries before the answer."""

from __future__ import annotations

from functools import partial
from weakref import WeakKeyDictionary

from app.errors import TocsinError
from app.services.events.preparing import Prepared, prepare
from app.services.events.recording import Answer, Result, record
from app.services.events.shapes import EventBody
from app.services.group_commit import GroupCommit
from app.services.installation import Installation

__all__ = ["EventBody", "Prepared", "prepare", "submit"]

# So many requests share a commit. Long arrays go by themselves: events of a single one, and whoever
# else writes, would have to wait for all of them.
MOST_SHORT, MOST_LONG = 500, 4
SHORT = 20
WAIT_SECONDS = 12.0

_Committers = tuple[GroupCommit[Prepared, Result], GroupCommit[Prepared, Result]]
_committers: WeakKeyDictionary[object, _Committers] = WeakKeyDictionary()


def submit(site: Installation, prepared: Prepared) -> Answer:
    """Store the events of one request in the next shared commit; durable when it returns.

    Idempotent by the ids of the events. Raises Conflict (an id was used with another body: none of
    them is taken), StorageUnavailable, LowDisk.
    """
    if site.store.sqlite:
        site.store.room.require()
    short, long = _of(site)
    committer = short if len(prepared.events) <= SHORT else long
    result = committer.submit(prepared, WAIT_SECONDS)
    if isinstance(result, TocsinError):
        raise result
    return result


def _of(site: Installation) -> _Committers:
    committers = _committers.get(site.store)
    if committers is None:
        apply = partial(record, site)
        made = (
            GroupCommit("events", apply, MOST_SHORT),
            GroupCommit("arrays of events", apply, MOST_LONG),
        )
        committers = _committers.setdefault(site.store, made)
    return committers
