"""What a registration asks for: whom to tell of a direction's failures, and by which rules.

Plain values; intake, delivering, the API and the form read a registration through these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from app.domain.kinds import Direction, Kind
from app.domain.notifying import Rules


class DirectionRow(Protocol):
    """The stored settings of one direction (an ORM row, or a row of a query)."""

    recipients: list[str]
    cc: list[str]
    subject_prefix: str
    global_enabled: bool
    no_activity_minutes: int | None
    immediately: bool
    failure_count: int
    processing_enabled: bool
    before_max_retries: bool
    processing_recipients: list[str] | None
    processing_cc: list[str] | None


@dataclass(frozen=True)
class Recipients:
    """Whom a mail is for; no address stands in both lists."""

    to: tuple[str, ...]
    cc: tuple[str, ...]


@dataclass(frozen=True)
class DirectionSettings:
    """The settings of one direction (S1, Register For Failure Notification).

    `no_activity_minutes` None: silence is not told. `processing_recipients` and `processing_cc`
    None: the same as for global failures.
    """

    recipients: tuple[str, ...]
    cc: tuple[str, ...] = ()
    subject_prefix: str = ""
    rules: Rules = field(default_factory=Rules)
    no_activity_minutes: int | None = None
    processing_recipients: tuple[str, ...] | None = None
    processing_cc: tuple[str, ...] | None = None

    def recipients_of(self, kind: Kind) -> Recipients:
        """Return whom a mail about failures of `kind` is for."""
        to, cc = self.recipients, self.cc
        if kind is Kind.PROCESSING:
            to = to if self.processing_recipients is None else self.processing_recipients
            cc = cc if self.processing_cc is None else self.processing_cc
        told = {address.lower() for address in to}
        return Recipients(to, tuple(address for address in cc if address.lower() not in told))


@dataclass(frozen=True)
class RegistrationSettings:
    """The settings of a registration; `backward` None: the same as forward."""

    forward: DirectionSettings
    backward: DirectionSettings | None = None
    include_error_trace: bool = True
    tell_recovery: bool = True

    def settings_of(self, direction: Direction) -> DirectionSettings:
        """Return what holds for `direction` (S1, Same setting for backward direction)."""
        if direction is Direction.BACKWARD and self.backward is not None:
            return self.backward
        return self.forward


def direction_settings(row: DirectionRow) -> DirectionSettings:
    """Return the settings that `row` stores."""
    return DirectionSettings(
        recipients=tuple(row.recipients),
        cc=tuple(row.cc),
        subject_prefix=row.subject_prefix,
        rules=Rules(
            global_enabled=row.global_enabled,
            immediately=row.immediately,
            failure_count=row.failure_count,
            processing_enabled=row.processing_enabled,
            before_max_retries=row.before_max_retries,
        ),
        no_activity_minutes=row.no_activity_minutes,
        processing_recipients=_maybe(row.processing_recipients),
        processing_cc=_maybe(row.processing_cc),
    )


def _maybe(addresses: list[str] | None) -> tuple[str, ...] | None:
    return None if addresses is None else tuple(addresses)
