"""How the events of one source and severity are routed: decided once, the same for each of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from weakref import ref

from app.domain import routing as domain
from app.domain.event_kinds import Row, Severity, Source
from app.domain.routing import RouteDecision
from app.services.routing import Routing, Target

log = logging.getLogger(__name__)

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


def plan(routing: Routing, source: str, severity: str) -> Plan:
    """Return how events of a source and severity are routed by `routing`.

    A system without a lane is told nothing: the decision is kept without a delivery, with a
    warning in the log.
    """
    decided = domain.route(routing.matrix, Source(source), Severity(severity))
    ways = tuple(_ways(routing, decided))
    reached = {(way.decision.row, way.decision.system) for way in ways}
    parts = [_text(one, there=(one.row, one.system) in reached) for one in decided]
    collecting = tuple(way for way in ways if way.batched)
    return Plan(str(domain.outcome(decided)), ways, f"[{','.join(parts)}]", collecting)


def _ways(routing: Routing, decided: Iterable[RouteDecision]) -> Iterable[Way]:
    for one in decided:
        if not one.sends or one.system is None:
            continue
        target = routing.targets.get((one.row, one.system))
        if target is None:
            _warn(routing, one)
        else:
            yield Way(target, one)


class _Said:
    """What was said of the routing that holds, as long as it does."""

    def __init__(self) -> None:
        self._routing: Callable[[], Routing | None] = lambda: None
        self._keys: set[tuple[Row, int | None]] = set()

    def first(self, routing: Routing, key: tuple[Row, int | None]) -> bool:
        """Whether `key` was not said before."""
        if self._routing() is not routing:
            self._routing, self._keys = ref(routing), set()
        found = key in self._keys
        self._keys.add(key)
        return not found


_said = _Said()


def _warn(routing: Routing, one: RouteDecision) -> None:
    if _said.first(routing, (one.row, one.system)):
        log.warning("System %s has no lane for %s: its events are not sent.", one.system, one.row)


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
