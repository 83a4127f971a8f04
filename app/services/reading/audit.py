"""The audit log as it is read: newest first, by filter (product.md 12)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import select

from app.models import Audit
from app.services.documents import Document, IdText, Page
from app.services.installation import Installation
from app.services.paging import MomentFilter, PageQuery, TextFilter, cut, page_of
from app.services.reading.selecting import equalities, newest_first


class AuditQuery(PageQuery):
    """The filters of the audit log."""

    kind: TextFilter | None = Field(None, description="Kind of the thing that was changed.")
    name: TextFilter | None = Field(None, description="Its name.")
    actor: TextFilter | None = Field(None, description="Who changed it.")
    action: TextFilter | None = None
    since: MomentFilter | None = None
    until: MomentFilter | None = None


class AuditDocument(Document):
    """One change: before None, it was made; after None, it was taken away."""

    id: IdText
    at: datetime
    actor: str
    action: str
    subject_kind: str
    subject_name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """What differs: path of the field, before, after, as text."""
        before, after = _flat(self.before), _flat(self.after)
        names = dict.fromkeys([*before, *after])
        return [
            (name, before.get(name, ""), after.get(name, ""))
            for name in names
            if before.get(name) != after.get(name)
        ]


def page(site: Installation, wanted: AuditQuery) -> Page[AuditDocument]:
    """Return the entries of a filter, newest first."""
    conditions = equalities(
        (
            (Audit.subject_kind, wanted.kind),
            (Audit.subject_name, wanted.name),
            (Audit.actor, wanted.actor),
            (Audit.action, wanted.action),
        )
    )
    if wanted.since is not None:
        conditions.append(Audit.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Audit.at < wanted.until)
    query = newest_first(select(Audit.__table__).where(*conditions), wanted, (Audit.id,))
    with site.store.reading() as connection:
        part = cut(connection.execute(query).all(), wanted, lambda row: (row.id,))
    return page_of([AuditDocument(**row._mapping) for row in part.rows], part)


def _flat(document: Any, path: str = "") -> dict[str, str]:
    """Return the leaves of a document by path."""
    if not isinstance(document, Mapping):
        return {} if document is None and not path else {path: _said(document)}
    found: dict[str, str] = {}
    for name, value in document.items():
        found |= _flat(value, f"{path}.{name}" if path else str(name))
    return found


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
