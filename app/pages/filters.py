"""The filters of lists: what stands in the URL, what it asks of the service, and its chip."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from app.clock import utc_now
from app.errors import Fault, Invalid
from app.pages.access import maybe_visitor
from app.pages.times import zone_of

Args = Mapping[str, str]
Choices = Sequence[tuple[str, str]]
UNITS = {
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
    "weeks": timedelta(weeks=1),
    "months": timedelta(days=30),
}
CYCLE = "cycle"
_EDGES = ("since", "until")
_MOST = 99
# Of a text on a chip.
_LONGEST = 60


class Filter(Protocol):
    """One filter: `names` are its parameters in the URL, `kind` names its macro."""

    @property
    def title(self) -> str:
        """Its label."""

    @property
    def kind(self) -> str:
        """Its macro in macros/list.html: choice, text, period, range."""

    @property
    def names(self) -> Sequence[str]:
        """Its parameters in the URL."""

    def read(self, args: Args) -> dict[str, str]:
        """Return the parameters of the service's query; raises Invalid."""

    def chip(self, args: Args) -> str | None:
        """Return what is filtered, in words; None: nothing."""


@dataclass(frozen=True)
class Choice:
    """One of several values; `param` is its name in the service's query, that of the URL at first.

    `choices` may be a function, so that they are read when the page is made; where it returns none,
    the value is typed.
    """

    name: str
    title: str
    choices: Choices | Callable[[], Choices]
    param: str = ""
    kind: str = "choice"

    @property
    def names(self) -> Sequence[str]:
        """Its parameter in the URL."""
        return (self.name,)

    @property
    def options(self) -> Choices:
        """The values with their labels."""
        return self.choices() if callable(self.choices) else self.choices

    def read(self, args: Args) -> dict[str, str]:
        """Return the value, whatever it is: the service knows what it takes."""
        return {self.param or self.name: args[self.name]} if self.name in args else {}

    def chip(self, args: Args) -> str | None:
        """Return the label of the value."""
        value = args.get(self.name)
        return f"{self.title}: {dict(self.options).get(value, value)}" if value else None


@dataclass(frozen=True)
class Text:
    """A text to be typed; `search`: stands first, as the search of the list."""

    name: str
    title: str
    param: str = ""
    search: bool = False
    kind: str = "text"

    @property
    def names(self) -> Sequence[str]:
        """Its parameter in the URL."""
        return (self.name,)

    def read(self, args: Args) -> dict[str, str]:
        """Return the text."""
        return {self.param or self.name: args[self.name]} if self.name in args else {}

    def chip(self, args: Args) -> str | None:
        """Return what was typed."""
        value = args.get(self.name)
        return f"{self.title}: {value}" if value else None


@dataclass(frozen=True)
class Hidden:
    """A filter that links set and nobody types, so it has no field, only a chip.

    `labels` are its values in words; any other is shown by its beginning.
    """

    name: str
    title: str
    labels: Choices = ()
    kind: str = "hidden"

    @property
    def names(self) -> Sequence[str]:
        """Its parameter in the URL."""
        return (self.name,)

    def read(self, args: Args) -> dict[str, str]:
        """Return the value, whatever it is: the service knows what it takes."""
        return {self.name: args[self.name]} if self.name in args else {}

    def chip(self, args: Args) -> str | None:
        """Return the label of the value, or its beginning."""
        value = args.get(self.name)
        if not value:
            return None
        start = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
        return f"{self.title}: {dict(self.labels).get(value, start)}"


@dataclass(frozen=True)
class Period:
    """The last n hours, days, weeks or months (1 to 99), and from `since` until `until`.

    A time without an offset is one in the reader's zone. `cycles`: the last cycle as well.
    """

    title: str = "Period"
    cycles: bool = False
    kind: str = "period"
    names: Sequence[str] = ("period", "n", "since", "until")

    @property
    def units(self) -> Choices:
        """The units that may be chosen, with their labels."""
        return (*(((CYCLE, "last cycle"),) if self.cycles else ()), *((u, u) for u in UNITS))

    def read(self, args: Args) -> dict[str, str]:
        """Return `since`, `until` and `lastCycle` for the service; raises Invalid with the range.

        Both given, the last n and a time to begin at: the later one counts.
        """
        edges = {name: _absolute(args[name]) for name in _EDGES if name in args}
        unit = args.get("period")
        if unit is None:
            return edges
        if unit not in dict(self.units):
            raise Invalid([Fault("/period", f"must be one of {', '.join(dict(self.units))}")])
        if unit == CYCLE:
            return edges | {"lastCycle": "true"}
        since = (utc_now() - UNITS[unit] * self._number(args)).replace(microsecond=0)
        given = _moment(args.get("since"))
        return edges if given and given > since else edges | {"since": since.isoformat()}

    def field(self, args: Args, name: str) -> str:
        """Return `since` or `until` as a field of the reader's time takes it."""
        at = _moment(args.get(name))
        return at.strftime("%Y-%m-%dT%H:%M") if at else ""

    def chip(self, args: Args) -> str | None:
        """Return the period in words."""
        words = [self._last(args), self._between(args)]
        return ", ".join(one for one in words if one) or None

    def _last(self, args: Args) -> str | None:
        unit = args.get("period")
        if unit in (None, CYCLE):
            return "Last cycle" if unit else None
        number = self._number(args)
        return f"Last {unit.removesuffix('s') if number == 1 else f'{number} {unit}'}"

    def _between(self, args: Args) -> str | None:
        since, until = (_short(args.get(name)) for name in _EDGES)
        if since and until:
            return f"{since} to {until}"
        return f"Since {since}" if since else (f"Before {until}" if until else None)

    def _number(self, args: Args) -> int:
        typed = args.get("n", "1")
        if not re.fullmatch(r"[0-9]{1,3}", typed) or not 1 <= int(typed) <= _MOST:
            raise Invalid([Fault("/n", f"must be a whole number from 1 to {_MOST}")])
        return int(typed)


def _zone() -> ZoneInfo:
    who = maybe_visitor()
    return zone_of(who.zone if who else "UTC")


def _moment(text: str | None) -> datetime | None:
    """Return a time in the reader's zone, which is taken for one without an offset."""
    try:
        at = datetime.fromisoformat(text or "")
        return (at if at.tzinfo else at.replace(tzinfo=_zone())).astimezone(_zone())
    except (ValueError, OverflowError):
        return None


def _absolute(text: str) -> str:
    """Return a time with its offset; what is no time stays as it is, for the service to refuse."""
    at = _moment(text)
    return at.astimezone(UTC).isoformat() if at else text


def _short(text: str | None) -> str | None:
    at = _moment(text)
    return at.strftime("%-d %b %Y, %H:%M") if at else text
