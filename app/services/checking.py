"""Checking a system: connect to it step by step, as it is saved or as a draft, and send nothing."""

from __future__ import annotations

from collections.abc import Sequence
from threading import BoundedSemaphore

from app.channels import channel
from app.channels.base import CheckStep
from app.errors import Conflict, Forbidden
from app.services.drafts import Draft, system_draft
from app.services.installation import Installation
from app.services.systems import SystemBody

# A check waits for somebody else's server: it may not use up the threads that take reports.
MOST_AT_ONCE = 4
_places = BoundedSemaphore(MOST_AT_ONCE)


def check(
    site: Installation, name: str, body: SystemBody | None, *, may_lend: bool
) -> Sequence[CheckStep]:
    """Return the steps of connecting to the system `name`, or to the draft `body` of it.

    `may_lend`: the caller may save systems, and so send a saved secret to where a draft says.
    Reads, closes its transaction, and then takes as long as the TimeOut allows. Raises NotFound,
    Invalid, Forbidden, Conflict when too many checks run in this process.
    """
    with site.store.viewing() as session:
        draft = system_draft(session, site, name, body)
    if draft.lent and not may_lend:
        raise Forbidden(
            "A draft that uses the saved password elsewhere needs the scope admin: give the "
            "password, or check the system as it is saved."
        )
    if not _places.acquire(blocking=False):
        raise Conflict(f"{MOST_AT_ONCE} checks are running already: try again when one has ended.")
    try:
        return _steps(site, draft)
    finally:
        _places.release()


def _steps(site: Installation, draft: Draft) -> Sequence[CheckStep]:
    return channel(draft.kind).check_connection(draft.options, draft.secrets(site))
