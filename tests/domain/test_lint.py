"""Lint of a matrix: each kind of finding, where it is, and what is left unsaid."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from app.domain.board import Board, SystemFacts
from app.domain.event_kinds import Row, Severity, Source
from app.domain.lint import Finding, Level, Smell, lint
from app.domain.routing import Cell, Matrix

ERROR, INFO = Severity.ERROR, Severity.INFO
MAIL = SystemFacts("Ops mail", "smtp", endpoint="a")
PAGER = SystemFacts("Pager", "pagerduty", paused=True, endpoint="b")
HOOK = SystemFacts("Hook", "webhook", failing=frozenset({Row.BACKUPS}), endpoint="c")
TWIN = SystemFacts("Twin", "webhook", endpoint="c")
SYSTEMS = {1: MAIL, 2: PAGER, 3: HOOK, 4: TWIN}
Cells = Mapping[tuple[Row, Severity], Cell]
EVERYONE: Cells = {(Row.GLOBAL, severity): Cell((1,)) for severity in Severity}


def found(cells: Cells, kind: Smell | None = None) -> list[Finding]:
    """Return the findings of one kind, or all."""
    systems = {one: SYSTEMS[one] for cell in cells.values() for one in cell.systems}
    return [one for one in lint(Board(Matrix(cells), systems)) if kind in (None, one.kind)]


def brief(findings: list[Finding]) -> list[tuple[Smell, Row, Severity, tuple[str, ...]]]:
    return [(one.kind, one.row, one.cell_severity, one.systems) for one in findings]


def test_an_empty_matrix_is_24_holes_and_those_of_info_are_notes() -> None:
    holes = found({})
    assert {one.kind for one in holes} == {Smell.HOLE}
    assert [one.row for one in holes[::3]] == [Row(source) for source in Source]
    notes = {one.cell_severity for one in holes if one.severity is Level.NOTE}
    assert (len(holes), notes) == (24, {INFO})
    assert holes[2].sentence == (
        "Metrics / error goes to nobody: neither this cell nor that of Global names a system."
    )


def test_what_global_tells_is_no_hole() -> None:
    assert found(EVERYONE) == []


def test_nobody_on_purpose_is_said_with_whom_it_leaves_out() -> None:
    assert found({**EVERYONE, (Row.NODES, INFO): Cell(override=True)}) == [
        Finding(
            Smell.NOBODY,
            Level.NOTE,
            Row.NODES,
            INFO,
            ("Ops mail",),
            "Nodes / info goes to nobody, on purpose: it overrides Global and names no system.",
        )
    ]


def test_a_paused_system_is_found_in_each_cell_that_names_it() -> None:
    cells = {**EVERYONE, (Row.GLOBAL, ERROR): Cell((1, 2)), (Row.NODES, INFO): Cell((2,))}
    both = found(cells)
    assert brief(both) == [
        (Smell.PAUSED, Row.GLOBAL, ERROR, ("Pager",)),
        (Smell.PAUSED, Row.NODES, INFO, ("Pager",)),
    ]
    assert both[1].sentence == (
        "Pager is paused: what Nodes / info sends there is stored until it is resumed."
    )


def test_a_system_fails_in_the_rows_whose_lane_is_in_retry() -> None:
    cells = {**EVERYONE, (Row.BACKUPS, ERROR): Cell((3,)), (Row.NODES, ERROR): Cell((3,))}
    assert brief(found(cells)) == [(Smell.FAILING, Row.BACKUPS, ERROR, ("Hook",))]


@pytest.mark.parametrize(
    ("cell", "systems"),
    [
        (Cell((1,)), ("Ops mail",)),
        (Cell((3, 1)), ("Ops mail",)),
        (Cell((3,)), None),
        (Cell((1,), override=True), None),
    ],
)
def test_own_systems_that_global_names_are_found_unless_they_are_needed(
    cell: Cell, systems: tuple[str, ...] | None
) -> None:
    same = found({**EVERYONE, (Row.NODES, ERROR): cell}, Smell.AS_GLOBAL)
    assert [one.systems for one in same] == ([] if systems is None else [systems])


def test_two_systems_of_one_endpoint_are_found_where_one_event_reaches_both() -> None:
    cells = {
        **EVERYONE,
        (Row.GLOBAL, ERROR): Cell((1, 3)),
        (Row.NODES, ERROR): Cell((4,)),
        (Row.COMMANDS, ERROR): Cell((4,), override=True),
        (Row.METRICS, INFO): Cell((4, 3)),
    }
    assert brief(found(cells)) == [
        (Smell.TWICE, Row.METRICS, INFO, ("Twin", "Hook")),
        (Smell.TWICE, Row.NODES, ERROR, ("Twin", "Hook")),
    ]


def test_two_systems_of_one_endpoint_in_global_are_found_once() -> None:
    assert brief(found({**EVERYONE, (Row.GLOBAL, ERROR): Cell((3, 4))})) == [
        (Smell.TWICE, Row.GLOBAL, ERROR, ("Hook", "Twin"))
    ]


def test_systems_whose_endpoint_is_not_known_are_not_told_to_be_the_same() -> None:
    unknown = {one: SystemFacts(f"S{one}", "slack") for one in (1, 2)}
    cells = {(Row.GLOBAL, severity): Cell((1, 2)) for severity in Severity}
    assert lint(Board(Matrix(cells), unknown)) == ()
