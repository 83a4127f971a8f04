"""The one tree of errors; the message of each is what an operator should read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class TocsinError(Exception):
    """Root of everything that Tocsin raises on purpose."""


class SettingError(TocsinError):
    """A setting of the environment is wrong; the start stops with its name."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


class StorageUnavailable(TocsinError):
    """Nothing can be stored now; the sender should come again after `retry_after` seconds.

    `public`: the message may be told to whoever asked; else it may hold what the database said.
    """

    public: ClassVar[bool] = False

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LowDisk(StorageUnavailable):
    """Reports are refused before the disk is full, so that what waits can still be sent."""

    public = True

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=30)


class Busy(StorageUnavailable):
    """The server does as much of this as it can; the message says what, and to come again."""

    public = True


class DatabaseUnusable(TocsinError):
    """The database cannot be used until somebody mends it; the start stops."""


class DataDirInUse(TocsinError):
    """Another server runs on this data directory."""


class DecryptionFailed(TocsinError):
    """A stored secret cannot be read with the keys at hand."""


@dataclass(frozen=True)
class Fault:
    """One fault of an input: `pointer` is a JSON pointer (RFC 6901), `message` names the range."""

    pointer: str
    message: str


class Invalid(TocsinError):
    """An input that cannot be taken; carries every fault, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.pointer or '/'}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class NotFound(TocsinError):
    """What was named does not exist."""


class Conflict(TocsinError):
    """It is there already, or the key was used with another body."""


class Forbidden(TocsinError):
    """The key or role may not do this."""


class Stale(TocsinError):
    """If-Match named a version that is no longer the current one."""


@dataclass(frozen=True)
class Use:
    """One user of a thing that cannot be deleted: its kind, its name, its path."""

    kind: str
    name: str
    url: str


class InUse(Conflict):
    """A thing that is still used cannot be deleted."""

    def __init__(self, message: str, used_by: Sequence[Use]) -> None:
        super().__init__(message)
        self.used_by = tuple(used_by)
