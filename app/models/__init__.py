"""The tables, one file per aggregate; importing this package knows all of them."""

from __future__ import annotations

from app.models.configuration import (
    ApiKey,
    Audit,
    Preference,
    Schedule,
    System,
)
from app.models.delivery import (
    IS_CANCELLED,
    IS_LEASED,
    IS_OPEN,
    IS_PENDING,
    IS_STORED,
    IS_TEST,
    IS_WAITING,
    Attempt,
    Delivery,
    DeliveryEvent,
    DeliveryItem,
    DeliveryRecipient,
)
from app.models.event import Event, RouteRevision
from app.models.failure import CountedCycle, Failure, Idempotency, Trace
from app.models.integration import Integration, IntegrationDirection
from app.models.lane import Lane, LaneEntry, Pace
from app.models.person import SavedView, SignedIn, SignInFailure, User
from app.models.registration import Registration, RegistrationDirection
from app.models.running import DispatchRun, HourlyCount, Job, JobRow, Process

__all__ = [
    "IS_CANCELLED",
    "IS_LEASED",
    "IS_OPEN",
    "IS_PENDING",
    "IS_STORED",
    "IS_TEST",
    "IS_WAITING",
    "ApiKey",
    "Attempt",
    "Audit",
    "CountedCycle",
    "Delivery",
    "DeliveryEvent",
    "DeliveryItem",
    "DeliveryRecipient",
    "DispatchRun",
    "Event",
    "Failure",
    "HourlyCount",
    "Idempotency",
    "Integration",
    "IntegrationDirection",
    "Job",
    "JobRow",
    "Lane",
    "LaneEntry",
    "Pace",
    "Preference",
    "Process",
    "Registration",
    "RegistrationDirection",
    "RouteRevision",
    "SavedView",
    "Schedule",
    "SignInFailure",
    "SignedIn",
    "System",
    "Trace",
    "User",
]
