"""When a direction is told to be silent, and to work again (S1; product.md 3).

Silence is found by the dispatch pass, recovery by intake; like `notifying`: plain values in, a
Decision out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.kinds import Outcome, Why
from app.domain.notifying import NOT_REGISTERED, Decision, Rules, When

_UNITS = (("day", 1_440), ("hour", 60), ("minute", 1))


@dataclass(frozen=True)
class Quiet:
    """A direction as the pass finds it; `told`: its global failures were told in this episode.

    The clock starts at the latest of `last_activity`, `activated` and `registered`.
    """

    active: bool
    registered: datetime
    activated: datetime
    last_activity: datetime | None
    told: bool

    @property
    def since(self) -> datetime:
        """When the clock started."""
        moments = (self.registered, self.activated, self.last_activity)
        return max(moment for moment in moments if moment is not None)


@dataclass(frozen=True)
class Ended:
    """An episode that activity has just ended.

    `told`: a mail of it was sent. `waits`: one waits that will say since when it works again.
    """

    told: bool
    waits: bool


def is_silent(since: datetime, limit_minutes: int, now: datetime) -> bool:
    """Whether there was no activity for longer than the limit (S1, Mail If No Activity …)."""
    return now - since > timedelta(minutes=limit_minutes)


def decide_silence(
    rules: Rules | None, limit_minutes: int | None, quiet: Quiet, now: datetime
) -> Decision | None:
    """Decide whether silence is told; None: the direction is not silent, or need not be watched.

    To be asked once per episode. A direction whose failure has been told in this episode is not
    told silent as well.
    """
    if rules is None or limit_minutes is None or not (quiet.active and rules.global_enabled):
        return None
    if not is_silent(quiet.since, limit_minutes, now):
        return None
    text = f"No activity for longer than {minutes(limit_minutes)}"
    if quiet.told:
        said = f"{text}; its failure has been told in this episode already."
        return Decision(Outcome.SKIP, Why.ALREADY_TOLD, said)
    return Decision(Outcome.SEND, Why.INACTIVITY, f"{text}.", When.WITH_PASS)


def decide_recovery(rules: Rules | None, ended: Ended, *, wanted: bool) -> Decision | None:
    """Decide whether it is told that a direction works again; None: nothing had been told.

    `wanted` is the registration's *Tell when it works again*.
    """
    if not (ended.told or ended.waits):
        return None
    if rules is None:
        return NOT_REGISTERED
    if not ended.told:
        text = "The mail that waits says since when it works again."
        return Decision(Outcome.SKIP, Why.ALREADY_TOLD, text)
    if not (wanted and rules.global_enabled):
        text = "The registration does not ask to be told when it works again."
        return Decision(Outcome.SKIP, Why.KIND_DISABLED, text)
    text = "Activity returned after a mail about this episode."
    return Decision(Outcome.SEND, Why.RECOVERY, text, When.WITH_PASS)


def minutes(length: int) -> str:
    """Return so many minutes in words: `6 hours`, `1 day 12 hours`."""
    rest, parts = length, []
    for name, size in _UNITS:
        if rest >= size:
            many = rest // size
            parts.append(f"{many} {name}{'s' if many > 1 else ''}")
            rest %= size
    return " ".join(parts)
