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
