"""Health: /healthz for supervisors, /readyz for people and load balancers, /metrics."""

from __future__ import annotations

from flask import Response

from app.api.endpoints import Call, Reply, endpoint
from app.services import health, metrics
from app.services.api_keys import Scope
from app.services.health import Alive, Readiness

UNAVAILABLE = 503


@endpoint("GET", "/healthz", scope=None, tag="Health", answers={200: Alive, UNAVAILABLE: Alive})
def read_health(call: Call) -> Reply:
    """Whether this process can write: a commit or a write probe succeeded in the last 10 s."""
    alive = health.alive(call.site)
    return Reply(alive, status=200 if alive.status == "ok" else UNAVAILABLE)


@endpoint(
    "GET",
    "/readyz",
    scope=Scope.READ,
    loopback=True,
    tag="Health",
    answers={200: Readiness, UNAVAILABLE: Readiness},
)
def read_readiness(call: Call) -> Reply:
    """Every check with its figure: database, disk, Redis, worker, scheduler, oldest waiting mail.

    Only the database is required: without it the answer is 503.
    """
    ready = health.readiness(call.site)
    return Reply(ready, status=200 if ready.serves else UNAVAILABLE)


@endpoint(
    "GET",
    "/metrics",
    scope=Scope.READ,
    loopback=True,
    tag="Health",
    answers={200: None},
    media_type="text/plain",
)
def read_metrics(call: Call) -> Response:
    """The figures of the installation as Prometheus text, at most 10 s old."""
    return Response(metrics.text(call.site), content_type=metrics.CONTENT_TYPE)
