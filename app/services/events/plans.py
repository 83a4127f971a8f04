"""How the events of one source and severity are routed: decided once, the same for all of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from weakref import ref

from app.domain import routing as domain
from app.domain.event_kinds import Row, Severity, Source
from app.domain.routing import RouteDecision, Subscription
from app.services.routing import Routing, Target

log = logging.getLogger(__name__)

Cell = tuple[str, str]
Opened = Mapping[Subscription, Target]

_json = partial(json.dumps, separators=(",", ":"))


@dataclass(frozen=True)
class Way:
    """One delivery of an event: through the subscription of `target`, for a reason."""

    target: Target
    decision: RouteDecision

    @property
    def batched(self) -> bool:
        """Whether events are collected for it (batch notify)."""
        return self.target.size > 1


@dataclass(frozen=True, eq=False)
class Plan:
    """What becomes of an event; `decisions` is their JSON text, with %s for each delivery's id.

    `collecting` are those of the ways that are batched.
    """

    outcome: str
    ways: tuple[Way, ...]
    decisions: str
    collecting: tuple[Way, ...]

    @cached_property
    def alone(self) -> int:
        """How many deliveries tell one such event alone."""
        return len(self.ways) - len(self.collecting)


class Plans:
    """How events are routed as long as one routing holds; each plan is made when it is wanted."""

    def __init__(self, routing: Routing) -> None:
        # Weak, as they are kept until another routing holds.
        self._routing = ref(routing)
        self._made: dict[tuple[Cell, Collection[Subscription]], Plan] = {}
        self._without_lane: set[tuple[Row, int]] = set()

    def are_of(self, routing: Routing) -> bool:
        """Whether they were made by this very routing."""
        return self._routing() is routing

    def of(self, routing: Routing, cell: Cell, opened: Opened | None = None) -> Plan:
        """Return the plan of a source and severity; `opened`: where the opening of a resolve went.

        A system without a lane is told nothing: the decision is kept without a delivery, with a
        warning in the log.
        """
        key = (cell, tuple(sorted(opened)) if opened else ())
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._plan(routing, cell, opened or {})
        return found

    def _plan(self, routing: Routing, cell: Cell, opened: Opened) -> Plan:
        told = sorted(opened)
        decided = domain.route(routing.matrix, Source(cell[0]), Severity(cell[1]), told)
        ways = tuple(self._ways({**routing.targets, **opened}, decided))
        reached = {(way.decision.row, way.decision.system) for way in ways}
        parts = [_text(one, there=(one.row, one.system) in reached) for one in decided]
        collecting = tuple(way for way in ways if way.batched)
        return Plan(str(domain.outcome(decided)), ways, f"[{','.join(parts)}]", collecting)

    def _ways(self, targets: Opened, decided: Iterable[RouteDecision]) -> Iterator[Way]:
        for one in decided:
            if not one.sends or one.system is None:
                continue
            target = targets.get((one.row, one.system))
            if target is not None:
                yield Way(target, one)
            elif (one.row, one.system) not in self._without_lane:
                self._without_lane.add((one.row, one.system))
                log.warning(
                    "System %s has no lane for %s: its events are not sent.", one.system, one.row
                )


_last: Plans | None = None


def plans_of(routing: Routing) -> Plans:
    """Return the plans by `routing`; those of the last one asked for are kept."""
    global _last  # noqa: PLW0603 - a cache of one
    plans = _last
    if plans is None or not plans.are_of(routing):
        plans = _last = Plans(routing)
    return plans


def _text(one: RouteDecision, *, there: bool) -> str:
    document = {
        "row": one.row,
        "severity": one.severity,
        "system": one.system,
        "outcome": one.outcome,
        "reason": one.why,
    }
    # Only words and numbers of our own, so that there is no other % in it.
    return f'{_json(document)[:-1]},"delivery":{"%s" if there else "null"}}}'
