"""What differs between mail and lanes with a retry policy; claims, leases and commits do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from app.services.deliver.ended import Ended
from app.services.deliver.endpoint import Endpoint
from app.services.deliver.once import Letter, Sent
from app.services.installation import Installation
from app.services.lanes import Lease


class Job(Letter, Protocol):
    """One claimed delivery with all that is needed to send it."""

    @property
    def claimed(self) -> Any:
        """The claim: at least `id` and `lost_leases`."""

    @property
    def sendable(self) -> bool:
        """Whether there is something to send, and somebody to send it to."""

    @property
    def message_id(self) -> str | None:
        """The id that is kept on the delivery, if it is not made of the row."""

    @property
    def traced(self) -> tuple[Any, ...]:
        """What is to be drawn before it is sent."""

    def ended(self, sent: Sent, **facts: Any) -> Ended:
        """Return how an attempt of it ended."""


class Manner(Protocol):
    """How the deliveries of one kind of lane are claimed, read, and left."""

    def take(self, site: Installation, lease: Lease) -> Sequence[Any]:
        """Lease what goes now."""

    def load(self, site: Installation, system: Endpoint, claims: Sequence[Any]) -> Sequence[Any]:
        """Read what was claimed."""

    def fresh(self, site: Installation, system: Endpoint, job: Any) -> Any:
        """Return a job as it is now."""

    def drawn(self, site: Installation, job: Any, keep: Callable[[], bool]) -> Any:
        """Return a job with what has to be drawn for it; None: the lane was lost meanwhile."""

    def end_without_sending(self, site: Installation, lease: Lease, job: Any) -> None:
        """End a delivery that is not sendable."""

    def goes_on(self, lease: Lease, ended: Ended) -> tuple[Lease, bool]:
        """Return what the end of an attempt makes of the lane at hand, and whether it goes on."""

    def settle(self, site: Installation, lease: Lease, *, drained: bool) -> None:
        """Leave the lane in order, before it is given back."""
