"""Wake-ups as they come from Redis, each name at most 50 times a second."""

from __future__ import annotations

from redis import Redis

from app import clock
from app.queueing import WAKE_LIST, WAKE_SET

# A lane is looked at so often at the most, or each of many reports would cost a look.
PACE_SECONDS = 0.02
SHORTEST_WAIT = 0.01


class Wakes:
    """Takes names (lane ids, RUNS, JOBS, TESTS) from the list of those who want to be served."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        # When each name was served last, and until when those wait that came too soon after that.
        self._served: dict[str, float] = {}
        self._early: dict[str, float] = {}

    def next(self, most: float) -> str | None:
        """Wait `most` seconds for a name to serve now; raises RedisError, OSError."""
        name = self._ripe() or self._popped(most)
        if name is not None:
            self._note(name)
            # Only from here on a new wake-up for it counts; what came before is seen when serving.
            self._client.srem(WAKE_SET, name)
        return name

    def _popped(self, most: float) -> str | None:
        """Return the next name; one that was served a moment ago waits, still marked as awake."""
        now = clock.monotonic()
        rest = min((when - now for when in self._early.values()), default=most)
        # No time-out at all would be 0, which means for ever.
        popped = self._client.brpop([WAKE_LIST], timeout=max(min(most, rest), SHORTEST_WAIT))
        if popped is None:
            return None
        name = _text(popped[1])
        when = self._served.get(name, float("-inf")) + PACE_SECONDS
        if when <= clock.monotonic():
            return name
        self._early[name] = when
        return None

    def _ripe(self) -> str | None:
        """Return a name that has waited long enough."""
        now = clock.monotonic()
        name = next((name for name, when in self._early.items() if when <= now), None)
        if name is not None:
            del self._early[name]
        return name

    def _note(self, name: str) -> None:
        now = clock.monotonic()
        lately = {one: when for one, when in self._served.items() if when > now - PACE_SECONDS}
        self._served = lately | {name: now}


def _text(name: bytes | str) -> str:
    return name if isinstance(name, str) else name.decode()
