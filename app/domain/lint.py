"""What is worth a look in a matrix, one that holds or a draft (spec: screens.md, Routing)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.domain.board import Board, cell_name, listed
from app.domain.event_kinds import EventOutcome, Row, Severity, Source
from app.domain.kinds import Why
from app.domain.routing import TITLES, Cell, RouteDecision, outcome, route


class Smell(StrEnum):
    """What is found."""

    HOLE = "hole"
    NOBODY = "nobody"
    PAUSED = "paused"
    FAILING = "failing"
    AS_GLOBAL = "as_global"
    TWICE = "twice"


class Level(StrEnum):
    """Whether it should be changed, or known."""

    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One finding in the cell of `row` and `cell_severity`; `systems` by name."""

    kind: Smell
    severity: Level
    row: Row
    cell_severity: Severity
    systems: tuple[str, ...]
    sentence: str


def lint(board: Board) -> tuple[Finding, ...]:
    """Return what is found in a matrix, in the order of its cells; pure.

    What an event would reach is asked of `routing.route`, as the dispatch does.
    """
    found = [*_unreached(board), *_cells(board), *_twice(board)]
    rows, severities = list(Row), list(Severity)
    return tuple(
        sorted(found, key=lambda one: (rows.index(one.row), severities.index(one.cell_severity)))
    )


def _decided(board: Board) -> Iterator[tuple[Row, Severity, tuple[RouteDecision, ...]]]:
    for source in Source:
        for severity in Severity:
            yield Row(source), severity, route(board.matrix, source, severity)


def _unreached(board: Board) -> Iterator[Finding]:
    """Find where an event goes nowhere: a hole, or nobody on purpose."""
    for row, severity, decided in _decided(board):
        cell, found = cell_name(row, severity), outcome(decided)
        if found is EventOutcome.NO_ROUTE:
            # Many want no information; that nobody hears of an error is rarely meant.
            level = Level.NOTE if severity is Severity.INFO else Level.WARNING
            said = f"{cell} goes to nobody: neither this cell nor that of Global names a system."
            yield Finding(Smell.HOLE, level, row, severity, (), said)
        elif found is EventOutcome.OVERRIDDEN:
            left = [one.system for one in decided if one.system is not None]
            said = f"{cell} goes to nobody, on purpose: it overrides Global and names no system."
            names = board.names(left)
            yield Finding(Smell.NOBODY, Level.NOTE, row, severity, names, said)


def _cells(board: Board) -> Iterator[Finding]:
    for (row, severity), cell in board.matrix.cells.items():
        for look in _LOOKS:
            yield from look(board, row, severity, cell)


def _paused(board: Board, row: Row, severity: Severity, cell: Cell) -> Iterator[Finding]:
    names = board.names(one for one in cell.systems if board.systems[one].paused)
    if names:
        many = len(names) > 1
        said = (
            f"{listed(names)} {'are' if many else 'is'} paused: what {cell_name(row, severity)} "
            f"sends there is stored until {'they are' if many else 'it is'} resumed."
        )
        yield Finding(Smell.PAUSED, Level.WARNING, row, severity, names, said)


def _failing(board: Board, row: Row, severity: Severity, cell: Cell) -> Iterator[Finding]:
    names = board.names(one for one in cell.systems if row in board.systems[one].failing)
    if names:
        said = (
            f"{listed(names)} cannot deliver at the moment: what {cell_name(row, severity)} sends "
            "there waits for its retries."
        )
        yield Finding(Smell.FAILING, Level.WARNING, row, severity, names, said)


def _as_global(board: Board, row: Row, severity: Severity, cell: Cell) -> Iterator[Finding]:
    """Find own systems that Global names already; with an override they are needed."""
    if row is Row.GLOBAL or cell.override:
        return
    shared = board.matrix.cell(Row.GLOBAL, severity).systems
    names = board.names(one for one in cell.systems if one in shared)
    if names:
        said = (
            f"{cell_name(row, severity)} names {listed(names)}, which Global / {severity} names "
            f"already: told once, by the retry policy of {TITLES[row]}."
        )
        yield Finding(Smell.AS_GLOBAL, Level.NOTE, row, severity, names, said)


_Look = Callable[[Board, Row, Severity, Cell], Iterator[Finding]]
_LOOKS: tuple[_Look, ...] = (_paused, _failing, _as_global)


def _twice(board: Board) -> Iterator[Finding]:
    """Find systems that reach the same, where one event reaches them; of Global once for all."""
    told = set()
    for row, severity, decided in _decided(board):
        for same in _same(board, decided):
            shared = all(one.why is Why.GLOBAL_CELL for one in same)
            place = (Row.GLOBAL if shared else row, severity)
            names = board.names(one.system for one in same if one.system is not None)
            if (place, names) not in told:
                told.add((place, names))
                said = (
                    f"{listed(names)} reach the same endpoint, so that it is told twice of each "
                    f"event of {cell_name(*place)}."
                )
                yield Finding(Smell.TWICE, Level.WARNING, *place, names, said)


def _same(board: Board, decided: tuple[RouteDecision, ...]) -> Iterator[list[RouteDecision]]:
    """Return the decisions to send of each endpoint that has more than one."""
    by_endpoint: dict[str, list[RouteDecision]] = {}
    for one in decided:
        if one.sends and one.system is not None:
            endpoint = board.systems[one.system].endpoint
            if endpoint is not None:
                by_endpoint.setdefault(endpoint, []).append(one)
    yield from (found for found in by_endpoint.values() if len(found) > 1)
