"""The error catalogue as it is shown: each entry with where it would go now (S3; api.md)."""

from __future__ import annotations

from pydantic import Field

from app.domain.board import Board
from app.domain.catalogue import ENTRIES, Entry
from app.domain.event_kinds import Received, Severity, Source
from app.services import routing_board
from app.services.documents import Page
from app.services.installation import Installation
from app.services.paging import Cursor, PageQuery, cut, page_of, read_cursor
from app.services.routing_preview import Asked, Preview, explained

_START = Cursor((-1,))
_Placed = tuple[int, Entry]


class CatalogueQuery(PageQuery):
    """The filters of /catalogue."""

    source: Source | None = None
    severity: Received | None = Field(
        None, description="error: what is routed as error, which critical is."
    )


class CatalogueEntry(Preview):
    """A code, what it gives an event, and where such an event would go now."""

    code: str
    source: Source
    severity: Received = Field(description="As it is received: critical is routed as error.")
    title: str
    description: str = Field(description="More than the title says, or empty.")


def page(site: Installation, wanted: CatalogueQuery) -> Page[CatalogueEntry]:
    """Return the entries of a filter, in the order of the catalogue."""
    start = read_cursor(wanted.cursor, 1) or _START
    found = [one for one in enumerate(ENTRIES.values()) if _is_wanted(one, wanted, start)]
    part = cut(found[::-1] if start.newer else found, wanted, lambda one: (one[0],))
    board = routing_board.current(site)
    return page_of([shown(board, entry) for _, entry in part.rows], part)


def _is_wanted(one: _Placed, wanted: CatalogueQuery, start: Cursor) -> bool:
    (place, entry), (key,) = one, start.keys
    return (
        (place < key if start.newer else place > key)
        and wanted.source in (None, entry.source)
        and wanted.severity in (None, entry.severity, _as_received(entry.routed))
    )


def _as_received(severity: Severity) -> Received:
    return Received(severity.value)


def shown(board: Board, entry: Entry) -> CatalogueEntry:
    """Return an entry with where it goes by a matrix, that holds or is a draft; pure."""
    found = explained(board, Asked(entry.source, entry.routed))
    return CatalogueEntry(
        code=entry.code,
        source=entry.source,
        severity=entry.severity,
        title=entry.title,
        description=entry.description,
        systems=found.systems,
        not_sent=found.not_sent,
        sentence=found.sentence,
    )
