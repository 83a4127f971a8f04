"""The net under everything: what was woken by nobody, or is held by the dead, is found here."""

from __future__ import annotations

from app.services import dispatch, jobs, lane_work, lanes
from app.services.deliver import trial_rows
from app.services.installation import Installation


def sweep(site: Installation) -> list[int]:
    """Free what dead processes hold, queue the pass if it is due; return the lanes to serve.

    Harmless however often it runs, and by how many workers.
    """
    lanes.free_dead(site)
    dispatch.requeue_lost(site)
    jobs.requeue_lost(site)
    trial_rows.end_lost(site)
    dispatch.request_if_due(site)
    return lane_work.with_work(site)
