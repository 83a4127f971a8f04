"""The audit log: one row per change of the configuration, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from app.clock import utc_now
from app.models import Audit

MASK = "***"
LONGEST_NAME = 255
LONGEST_ACTOR = 200


def record(  # noqa: PLR0913, PLR0917 - the columns of one row
    connection: Connection,
    actor: str,
    action: str,
    kind: str,
    name: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Write who did what to which thing; `before` None: it was made, `after` None: it was deleted.

    Runs in the caller's transaction, so that a change and its row stand or fall together. What
    stands under `secrets` is masked here as well, whoever calls (product.md 12).
    """
    connection.execute(
        Audit.__table__.insert().values(
            at=utc_now(),
            actor=actor[:LONGEST_ACTOR],
            action=action,
            subject_kind=kind,
            subject_name=name[:LONGEST_NAME],
            before=_masked(before),
            after=_masked(after),
        )
    )


def _masked(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if document is None:
        return None
    secrets = document.get("secrets")
    if not isinstance(secrets, Mapping):
        return dict(document)
    return {**document, "secrets": {name: MASK for name, value in secrets.items() if value}}
