"""Housekeeping: what is old is pruned at night, and counts of past hours are rolled up."""

from __future__ import annotations

from app.services.housekeeping.prune import prune, prune_if_due
from app.services.housekeeping.rollups import roll_up, roll_up_if_due

__all__ = ["prune", "prune_if_due", "roll_up", "roll_up_if_due"]
