"""The words of the product as values; one word for one thing (spec: product.md 1)."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What failed: the whole cycle of a job, or one entity in it."""

    GLOBAL = "global"
    PROCESSING = "processing"


class Direction(StrEnum):
    """Which way an integration runs: system 1 to 2, or 2 to 1."""

    FORWARD = "forward"
    BACKWARD = "backward"


class ErrorType(StrEnum):
    """Whose failure it is: an integration's, or Tocsin's own work."""

    INTEGRATION = "integration"
    OTHER = "other"


class FailureState(StrEnum):
    """Whether the failure still stands."""

    OPEN = "open"
    RESOLVED = "resolved"


class Policy(StrEnum):
    """A retry policy (S2), as it is written in the API."""

    NONE = "None"
    BOUNDED = "Bounded"
    ALWAYS = "Always"


class Fault(StrEnum):
    """Whose fault the last failed attempt was: the endpoint's, or that of the message itself."""

    ENDPOINT = "endpoint"
    MESSAGE = "message"


class DeliveryKind(StrEnum):
    """What a delivery tells."""

    EVENT = "event"
    FAILURE = "failure"
    DIGEST = "digest"
    INACTIVITY = "inactivity"
    RECOVERY = "recovery"
    TEST = "test"
    FALLBACK = "fallback"


class DeliveryState(StrEnum):
    """Where a delivery stands (spec: delivery.md, A delivery)."""

    PENDING = "pending"
    LEASED = "leased"
    STORED = "stored"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


FINAL_STATES = (DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.CANCELLED)


class EndReason(StrEnum):
    """Why a delivery is dead or cancelled."""

    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    TEST = "test"
    UNREGISTERED = "unregistered"
    REMOVED = "removed"
    OPERATOR = "operator"


class LaneState(StrEnum):
    """Where a lane stands (spec: delivery.md, A lane)."""

    NORMAL = "normal"
    RETRYING = "retrying"
    FLUSHING = "flushing"


class Verdict(StrEnum):
    """How an attempt ended; UNKNOWN: it was started and nobody saw its end."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class RecipientState(StrEnum):
    """What the mail server said of one recipient."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"


class Fail(StrEnum):
    """Why an attempt failed (spec: channels.md, Common rules)."""

    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    AUTH_ERROR = "auth_error"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    DNS = "dns"
    BLOCKED_ADDRESS = "blocked_address"
    TOO_LARGE = "too_large"
    TEMPLATE = "template"
    OTHER = "other"


class Outcome(StrEnum):
    """What a decision does."""

    SEND = "send"
    HOLD = "hold"
    SKIP = "skip"


class Why(StrEnum):
    """The reason of a decision (spec: delivery.md, Decisions are data)."""

    IMMEDIATE = "immediate"
    COUNT_REACHED = "count_reached"
    HELD = "held"
    NOT_ACCESSIBLE = "not_accessible"
    RETRIES_EXHAUSTED = "retries_exhausted"
    EARLY = "early"
    INACTIVITY = "inactivity"
    RECOVERY = "recovery"
    RESOLVED_BEFORE = "resolved_before"
    TEST = "test"
    FALLBACK = "fallback"
    REPEAT = "repeat"
    ALREADY_TOLD = "already_told"
    DIRECTION_INACTIVE = "direction_inactive"
    KIND_DISABLED = "kind_disabled"
    NOT_REGISTERED = "not_registered"
    OWN_CELL = "own_cell"
    GLOBAL_CELL = "global_cell"
    OVERRIDDEN = "overridden"
    NO_ROUTE = "no_route"
    FOLLOWS_OPENING = "follows_opening"


class IntegrationStatus(StrEnum):
    """Whether an integration has a direction that is active."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class JobKind(StrEnum):
    """What a long piece of work does."""

    REGISTER = "register"
    DELETE_FAILURES = "delete failures"
    RESOLVE_FAILURES = "resolve failures"
    RESET_FAILURES = "reset failures"
    ACTIVATE = "activate"
    INACTIVATE = "inactivate"
    SEND_AGAIN = "send again"


class JobState(StrEnum):
    """Where a long piece of work stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class RowOutcome(StrEnum):
    """What a job did with one of its rows."""

    REGISTERED = "registered"
    CHANGED = "changed"
    SKIPPED = "skipped"


class RunCause(StrEnum):
    """What started a dispatch pass."""

    SCHEDULE = "schedule"
    MANUAL = "manual"


class RunState(StrEnum):
    """Where a dispatch pass stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
