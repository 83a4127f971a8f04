"""How often the loops of the fault tests run: a few times, `ROUNDS=<n>` or `ROUNDS=all`."""

from __future__ import annotations

import os

EVERYTHING = os.environ.get("ROUNDS") == "all"


def rounds(few: int, everything: int) -> int:
    """Return how many rounds to run: `few` by default, `everything` in the soak."""
    wanted = os.environ.get("ROUNDS", "")
    if wanted == "all":
        return everything
    return min(int(wanted), everything) if wanted else few
