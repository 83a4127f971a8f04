"""Decisions as documents: why something was sent, held or skipped, and by which rule."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.services.documents import Document


class Rule(Document):
    """What decided: a registration (of `integration`), or a cell of the matrix."""

    kind: str
    row: str | None = None
    severity: str | None = None
    integration: str | None = None


class Earlier(Document):
    """What the same rule decided before."""

    at: datetime
    reason: str
    text: str


class Decision(Document):
    """The stored answer to "was this sent there, and why"."""

    at: datetime
    rule: Rule
    system: str | None
    outcome: str
    reason: str
    text: str
    delivery: str | None
    history: list[Earlier]


def registered(integration: str | None) -> Rule:
    """Return the rule of an integration's registration."""
    return Rule(kind="registration", integration=integration)


def stored(document: Mapping[str, Any], integration: str | None, system: str | None) -> Decision:
    """Return the decision that a failure row keeps."""
    return Decision(
        at=document["at"],
        rule=registered(integration),
        system=system,
        outcome=document["outcome"],
        reason=document["reason"],
        text=document["text"],
        delivery=document["delivery"],
        history=[Earlier(**entry) for entry in document["history"]],
    )
