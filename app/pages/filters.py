"""The filters of lists: what stands in the URL, what it asks of the service, and its chip."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.clock import utc_now
from app.errors import Fault, Invalid

Args = Mapping[str, str]
Choices = Sequence[tuple[str, str]]
UNITS = {
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
    "weeks": timedelta(weeks=1),
    "months": timedelta(days=30),
}
_MOST = 99


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

    `choices` may be a function, so that they are read when the page is made.
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
class Whole:
    """A whole message, as a group has it: never typed, so it has no field, only a chip."""

    title: str = "Exactly this message"
    kind: str = "hidden"
    names: Sequence[str] = ("wholeMessage",)

    def read(self, args: Args) -> dict[str, str]:
        """Return the message."""
        return {name: args[name] for name in self.names if name in args}

    def chip(self, args: Args) -> str | None:
        """Return its beginning."""
        value = args.get(self.names[0])
        return f"{self.title}: {value[:60]}{'…' if len(value) > 60 else ''}" if value else None  # noqa: PLR2004 - of a chip


@dataclass(frozen=True)
class Period:
    """The last n hours, days, weeks or months (1 to 99), or from `since` until `until`."""

    title: str = "Period"
    kind: str = "period"
    names: Sequence[str] = ("period", "n", "since", "until")

    @property
    def units(self) -> Sequence[str]:
        """The units that may be chosen."""
        return tuple(UNITS)

    def read(self, args: Args) -> dict[str, str]:
        """Return `since` and `until` as RFC 3339; raises Invalid with the range."""
        found = {name: args[name] for name in ("since", "until") if name in args}
        unit = args.get("period")
        if unit is None:
            return found
        if unit not in UNITS:
            raise Invalid([Fault("/period", f"must be one of {', '.join(UNITS)}")])
        since = utc_now() - UNITS[unit] * self._number(args)
        return found | {"since": since.replace(microsecond=0).isoformat()}

    def chip(self, args: Args) -> str | None:
        """Return the period in words."""
        if args.get("period"):
            return f"Last {self._words(args)}"
        since, until = (_short(args.get(name)) for name in ("since", "until"))
        if since and until:
            return f"{since} to {until}"
        return f"Since {since}" if since else (f"Before {until}" if until else None)

    def _words(self, args: Args) -> str:
        number, unit = self._number(args), args["period"]
        return unit.removesuffix("s") if number == 1 else f"{number} {unit}"

    def _number(self, args: Args) -> int:
        typed = args.get("n", "1")
        if not re.fullmatch(r"[0-9]{1,3}", typed) or not 1 <= int(typed) <= _MOST:
            raise Invalid([Fault("/n", f"must be a whole number from 1 to {_MOST}")])
        return int(typed)


def _short(moment: str | None) -> str | None:
    if moment is None:
        return None
    try:
        return datetime.fromisoformat(moment).strftime("%-d %b %H:%M")
    except ValueError:
        return moment
