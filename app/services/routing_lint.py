"""Lint of the routing matrix as a list of findings (spec: screens.md, Routing)."""

from __future__ import annotations

from app.domain import lint
from app.domain.board import Board
from app.domain.event_kinds import Row, Severity
from app.domain.lint import Level, Smell
from app.services import routing_board
from app.services.documents import Document, Page
from app.services.installation import Installation
from app.services.paging import page_of


class FindingDocument(Document):
    """One finding; `row` and `cellSeverity` are the cell, `systems` those concerned."""

    kind: Smell
    severity: Level
    row: Row
    cell_severity: Severity
    systems: list[str]
    sentence: str


def page(site: Installation) -> Page[FindingDocument]:
    """Return what is found in the matrix that holds, in the order of its cells."""
    return page_of(findings(routing_board.current(site)))


def findings(board: Board) -> list[FindingDocument]:
    """Return what is found in a matrix, that holds or is a draft (`routing_board.draft`); pure."""
    return [
        FindingDocument(
            kind=one.kind,
            severity=one.severity,
            row=one.row,
            cell_severity=one.cell_severity,
            systems=list(one.systems),
            sentence=one.sentence,
        )
        for one in lint.lint(board)
    ]
