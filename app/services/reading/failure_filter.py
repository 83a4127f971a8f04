"""Which failures a filter means: its conditions, and which index is to serve them.

One condition leads, the one that leaves the fewest rows; the others are asked of the rows that it
finds, newest first. SQLite would not know which one to take; PostgreSQL counts, and chooses itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, cast

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, and_, exists, func, select, text

from app.domain.kinds import Direction, ErrorType, FailureState, IntegrationStatus, Kind
from app.models import Failure, IntegrationDirection
from app.services import search
from app.services.paging import Flag, MomentFilter, PageQuery, TextFilter
from app.services.reading.selecting import integration_id, plain
from app.shapes import text as text_of


class FailureQuery(PageQuery):
    """The filters of /failures; times are those of the last report."""

    kind: Kind | None = None
    error_type: ErrorType | None = None
    integration: TextFilter | None = Field(None, description="Key of the integration.")
    integration_status: IntegrationStatus | None = Field(
        None, description="Whether a direction of the integration is active."
    )
    direction: Direction | None = None
    error_code: TextFilter | None = None
    has_error_code: Flag = None
    entity_id: TextFilter | None = None
    state: FailureState | None = None
    notified: Flag = Field(None, description="Whether a mail that tells it was sent.")
    message: TextFilter | None = Field(None, description="Text in the message.")
    whole_message: Annotated[str, text_of(4_000, required=True)] | None = Field(
        None, description="The message itself, as a group of failures has it."
    )
    q: TextFilter | None = Field(None, description="Text in message, code, entity or project.")
    last_cycle: Flag = Field(
        None, description="Whether it was logged in the last run of its direction."
    )
    since: MomentFilter | None = Field(None, description="Last logged at this time or later.")
    until: MomentFilter | None = Field(None, description="Last logged before this time.")


# The best leader first.
_LEADERS = "entity_id error_code integration notified state direction kind error_type".split()


def conditions(
    connection: Connection, wanted: FailureQuery, *, led: bool = True
) -> list[ColumnElement[bool]]:
    """Return what `wanted` asks besides text and integration status.

    Not `led`: no index is to be used, as the rows are known by their ids.
    """
    given = _given(wanted)
    leader = given[0] if given and led else None
    free = connection.dialect.name != "sqlite"
    found = [_condition(name, wanted, free or name == leader) for name in given]
    return found + list(_times(wanted, led))


def _given(wanted: FailureQuery) -> list[str]:
    """Return what is asked by equality, the fewest rows first."""
    given = [name for name in _LEADERS if getattr(wanted, name) is not None]
    if wanted.error_type is ErrorType.OTHER and wanted.integration is None:
        # They are few, and of no integration's state, direction or kind.
        return ["error_type", *(name for name in given if name != "error_type")]
    if wanted.kind is not None and wanted.error_type is ErrorType.INTEGRATION:
        # Whatever has a kind is one: so the index alone tells.
        given.remove("error_type")
    return given


def _condition(name: str, wanted: FailureQuery, leads: bool) -> ColumnElement[bool]:
    value = getattr(wanted, name)
    asked = integration_id(value) if name == "integration" else value
    column: ColumnElement[Any] = _COLUMNS[name]
    if name == "notified":
        sent = column if leads else plain(column)
        return sent.is_not(None) if value else sent.is_(None)
    if name == "state" and leads:
        # In the very words of its index.
        return cast("ColumnElement[bool]", _STATES[value])
    if name == "error_type" and leads and value is ErrorType.OTHER:
        # Those, and no others, have no kind; so its index serves.
        return and_(Failure.kind.is_(None), column == asked)
    return (column if leads else plain(column)) == asked


_COLUMNS: dict[str, Any] = {
    name: getattr(Failure, name) for name in _LEADERS if name not in ("integration", "notified")
} | {"integration": Failure.integration_id, "notified": Failure.notified_at}


_STATES: dict[FailureState, Any] = {
    state: text(f"failures.state = '{state}'") for state in FailureState
}


def _times(wanted: FailureQuery, led: bool) -> Iterator[ColumnElement[bool]]:
    at: Any = Failure.last_logged_at if led else plain(Failure.last_logged_at)
    if wanted.since is not None:
        yield at >= wanted.since
    if wanted.until is not None:
        yield at < wanted.until


def texts(wanted: FailureQuery) -> list[ColumnElement[bool]]:
    """Return what `wanted` asks of the text, literally and without an index."""
    found = [search.contains(wanted.q)] if wanted.q else []
    if wanted.message:
        found.append(search.contains(wanted.message, (Failure.message,)))
    if wanted.whole_message is not None:
        found.append(Failure.message == wanted.whole_message)
    return found


def extra(wanted: FailureQuery) -> list[ColumnElement[bool]]:
    """Return what `wanted` asks that cannot lead through the list: texts, and of other tables."""
    found = texts(wanted)
    if wanted.integration_status is not None:
        found.append(of_status(wanted.integration_status))
    if wanted.has_error_code is not None:
        code = func.coalesce(Failure.error_code, "")  # so that no index is led by it
        found.append(code != "" if wanted.has_error_code else code == "")
    if wanted.last_cycle is not None:
        found.append(in_last_cycle() if wanted.last_cycle else ~in_last_cycle())
    return found


def in_last_cycle() -> ColumnElement[bool]:
    """Return the condition that a failure was logged since its direction's last run began."""
    mine = exists(select(IntegrationDirection.id)).where(
        IntegrationDirection.id == Failure.direction_id,
        IntegrationDirection.cycle_since <= plain(Failure.last_logged_at),
    )
    return Failure.direction_id.is_not(None) & mine


def of_status(
    status: IntegrationStatus, whose: Any = Failure.integration_id
) -> ColumnElement[bool]:
    """Return the condition that the integration is of this status."""
    active = exists(select(IntegrationDirection.id)).where(
        IntegrationDirection.integration_id == whose, IntegrationDirection.active
    )
    known = whose.is_not(None)
    return active if status is IntegrationStatus.ACTIVE else known & ~active
