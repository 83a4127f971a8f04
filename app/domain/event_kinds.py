"""The words of events and of the matrix that routes them (spec: product.md 1, 8; S3)."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """What an event comes from: a row of the routing matrix (S3)."""

    METRICS = "metrics"
    BACKUPS = "backups"
    SERVICE_CHECKS = "serviceChecks"
    NODES = "nodes"
    COMMANDS = "commands"
    REPAIRS = "repairs"
    ROLLING_RESTART = "rollingRestart"
    INTEGRATIONS = "integrations"


class Row(StrEnum):
    """A row of the routing matrix: every source, and Global, which is a row and no source."""

    GLOBAL = "global"
    METRICS = "metrics"
    BACKUPS = "backups"
    SERVICE_CHECKS = "serviceChecks"
    NODES = "nodes"
    COMMANDS = "commands"
    REPAIRS = "repairs"
    ROLLING_RESTART = "rollingRestart"
    INTEGRATIONS = "integrations"


class Severity(StrEnum):
    """How bad an event is, as it is routed."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Received(StrEnum):
    """A severity as it may be reported; critical is routed as error."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class EventStatus(StrEnum):
    """Whether an event opens or ends what it tells of."""

    FIRING = "firing"
    RESOLVED = "resolved"


class EventOutcome(StrEnum):
    """What became of an event: it goes somewhere, nowhere, or nowhere on purpose."""

    ROUTED = "routed"
    NO_ROUTE = "no_route"
    OVERRIDDEN = "overridden"
