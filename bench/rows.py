"""What is measured: rows with their figures, and the limits that stand beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.databases import Database
from bench.product import Installation, install

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Bench:
    """Where installations are made, and on which database."""

    directory: Path
    database: Database

    def install(self) -> Installation:
        """Return a new, empty installation."""
        return install(self.directory, self.database)


@dataclass(frozen=True)
class Figure:
    """One figure of a row, as the specification asks for it (quality.md).

    `more` is whether more is better; `limit`, `then`: what to reach, and what to reach after that.
    `total`: it is of all pieces together.
    """

    key: str
    title: str
    unit: str
    limit: float | None = None
    then: float | None = None
    peers: str = ""
    more: bool = False
    total: bool = False

    def met(self, value: float) -> bool | None:
        """Whether `value` keeps the limit; None where there is none."""
        if self.limit is None:
            return None
        return value >= self.limit if self.more else value <= self.limit

    def ratio(self, full: float, tenth: float) -> float:
        """Return what a piece costs at full size against a tenth of it; 1 is growth in step."""
        ratio = tenth / full if self.more else full / tenth
        return ratio / 10 if self.total else ratio


@dataclass(frozen=True)
class Row:
    """A measurement, made at `size` and at a tenth of it."""

    name: str
    size: int
    measure: Callable[[Bench, int], Figures]
    figures: tuple[Figure, ...]
