"""The matrix beside what is known of the systems in it: what preview and lint look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.domain.event_kinds import Row, Severity
from app.domain.routing import TITLES, Matrix


@dataclass(frozen=True)
class SystemFacts:
    """What is known of one system.

    `failing`: the rows whose subscription of it is in retry (of mail: all rows). `endpoint`: the
    same for two systems that reach the same; None: not known.
    """

    name: str
    kind: str
    paused: bool = False
    failing: frozenset[Row] = frozenset()
    endpoint: str | None = None


@dataclass(frozen=True)
class Board:
    """A matrix, that holds or is a draft, with every system that stands in it, by id."""

    matrix: Matrix = field(default_factory=Matrix)
    systems: Mapping[int, SystemFacts] = field(default_factory=dict)

    def names(self, ids: Iterable[int]) -> tuple[str, ...]:
        """Return the names of systems, in order."""
        return tuple(self.systems[one].name for one in ids)


def cell_name(row: Row, severity: Severity) -> str:
    """Return a cell as sentences name it."""
    return f"{TITLES[row]} / {severity}"


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence lists them: `A, B and C`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
