"""The matrix: who is told of an event, by which cell, and why not (S3; product.md 8)."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from app.domain.event_kinds import EventOutcome, Row, Severity, Source
from app.domain.kinds import Outcome, Why
from app.domain.routing import Cell, Matrix, outcome, route

OWN, GLOBAL = Row.METRICS, Row.GLOBAL
SEND, SKIP = Outcome.SEND, Outcome.SKIP
SEED = 4711


def decided(own: Cell | None, shared: Cell | None) -> list[tuple[Outcome, Why, Row, int | None]]:
    cells: Mapping[tuple[Row, Severity], Cell] = {
        (row, Severity.ERROR): cell for row, cell in ((OWN, own), (GLOBAL, shared)) if cell
    }
    found = route(Matrix(cells), Source.METRICS, Severity.ERROR)
    return [(one.outcome, one.why, one.row, one.system) for one in found]


@pytest.mark.parametrize(
    ("own", "shared", "expected"),
    [
        (Cell((1, 2)), None, [(SEND, Why.OWN_CELL, OWN, 1), (SEND, Why.OWN_CELL, OWN, 2)]),
        (None, Cell((3,)), [(SEND, Why.GLOBAL_CELL, GLOBAL, 3)]),
        (
            Cell((1,)),
            Cell((3,)),
            [(SEND, Why.OWN_CELL, OWN, 1), (SEND, Why.GLOBAL_CELL, GLOBAL, 3)],
        ),
        # A system reached twice: one delivery, in the subscription of its own row.
        (Cell((1,)), Cell((1,)), [(SEND, Why.OWN_CELL, OWN, 1)]),
        (
            Cell((1,), override=True),
            Cell((1, 3)),
            [(SEND, Why.OWN_CELL, OWN, 1), (SKIP, Why.OVERRIDDEN, OWN, 3)],
        ),
        (Cell((1,), override=True), None, [(SEND, Why.OWN_CELL, OWN, 1)]),
        (Cell(override=True), Cell((3,)), [(SKIP, Why.OVERRIDDEN, OWN, 3)]),
        (Cell(override=True), None, [(SKIP, Why.OVERRIDDEN, OWN, None)]),
        (None, None, [(SKIP, Why.NO_ROUTE, OWN, None)]),
        (Cell(), Cell(), [(SKIP, Why.NO_ROUTE, OWN, None)]),
    ],
)
def test_an_event_goes_to_its_own_cell_and_to_global_unless_overridden(
    own: Cell | None, shared: Cell | None, expected: list[tuple[Outcome, Why, Row, int | None]]
) -> None:
    assert decided(own, shared) == expected


@pytest.mark.parametrize(
    ("own", "shared", "expected"),
    [
        (Cell((1,)), None, EventOutcome.ROUTED),
        (None, Cell((1,)), EventOutcome.ROUTED),
        (Cell((1,), override=True), Cell((3,)), EventOutcome.ROUTED),
        (Cell(override=True), Cell((3,)), EventOutcome.OVERRIDDEN),
        (Cell(override=True), None, EventOutcome.OVERRIDDEN),
        (None, None, EventOutcome.NO_ROUTE),
    ],
)
def test_nobody_on_purpose_is_told_apart_from_a_hole(
    own: Cell | None, shared: Cell | None, expected: EventOutcome
) -> None:
    cells = {(row, Severity.INFO): one for row, one in ((OWN, own), (GLOBAL, shared)) if one}
    assert outcome(route(Matrix(cells), Source.METRICS, Severity.INFO)) is expected


def test_each_decision_has_its_sentence() -> None:
    cells = {(OWN, Severity.ERROR): Cell((1,)), (GLOBAL, Severity.ERROR): Cell((2,))}
    texts = [one.text for one in route(Matrix(cells), Source.METRICS, Severity.ERROR)]
    assert texts == [
        "The cell Metrics / error names it.",
        "The cell Global / error names it for every source.",
    ]
    (hole,) = route(Matrix(cells), Source.METRICS, Severity.INFO)
    assert "Neither the cell Metrics / info nor that of Global" in hole.text
    closed = Matrix({(OWN, Severity.ERROR): Cell(override=True)})
    (nobody,) = route(closed, Source.METRICS, Severity.ERROR)
    assert "Metrics / error overrides Global" in nobody.text


def test_a_matrix_knows_the_rows_of_a_system() -> None:
    cells = {(OWN, Severity.ERROR): Cell((1, 2)), (GLOBAL, Severity.INFO): Cell((2,))}
    assert Matrix(cells).rows_of(2) == {OWN, GLOBAL}
    assert Matrix(cells).rows_of(3) == frozenset()


def some_matrix(dice: random.Random) -> Matrix:
    """Return a matrix of up to 27 cells over eight systems; Global has no override."""
    cells: dict[tuple[Row, Severity], Cell] = {}
    for row in Row:
        for severity in Severity:
            if dice.random() < 0.6:
                systems = tuple(dice.sample(range(1, 9), dice.randint(0, 5)))
                override = row is not Row.GLOBAL and dice.random() < 0.3
                cells[row, severity] = Cell(systems, override)
    return Matrix(cells)


@pytest.mark.parametrize("seed", range(SEED, SEED + 40))
def test_whoever_stands_in_its_cells_is_told_exactly_once_and_nobody_else(seed: int) -> None:
    matrix = some_matrix(random.Random(seed))  # noqa: S311 - repeatable, not secret
    for source in Source:
        for severity in Severity:
            own = matrix.cell(Row(source), severity)
            shared = matrix.cell(Row.GLOBAL, severity)
            wanted = set(own.systems) | (set() if own.override else set(shared.systems))
            found = route(matrix, source, severity)
            told = [one.system for one in found if one.sends]
            assert sorted(told, key=int) == sorted(wanted)  # type: ignore[arg-type]
            assert found
            assert {one.system for one in found if one.why is Why.OWN_CELL} == set(own.systems)
            assert all(one.severity is severity for one in found)
