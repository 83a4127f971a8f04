"""What the tests of intake and delivering share: reports, a registered integration, a courier."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from app import clock
from app.clock import utc_now
from app.domain.kinds import RunCause
from app.models import Delivery, Failure
from app.services import dispatch, intake, lane_work, processes
from app.services.deliver import Courier
from app.services.installation import Installation
from app.services.intake import ActivityBody, FailureBody, Report
from app.shapes import parse
from tests.servers.sink import Sink
from tests.services.makers import put_integration, put_system, register

ANSWER = dict[str, Any]


def report(site: Installation, key: str = "jira", *, api_key: int = 1, **body: Any) -> ANSWER:
    """Report a failure through intake and return the answer."""
    made = parse(FailureBody, {"kind": "global", "message": "Login refused"} | body)
    return _submit(site, key, api_key, made)


def active(site: Installation, key: str = "jira", **body: Any) -> ANSWER:
    """Report activity through intake and return the answer."""
    return _submit(site, key, 1, parse(ActivityBody, body))


def _submit(site: Installation, key: str, api_key: int, body: FailureBody | ActivityBody) -> ANSWER:
    made = Report(api_key, body.id, key, body, utc_now(), may_create=True)
    return dict(intake.submit(site, made).document)


def registered(site: Installation, port: int = 25, key: str = "jira", **settings: Any) -> None:
    """Make the mail system at `port`, the integration and its registration."""
    options = {
        "server": "127.0.0.1",
        "port": port,
        "encryption": "none",
        "authenticationRequired": False,
        "senderEmail": "tocsin@corp.example",
        "timeout": 3,
    }
    put_system(site, options=options)
    put_integration(site, key)
    told = {"recipients": ["ops@corp.example"], "global": settings}
    register(site, key, forward=told)


def at_once(site: Installation, port: int, key: str = "jira") -> None:
    """Register an integration whose failures are told immediately."""
    registered(site, port, key, immediately=True)


def rows(site: Installation, model: Any) -> list[Any]:
    """Return all rows of a table, oldest first."""
    with site.store.reading() as connection:
        return list(connection.execute(select(model.__table__).order_by(model.id)))


def failure(site: Installation, answer: ANSWER) -> Any:
    """Return the row of the failure that `answer` names."""
    wanted = int(answer["failure"]["id"])
    return next(row for row in rows(site, Failure) if row.id == wanted)


def reasons(site: Installation, answer: ANSWER) -> list[str]:
    """Return the reasons decided on a failure, oldest first."""
    decision = failure(site, answer).decision
    return [one["reason"] for one in (*decision["history"], decision)]


def deliveries(site: Installation) -> list[Any]:
    """Return all deliveries, oldest first."""
    return rows(site, Delivery)


class Post:
    """A courier that works while the test waits for it."""

    def __init__(self, site: Installation) -> None:
        self.site, self.process_id = site, processes.register(site, "worker")

    def serve(self, *lane_ids: int) -> None:
        """Send what is due in `lane_ids`, or in every lane, and wait for it."""
        courier = Courier(self.site, self.process_id)
        for lane_id in lane_ids or lane_work.with_work(self.site):
            courier.serve(lane_id)
        while courier.busy:
            clock.sleep(0.005)
        courier.stop()

    def run_pass(self) -> int:
        """Run one dispatch pass and send what it makes due; returns its id."""
        run_id = dispatch.request(self.site, RunCause.MANUAL)
        dispatch.run_queued(self.site, self.process_id)
        self.serve()
        return run_id


@contextmanager
def mail_server() -> Iterator[Sink]:
    """Run a mail server on loopback."""
    with Sink() as sink:
        yield sink


def ago(**span: float) -> str:
    """Return the time so long ago, as a report gives it."""
    return (utc_now() - timedelta(**span)).isoformat()
