"""Routes: the one document that says which systems are told of which events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from app.api.endpoints import Call, Reply, endpoint
from app.api.resources import reply
from app.services import routes
from app.services.api_keys import Scope
from app.services.paging import Query
from app.services.routes import PATH
from app.services.routes_shape import RoutesBody
from app.services.routes_waiting import Waiting

TAG = "Routes"
ANSWERS = {200: RoutesBody}


class WaitingQuery(Query):
    """What happens to what waits."""

    waiting: Waiting = Field(
        Waiting.SEND,
        description="What happens to what waits where a system leaves its last cell of a source.",
    )


@endpoint("GET", PATH, scope=Scope.READ, tag=TAG, answers=ANSWERS)
def read_routes(call: Call) -> Reply:
    """Read the routing matrix: all 27 cells, and the retry policy of each source and system."""
    return reply(routes.get(call.site))


@endpoint(
    "PUT", PATH, scope=Scope.ADMIN, tag=TAG, answers=ANSWERS, refusals=(412,), shape=RoutesBody
)
def put_routes(call: Call, query: WaitingQuery, document: Any) -> Reply:
    """Replace the routing matrix; a cell that is left out is empty."""
    actor = call.caller.actor
    return reply(routes.replace(call.site, actor, document, call.condition, query.waiting))


@endpoint(
    "PATCH", PATH, scope=Scope.ADMIN, tag=TAG, answers=ANSWERS, refusals=(412,), shape=RoutesBody
)
def patch_routes(call: Call, query: WaitingQuery, patch: Mapping[str, Any]) -> Reply:
    """Replace the cells, or the subscriptions, of the routing matrix."""
    actor = call.caller.actor
    return reply(routes.patch(call.site, actor, patch, call.condition, query.waiting))
