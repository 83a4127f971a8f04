"""Routing: whom an event would reach, what a draft would change, and what is worth a look."""

from __future__ import annotations

from typing import Any

from app.api.endpoints import Call, endpoint
from app.services import routing_lint, routing_preview, routing_simulation
from app.services.api_keys import Scope
from app.services.documents import Page
from app.services.paging import PageQuery
from app.services.routing_lint import FindingDocument
from app.services.routing_preview import Preview, PreviewBody
from app.services.routing_simulation import Simulation, SimulationBody

TAG = "Routes"


@endpoint("POST", "/routing/preview", scope=Scope.READ, tag=TAG, answers={200: Preview})
def preview_routing(call: Call, body: PreviewBody) -> Preview:
    """Preview whom an event would reach now, and by which cell; nothing is sent or stored.

    A system that is paused is among them, and its text says so.
    """
    return routing_preview.preview(call.site, body)


@endpoint(
    "POST",
    "/routing/simulate",
    scope=Scope.READ,
    tag=TAG,
    answers={200: Simulation},
    shape=SimulationBody,
)
def simulate_routing(call: Call, query: PageQuery, document: Any) -> Simulation:
    """Simulate a draft of the matrix over stored events, beside what was really decided then.

    Only the events are listed that would go to other systems or by another row, the newest first.
    A page ends with `limit` of them, or when 20,000 events were looked at: it may then be short,
    or empty, and goes on with `next`. `events` counts those of this page. Nothing is stored.
    """
    return routing_simulation.simulate(call.site, document, query)


@endpoint("GET", "/routing/lint", scope=Scope.READ, tag=TAG, answers={200: Page[FindingDocument]})
def lint_routing(call: Call) -> Page[FindingDocument]:
    """Lint the matrix that holds: what is worth a look, in the order of its cells.

    `hole`: an event goes nowhere. `nobody`: the same on purpose. `paused` and `failing`: systems
    of the cell. `as_global`: its own systems that Global names already. `twice`: systems that reach
    the same endpoint, which is told twice.
    """
    return routing_lint.page(call.site)
