"""The jobs: ids in, one service called. Harmless when lost, doubled or flushed."""

from __future__ import annotations

from app.services import dispatch
from workers.drain import current


def drain() -> None:
    """Serve lanes for a while, then queue the next drain."""
    current().drain()


def sweep() -> None:
    """Find what nobody was woken for."""
    current().sweep()


def dispatch_pass() -> None:
    """Queue the scheduled pass when its time has come."""
    dispatch.request_if_due(current().site)


def serve_lane(lane_id: int) -> None:
    """Look after a lane whose next round, or whose batch, is due."""
    current().serve_lane(lane_id)


def prune() -> None:
    """Delete what is older than it is kept, if nobody has done so this night."""
    current().prune()


def roll_up() -> None:
    """Merge the counts of past hours."""
    current().roll_up()
