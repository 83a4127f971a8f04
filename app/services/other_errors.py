"""Other errors: failures of Tocsin's own work, shown under Global Failures (product.md 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam

from app.domain.identity import other_identity
from app.domain.kinds import ErrorType, FailureState
from app.models import Failure
from app.services.sql import insert

# Built once, as every mail that was taken runs it.
_RESOLVED = (
    Failure.__table__.update()
    .where(Failure.identity == bindparam("whose"), Failure.state == FailureState.OPEN)
    .values(state=FailureState.RESOLVED)
)


@dataclass(frozen=True)
class OtherError:
    """A notification that could not be sent: through which system, for which integration, why.

    `row`: of which subscription, where it was routed; None for mail of a registration. `about` is
    what the error alone concerns: a recipient that was refused for good, a delivery that ended;
    such an error stays open when other mail goes again.
    """

    system_id: int
    integration_id: int | None
    reason: str
    text: str
    about: str | None = None
    row: str | None = None

    @property
    def identity(self) -> bytes:
        """Return which row it counts on."""
        return other_identity(self.system_id, self.integration_id, self.row, self.about)


def record(connection: Connection, errors: Iterable[OtherError], now: datetime) -> None:
    """Count each of `errors` on its one row, in the caller's transaction."""
    rows = [_row(error, now) for error in sorted(errors, key=lambda error: error.identity)]
    if not rows:
        return
    table = Failure.__table__
    statement = insert(connection, table)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["identity"],
            set_={
                "count": table.c.count + 1,
                "last_logged_at": statement.excluded.last_logged_at,
                "reason": statement.excluded.reason,
                "message": statement.excluded.message,
                "state": statement.excluded.state,
            },
        ),
        rows,
    )


def resolve(
    connection: Connection, system_id: int, integration_id: int | None, row: str | None = None
) -> None:
    """Close the other error of a registration, or route, that goes again, in the transaction.

    The row of a refused recipient or of a dead delivery stays open: other mail does not mend it.
    """
    connection.execute(_RESOLVED, {"whose": other_identity(system_id, integration_id, row, None)})


def _row(error: OtherError, now: datetime) -> dict[str, object]:
    return {
        "identity": error.identity,
        "error_type": ErrorType.OTHER,
        "state": FailureState.OPEN,
        "integration_id": error.integration_id,
        "system_id": error.system_id,
        "row": error.row,
        "reason": error.reason,
        "message": error.text,
        "entity_id": error.about,
        "accessible": True,
        "count": 1,
        "first_logged_at": now,
        "last_logged_at": now,
        "episode": 0,
    }
