"""Which systems an event goes to, and by which cell of the matrix (S3; product.md 8).

Preview, simulation, explanation and the real dispatch call `route`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from app.domain.event_kinds import EventOutcome, Row, Severity, Source
from app.domain.kinds import Outcome, Why

TITLES = {
    Row.GLOBAL: "Global",
    Row.METRICS: "Metrics",
    Row.BACKUPS: "Backups",
    Row.SERVICE_CHECKS: "Service Checks",
    Row.NODES: "Nodes",
    Row.COMMANDS: "Commands",
    Row.REPAIRS: "Repairs",
    Row.ROLLING_RESTART: "Rolling Restart",
    Row.INTEGRATIONS: "Integrations",
}


@dataclass(frozen=True)
class Cell:
    """The systems of one row and severity; `override`: those of Global are not added."""

    systems: tuple[int, ...] = ()
    override: bool = False


EMPTY = Cell()


@dataclass(frozen=True)
class Matrix:
    """Nine rows by three severities; a cell that is not named is empty."""

    cells: Mapping[tuple[Row, Severity], Cell] = field(default_factory=dict)

    def cell(self, row: Row, severity: Severity) -> Cell:
        """Return one cell."""
        return self.cells.get((row, severity), EMPTY)

    def rows_of(self, system: int) -> frozenset[Row]:
        """Return the rows in which a system stands."""
        return frozenset(row for (row, _), cell in self.cells.items() if system in cell.systems)


@dataclass(frozen=True)
class RouteDecision:
    """Whether an event goes to `system`, in the subscription of `row`, and why (not).

    `system` None: the event goes nowhere, and `why` says whether that is on purpose.
    """

    outcome: Outcome
    why: Why
    row: Row
    severity: Severity
    system: int | None = None

    @property
    def sends(self) -> bool:
        """Whether there is a delivery."""
        return self.outcome is Outcome.SEND

    @property
    def text(self) -> str:
        """The sentence that people read."""
        return sentence(self.why, self.row, self.severity)


def sentence(why: Why, row: Row, severity: Severity) -> str:
    """Return what a decision of the matrix means; `row` is that of the cell concerned."""
    cell = f"{TITLES[row]} / {severity}"
    if why is Why.FOLLOWS_OPENING:
        return "It was told what this resolves."
    if why is Why.OWN_CELL:
        return f"The cell {cell} names it."
    if why is Why.GLOBAL_CELL:
        return f"The cell {cell} names it for every source."
    if why is Why.OVERRIDDEN:
        return f"The cell {cell} overrides Global, so that only its own systems are told."
    return f"Neither the cell {cell} nor that of Global names a system: nobody is told."


# One matrix row and one system: what has a retry policy, and a lane of its own.
Subscription = tuple[Row, int]


def route(
    matrix: Matrix, source: Source, severity: Severity, opened: Collection[Subscription] = ()
) -> tuple[RouteDecision, ...]:
    """Return the decisions for an event, at least one; pure.

    It goes to the systems of its own cell and to those of the Global cell of its severity, unless
    its cell overrides them. A system reached twice gets one delivery, in the subscription of the
    event's own row (product.md 8).

    An event that resolves goes to those who were told its opening, whatever the cells are now, in
    the subscriptions by which they were told (`opened`), and to the others as any event does
    (product.md 2).
    """
    told = dict((system, row) for row, system in opened)
    follows = [
        RouteDecision(Outcome.SEND, Why.FOLLOWS_OPENING, row, severity, system)
        for system, row in told.items()
    ]
    others = [one for one in _by_cells(matrix, Row(source), severity) if one.system not in told]
    if follows:
        others = [one for one in others if one.system is not None]
    return (*follows, *others)


def _by_cells(matrix: Matrix, row: Row, severity: Severity) -> tuple[RouteDecision, ...]:
    own, shared = matrix.cell(row, severity), matrix.cell(Row.GLOBAL, severity)
    mine = [
        RouteDecision(Outcome.SEND, Why.OWN_CELL, row, severity, system)
        for system in dict.fromkeys(own.systems)
    ]
    others = [system for system in dict.fromkeys(shared.systems) if system not in own.systems]
    if own.override:
        left = [RouteDecision(Outcome.SKIP, Why.OVERRIDDEN, row, severity, one) for one in others]
        if not mine and not left:
            left = [RouteDecision(Outcome.SKIP, Why.OVERRIDDEN, row, severity)]
        return (*mine, *left)
    inherited = [
        RouteDecision(Outcome.SEND, Why.GLOBAL_CELL, Row.GLOBAL, severity, one) for one in others
    ]
    nowhere = RouteDecision(Outcome.SKIP, Why.NO_ROUTE, row, severity)
    return (*mine, *inherited) or (nowhere,)


def outcome(decisions: Iterable[RouteDecision]) -> EventOutcome:
    """Return what became of an event: a hole of the matrix is told apart from an override."""
    found = {one.why for one in decisions}
    if found & {Why.OWN_CELL, Why.GLOBAL_CELL, Why.FOLLOWS_OPENING}:
        return EventOutcome.ROUTED
    return EventOutcome.OVERRIDDEN if Why.OVERRIDDEN in found else EventOutcome.NO_ROUTE
