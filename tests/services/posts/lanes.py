"""What the tests of lanes with a retry policy share: a lane, what waits, a scripted endpoint."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from sqlalchemy import select

from app.channels import CHANNELS
from app.channels.base import ChannelError, Receipt
from app.channels.fake import FakeChannel
from app.clock import utc_now
from app.domain.event_kinds import EventOutcome, EventStatus, Severity, Source
from app.domain.kinds import DeliveryKind, Fail, LaneState, Policy, Why
from app.domain.pacing import Windows
from app.models import Attempt, Delivery, Event, Lane, LaneEntry, System
from app.services.installation import Installation
from app.services.new_delivery import fresh
from app.services.posts import expiry, settling
from tests.services.spine import Post
from tests.simulated import Simulated

KIND = "scripted"
NO_ROW = (1, 9)


class ScriptedChannel(FakeChannel):
    """A fake endpoint that answers each message by `says`, or by what `outcomes` holds."""

    kind: ClassVar[str] = KIND

    def __init__(self) -> None:
        super().__init__()
        self.says: Callable[[Any], ChannelError | None] = lambda _notice: None
        self.tries: list[tuple[float, str]] = []
        self.pace: Windows = ()

    def describe(self, _options: Any, notice: Any) -> str:
        """Return the line of the request."""
        return f"POST {notice.id}"

    def answer(self, message: Any) -> Receipt:
        """Note the try, then do what the script says."""
        with self.lock:
            self.tries.append((utc_now().timestamp(), _title(message)))
            outcome = self.outcomes.popleft() if self.outcomes else self.says(message)
        if isinstance(outcome, ChannelError):
            raise outcome
        with self.lock:
            self.sent.append(message)
        return Receipt(200, "200 OK")


def _title(message: Any) -> str:
    return ",".join(str(part.facts["title"]) for part in message.events)


def down(_notice: Any = None, **facts: Any) -> ChannelError:
    """Return the error of an endpoint that does not answer."""
    return ChannelError("Connection refused.", reason=Fail.CONNECTION, endpoint=True, **facts)


def refused(_notice: Any = None, **facts: Any) -> ChannelError:
    """Return the error of a message that the endpoint does not want."""
    said = {"reason": Fail.CLIENT_ERROR, "endpoint": False, "status": 422, **facts}
    return ChannelError("422 Unprocessable Content.", **said)


class World:
    """One system with one lane, in simulated time."""

    def __init__(self, site: Installation, simulated: Simulated, **policy: Any) -> None:
        self.site, self.time = site, simulated
        self.channel = ScriptedChannel()
        CHANNELS[KIND] = self.channel
        self.post = Post(site)
        self.start = utc_now()
        self.system_id = self._system("Sink")
        self.lane_id = self.lane(**policy)

    def _system(self, name: str) -> int:
        now = utc_now()
        with self.site.store.session() as session:
            row = System(
                name=name, kind=KIND, version="N/A", status="running", options={}, secrets={},
                retry_policy=None, created_at=now, updated_at=now,
            )  # fmt: skip
            session.add(row)
            session.flush()
            return row.id

    def lane(self, row: str = "metrics", policy: str = "Bounded", **numbers: int) -> int:
        """Make a lane of the system."""
        with self.site.store.session() as session:
            made = Lane(
                system_id=self.system_id, row=row, state=LaneState.NORMAL, since=utc_now(),
                round=0, policy=Policy(policy), retry_number=numbers.get("number", 3),
                retry_delay=numbers.get("delay", 10), asked=False,
            )  # fmt: skip
            session.add(made)
            session.flush()
            return made.id

    def report(self, *titles: str, lane_id: int | None = None, key: int | None = None) -> list[int]:
        """Let an event of each title wait in the lane; returns the deliveries."""
        return [self._report(title, lane_id or self.lane_id, key) for title in titles]

    def _report(self, title: str, lane_id: int, key: int | None) -> int:
        now = utc_now()
        with self.site.store.session() as session:
            event = Event(
                received_at=now, source=Source.METRICS, severity=Severity.ERROR,
                status=EventStatus.FIRING, outcome=EventOutcome.ROUTED, decisions="[]",
                document=f'{{"title":"{title}"}}',
            )  # fmt: skip
            session.add(event)
            session.flush()
            values = fresh(
                now, kind=DeliveryKind.EVENT, system_id=self.system_id, lane_id=lane_id,
                event_id=event.id, order_key=key, why=Why.OWN_CELL, why_text="", due_at=now,
                item_count=1,
            )  # fmt: skip
            row = Delivery(**values)
            session.add(row)
            session.flush()
            return row.id

    def serve(self) -> None:
        """Do what the worker would do at this moment."""
        self.post.serve()

    def passes(self, seconds: float, step: float = 1.0) -> None:
        """Let time go by; the worker looks at each step, as its timers and the sweep would."""
        end = self.time.now + timedelta(seconds=seconds)
        while self.time.now < end:
            self.time.reaches(min(self.time.now + timedelta(seconds=step), end))
            expiry.expire_all(self.site)
            settling.calm(self.site)
            self.serve()

    def skips(self, seconds: float) -> None:
        """Let time go by in which nothing is looked at."""
        self.time.passes(seconds=seconds)

    @property
    def tries(self) -> list[tuple[int, str]]:
        """When (seconds since the start) and what was tried."""
        began = self.start.timestamp()
        return [(round(at - began), title) for at, title in self.channel.tries]

    @property
    def arrived(self) -> list[str]:
        """What the endpoint took, in order."""
        return [_title(message) for message in self.channel.sent]

    def standing(self, lane_id: int | None = None) -> Any:
        """Return the row of the lane."""
        query = select(Lane.__table__).where(Lane.id == (lane_id or self.lane_id))
        with self.site.store.reading() as connection:
            return connection.execute(query).one()

    def one(self, delivery_id: int) -> Any:
        """Return the row of a delivery."""
        with self.site.store.reading() as connection:
            query = select(Delivery.__table__).where(Delivery.id == delivery_id)
            return connection.execute(query).one()

    def states(self) -> list[str]:
        """Return the states of all deliveries, oldest first."""
        with self.site.store.reading() as connection:
            return [
                str(one) for one in connection.scalars(select(Delivery.state).order_by(Delivery.id))
            ]

    def attempts(self, delivery_id: int) -> int:
        """Return how many attempts a delivery had of its own."""
        query = select(Attempt.count).where(Attempt.delivery_id == delivery_id)
        with self.site.store.reading() as connection:
            return sum(connection.scalars(query))

    def entries(self) -> list[Any]:
        """Return what the lane remembers of first failures."""
        with self.site.store.reading() as connection:
            return list(connection.execute(select(LaneEntry.__table__)))
