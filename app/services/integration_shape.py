"""The shape of an integration, in bodies and in answers (api.md, Configuring)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from app.models import Integration, IntegrationDirection
from app.services.named import Answered, Document, answered, answered_time, moment
from app.shapes import Shape, text, whole

DEFAULT_RETRIES = 3
MOST_RETRIES = 1000

Line = Annotated[str, text(255, line=True)]
Key = Annotated[str, text(255, required=True, line=True)]


class DirectionBody(Shape):
    """One direction of an integration."""

    status: Literal["active", "inactive"] = Field(
        default="active", description="Failures of an inactive direction are stored and not told."
    )
    activated_at: Any = answered_time()
    last_activity_at: Any = answered_time()
    last_failure_at: Any = answered_time()
    count: Any = answered("integer", description="Global failures in a row.")
    failing_since: Any = answered_time()
    silent: Any = answered("boolean", description="Its silence was decided in this episode.")
    decisions: Any = answered(
        "object",
        nullable=True,
        description="The last decisions on inactivity and recovery, each as decisions are.",
    )


class IntegrationBody(Answered):
    """A job that synchronises two systems of the customer."""

    key: Key | None = Field(
        None,
        description="May be left out where the path gives it. It has no part . or .. between "
        "slashes.",
    )
    name: Key | None = Field(None, description="Default: the key.")
    system1: Line = ""
    system2: Line = ""
    bidirectional: bool = True
    max_retry_count: Annotated[int, whole(0, MOST_RETRIES)] = Field(
        DEFAULT_RETRIES,
        description="A processing failure is told when it was retried as often; 0: at once.",
    )
    forward: DirectionBody = DirectionBody()
    backward: DirectionBody | None = Field(
        None, description="Ignored, and null in the answer, where it is not bidirectional."
    )


def configured(row: Integration) -> Document:
    """Return the integration as a PUT would say it."""
    forward, backward = row.directions
    return {
        "key": row.key,
        "name": row.name,
        "system1": row.system1,
        "system2": row.system2,
        "bidirectional": row.bidirectional,
        "maxRetryCount": row.max_retry_count,
        "forward": _status(forward),
        "backward": _status(backward) if row.bidirectional else None,
    }


def standing(row: Integration) -> Document:
    """Return where each direction stands."""
    forward, backward = row.directions
    return {
        "forward": _standing(forward),
        "backward": _standing(backward) if row.bidirectional else None,
    }


def _status(row: IntegrationDirection) -> Document:
    return {"status": "active" if row.active else "inactive"}


def _standing(row: IntegrationDirection) -> Document:
    return {
        **_status(row),
        "activatedAt": moment(row.activated_at),
        "lastActivityAt": moment(row.last_activity_at),
        "lastFailureAt": moment(row.last_failure_at),
        "count": row.count,
        "failingSince": moment(row.episode_since),
        "silent": row.episode_since is not None and row.silent_episode == row.episode,
        "decisions": row.decisions,
    }
