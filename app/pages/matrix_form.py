"""The routing matrix as a form: read from what was ticked, and a draft against what holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from app.domain.board import cell_name
from app.domain.event_kinds import Row, Severity

Document = dict[str, Any]
# S3's line for each row; the last one is ours.
HELP = {
    Row.GLOBAL: "Routes all the notifications, whatever their source.",
    Row.METRICS: "Notifications about the alerts on metrics.",
    Row.BACKUPS: "Notifications about the backups and restores.",
    Row.SERVICE_CHECKS: "Notifications about the service checks and health checks.",
    Row.NODES: "Notifications raised from the nodes.",
    Row.COMMANDS: "Notifications from generic tasks.",
    Row.REPAIRS: "Notifications from Cassandra repairs.",
    Row.ROLLING_RESTART: "Notifications from the rolling restart feature.",
    Row.INTEGRATIONS: "Failures, silence and recovery of the integrations.",
}


@dataclass(frozen=True)
class Change:
    """What a draft changes in one cell; `override` None: nothing."""

    cell: str
    added: Sequence[str]
    removed: Sequence[str]
    override: bool | None


def read(typed: MultiDict[str, str]) -> list[Document]:
    """Return the cells as they were ticked, as a body of PUT /routes has them."""
    return [
        {
            "source": str(row),
            "severity": str(severity),
            "systems": typed.getlist(f"cell.{row}.{severity}"),
            "override": bool(typed.get(f"override.{row}.{severity}")),
        }
        for row in Row
        for severity in Severity
    ]


def changes(before: Sequence[Document], after: Sequence[Document]) -> Iterator[Change]:
    """Yield what differs, in the order of the cells."""
    old, new = by_place(before), by_place(after)
    for row in Row:
        for severity in Severity:
            was, will = (one.get((str(row), str(severity)), {}) for one in (old, new))
            had, has = (one.get("systems", []) for one in (was, will))
            overrides = [bool(one.get("override")) for one in (was, will)]
            change = Change(
                cell_name(row, severity),
                added=[name for name in has if name not in had],
                removed=[name for name in had if name not in has],
                override=overrides[1] if overrides[0] != overrides[1] else None,
            )
            if change.added or change.removed or change.override is not None:
                yield change


def by_place(cells: Sequence[Document]) -> dict[tuple[str, str], Document]:
    """Return cells by source and severity."""
    return {(one["source"], one["severity"]): one for one in cells}


def place(pointer: str) -> str:
    """Return what a pointer into the body that `read` has made stands for, in words."""
    part, _, rest = pointer.strip("/").partition("/")
    number = rest.partition("/")[0]
    places = [(row, severity) for row in Row for severity in Severity]
    if part == "cells" and number.isdigit() and int(number) < len(places):
        return f"{cell_name(*places[int(number)])}:"
    return pointer.strip("/")


def policy_words(policy: Mapping[str, Any]) -> str:
    """Return a retry policy in a few words."""
    delay = f"{policy.get('retryDelay', 0):,} s"
    if policy["policy"] == "Bounded":
        return f"{policy['retryNumber']:,} retries, {delay} apart"
    return "one single retry" if policy["policy"] == "None" else f"every {delay}, for 3 days"
