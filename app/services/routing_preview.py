"""Preview: whom an event would reach now, and by which cell (product.md 8; api.md, Acting)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from app.domain.board import Board, cell_name, listed
from app.domain.catalogue import ENTRIES, routed_as
from app.domain.event_kinds import EventOutcome, Received, Row, Severity, Source
from app.domain.kinds import Why
from app.domain.routing import RouteDecision, outcome, route
from app.services import routing_board
from app.services.documents import Document
from app.services.events.coded import NEEDED, disagreements, known
from app.services.events.shapes import MOST_LABELS, Labels, SeverityWord, SourceWord
from app.services.installation import Installation
from app.shapes import Moment, Shape, beside, text

_STORED = "It is paused: what goes to it is stored until it is resumed."


def _code(value: str | None, info: ValidationInfo) -> str | None:
    code = None if value is None else known(value)
    wrong = disagreements({**info.data, "code": code}, ("source", "severity"))
    if wrong:
        raise beside(wrong)
    return code


class PreviewBody(Shape):
    """An event as far as its routing goes."""

    source: SourceWord | None = Field(None, description=NEEDED)
    severity: SeverityWord | None = Field(None, description=NEEDED)
    code: Annotated[Annotated[str, text(100)] | None, AfterValidator(_code)] = Field(
        None, validate_default=True, description="Entry of the error catalogue."
    )
    integration: Annotated[str, text(255, required=True)] | None = Field(
        None, description="Key of the integration; no cell asks for it."
    )
    labels: Labels = Field(default={}, max_length=MOST_LABELS, description="No cell asks for them.")
    at: Moment | None = Field(None, description="When it is received; default: now.")


@dataclass(frozen=True)
class Asked:
    """An event whose way is asked for; what the matrix does not look at is for silences."""

    source: Source
    severity: Severity
    integration: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None


class Told(Document):
    """A system that would be told: `row` and `severity` are the cell that names it."""

    system: str
    kind: str
    row: Row
    severity: Severity
    reason: Why
    text: str


class NotTold(Document):
    """A system that Global names and that would not be told; null: nobody is told."""

    system: str | None
    reason: Why
    text: str


class Preview(Document):
    """Where an event would go, and in a sentence."""

    systems: list[Told]
    not_sent: list[NotTold]
    sentence: str


def preview(site: Installation, body: PreviewBody) -> Preview:
    """Return where an event would go by the matrix that holds."""
    return explained(routing_board.current(site), asked(body))


def asked(body: PreviewBody) -> Asked:
    """Return what a body asks for, with what its code gives."""
    source, severity = body.source, body.severity
    if source is None or severity is None:
        # The shape has seen to it that there is a code then.
        entry = ENTRIES[str(body.code)]
        source, severity = source or entry.source.value, severity or entry.severity.value
    routed = routed_as(Received(severity))
    return Asked(Source(source), routed, body.integration, body.labels, body.at)


def explained(board: Board, event: Asked) -> Preview:
    """Return where an event goes by a matrix, that holds or is a draft; pure.

    It asks `routing.route`, as the dispatch does.
    """
    decided = route(board.matrix, event.source, event.severity)
    return Preview(
        systems=[_told(board, one, one.system) for one in decided if one.sends and one.system],
        not_sent=[_not_told(board, one) for one in decided if not one.sends],
        sentence=" ".join(_sentences(board, event, decided)),
    )


def _told(board: Board, decision: RouteDecision, system: int) -> Told:
    facts = board.systems[system]
    return Told(
        system=facts.name,
        kind=facts.kind,
        row=decision.row,
        severity=decision.severity,
        reason=decision.why,
        text=f"{decision.text} {_STORED}" if facts.paused else decision.text,
    )


def _not_told(board: Board, decision: RouteDecision) -> NotTold:
    system = None if decision.system is None else board.systems[decision.system].name
    return NotTold(system=system, reason=decision.why, text=decision.text)


def _sentences(board: Board, event: Asked, decided: Sequence[RouteDecision]) -> Iterator[str]:
    own, shared = (_of(board, decided, why) for why in (Why.OWN_CELL, Why.GLOBAL_CELL))
    cell, everyone = cell_name(Row(event.source), event.severity), f"Global / {event.severity}"
    if own or shared:
        parts = [f"to {listed(own)} ({cell})"] if own else []
        parts += [f"to {listed(shared)} through {everyone}"] if shared else []
        yield f"Goes {', and '.join(parts)}."
    elif outcome(decided) is EventOutcome.OVERRIDDEN:
        yield f"Goes to nobody, on purpose: {cell} overrides Global and names no system."
    else:
        yield f"Goes to nobody: neither {cell} nor {everyone} names a system."
    left = _of(board, decided, Why.OVERRIDDEN)
    if left:
        yield f"Not to {listed(left)}, as {cell} overrides Global."
    paused = _paused(board, decided)
    if paused:
        are, they = ("are", "they are") if len(paused) > 1 else ("is", "it is")
        yield f"{listed(paused)} {are} paused: what goes there is stored until {they} resumed."


def _of(board: Board, decided: Iterable[RouteDecision], why: Why) -> tuple[str, ...]:
    return board.names(one.system for one in decided if one.why is why and one.system is not None)


def _paused(board: Board, decided: Iterable[RouteDecision]) -> tuple[str, ...]:
    sent = [one.system for one in decided if one.sends and one.system is not None]
    return board.names(one for one in sent if board.systems[one].paused)
