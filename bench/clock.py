"""The clocks of the bench, which must not load `app` into the process that measures its memory."""

from __future__ import annotations

import time
from datetime import UTC, datetime

# One reader per program: app.clock would bring Flask and SQLAlchemy along, and pages that are
# shared with the measuring process count only in part as those of the product.
from time import monotonic, sleep  # noqa: TID251

__all__ = ["monotonic", "now", "sleep"]


def now() -> datetime:
    """Return the wall-clock time, for the names and dates of results."""
    return datetime.fromtimestamp(time.time(), UTC)  # noqa: TID251
