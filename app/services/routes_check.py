"""What a routing matrix may say: every fault of a body at once, each with its pointer (S3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain import retry
from app.domain.event_kinds import Row, Severity
from app.domain.retry import RetryPolicy
from app.domain.routing import TITLES, Cell
from app.errors import Fault, Invalid
from app.models import System
from app.services.routes_shape import CellBody, Given, SubscriptionBody, given
from app.services.sql import among
from app.services.systems import MAIL_KINDS

TO_EMAIL = "toEmail"
NO_POLICY = "mail has no retry policy: what waits goes with the next dispatch pass"


@dataclass(frozen=True)
class Routes:
    """A routing matrix: cells that say something, and policies of subscriptions, by system id."""

    cells: Mapping[tuple[Row, Severity], Cell] = field(default_factory=dict)
    policies: Mapping[tuple[Row, int], RetryPolicy] = field(default_factory=dict)

    @property
    def pairs(self) -> set[tuple[Row, int]]:
        """Every row and system that stands in a cell of it."""
        return {(row, one) for (row, _), cell in self.cells.items() for one in cell.systems}


def checked(session: Session, document: Any) -> tuple[Routes, Mapping[int, System]]:
    """Return what a body (decoded JSON) says, with the systems it names; raises Invalid."""
    body = given(document)
    found = _named(session, body)
    faults = [*body.faults, *_cell_faults(body, found), *_subscription_faults(body, found)]
    if faults:
        raise Invalid(faults)
    return _routes(body, found), {one.id: one for one in found.values()}


def _named(session: Session, body: Given) -> dict[str, System]:
    names = {name for cell in body.cells.values() for name in cell.systems}
    names |= {one.system for one in body.subscriptions.values()}
    if not names:
        return {}
    query = select(System).where(among(session.connection(), System.name, sorted(names)))
    return {one.name: one for one in session.scalars(query)}


def _routes(body: Given, found: Mapping[str, System]) -> Routes:
    cells = {
        (Row(one.source), Severity(one.severity)): Cell(
            tuple(found[name].id for name in one.systems), one.override
        )
        for one in body.cells.values()
        if one.systems or one.override
    }
    policies = {
        (Row(one.source), found[one.system].id): one.retry_policy.value
        for one in body.subscriptions.values()
        if one.retry_policy is not None
    }
    return Routes(cells, policies)


def _cell_faults(body: Given, found: Mapping[str, System]) -> Iterator[Fault]:
    first: dict[tuple[str, str], str] = {}
    for pointer, cell in body.cells.items():
        yield from _unknown(cell.source, Row, f"{pointer}/source")
        yield from _unknown(cell.severity, Severity, f"{pointer}/severity")
        earlier = first.setdefault((cell.source, cell.severity), pointer)
        if earlier != pointer:
            yield Fault(pointer, f"is the cell that stands at {earlier} already")
        if cell.override and cell.source == Row.GLOBAL:
            yield Fault(f"{pointer}/override", "must be false: Global has no override")
        yield from _system_faults(pointer, cell, found)


def _unknown(value: str, words: type[Row] | type[Severity], pointer: str) -> Iterator[Fault]:
    known = [str(one) for one in words]
    if value not in known:
        yield Fault(pointer, f"must be one of {', '.join(known)}")


def _system_faults(pointer: str, cell: CellBody, found: Mapping[str, System]) -> Iterator[Fault]:
    for index, name in enumerate(cell.systems):
        place, system = f"{pointer}/systems/{index}", found.get(name)
        if name in cell.systems[:index]:
            yield Fault(place, f"{name!r} stands in this cell already")
        elif system is None:
            yield Fault(place, f"there is no system {name!r}")
        elif system.kind in MAIL_KINDS and not system.options.get(TO_EMAIL):
            yield Fault(
                place,
                f"{name!r} has no To Email-Id: give its options {TO_EMAIL}, to which routed "
                "notifications are written, before it stands in a cell",
            )


def _subscription_faults(body: Given, found: Mapping[str, System]) -> Iterator[Fault]:
    first: dict[tuple[str, str], str] = {}
    for pointer, one in body.subscriptions.items():
        yield from _unknown(one.source, Row, f"{pointer}/source")
        earlier = first.setdefault((one.source, one.system), pointer)
        if earlier != pointer:
            yield Fault(pointer, f"is the subscription that stands at {earlier} already")
        system = found.get(one.system)
        if system is None:
            yield Fault(f"{pointer}/system", f"there is no system {one.system!r}")
        problem = _refused(one, system)
        if problem:
            yield Fault(f"{pointer}/retryPolicy", problem)


def _refused(one: SubscriptionBody, system: System | None) -> str | None:
    if one.retry_policy is None:
        return None
    if system is not None and system.kind in MAIL_KINDS:
        return NO_POLICY
    if one.source not in TITLES:
        return None
    return retry.refusal(Row(one.source), one.retry_policy.value)
