"""An installation in which much waits for the pass; never imported by the process that measures.

`python -m bench.waiting SIZE PORT`, with the settings of an installation in the environment, makes
SIZE integrations, registers them in bulk at a mail system on PORT, stores FAILURES new processing
failures of each, whose retries are used up, and lets every SILENTth have been silent for too long.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select

from app import create_app
from app.clock import utc_now
from app.domain.kinds import Direction
from app.models import Integration, IntegrationDirection, Registration
from app.services import job_work, processes
from app.services.installation import Installation, installation
from app.services.intake.recording import prepare, record
from app.services.intake.reports import Answer, FailureBody, Report
from app.services.sql import chunks
from bench import many
from bench.passes import FAILURES, SILENT
from bench.product import KEY
from bench.reports import HELD, key, system

AT_ONCE = 100  # integrations in a batch of reports
MINUTES = 60
FIRST_KEY = 1
EVERYBODY = {
    "filter": {},
    "registration": {
        "system": "mail",
        "forward": {
            "recipients": ["operator@bench.example.com"],
            "cc": ["team@bench.example.com"],
            "global": {"failureCount": HELD, "noActivityMinutes": MINUTES},
        },
    },
}

FAILURE = {
    "kind": "processing",
    "message": "The target answered 503 Service Unavailable to PUT /orders; see the log.",
    "errorCode": "E-503",
    "entityType": "Order",
    "project": "Europe",
    "retryCount": 3,
    "maxRetryCount": 3,
}


def main(size: int, port: int) -> None:
    """Make, register, store, and let time pass."""
    many.main(size)
    app = create_app()
    site, client = installation(app), app.test_client()
    _ask(client, "PATCH", "/settings", {"postNotificationSchedule": "On Demand"})
    _ask(client, "PUT", "/systems/mail", json.loads(system(port).partition(b"\r\n\r\n")[2]))
    _ask(client, "POST", "/registrations/bulk", EVERYBODY)
    job_work.run_queued(site, processes.register(site, "bench"), lambda: True)
    for first in range(0, size, AT_ONCE):
        reports = [prepare(one) for one in _reports(range(first, min(first + AT_ONCE, size)))]
        assert all(isinstance(result, Answer) for result in record(site, reports))
    _fall_silent(site, [key(number) for number in range(0, size, SILENT)])


def _ask(client: FlaskClient, method: str, path: str, document: Any) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    answer = client.open(f"/api/v1{path}", method=method, json=document, headers=headers)
    assert answer.status_code in (200, 201, 202), answer.text


def _reports(integrations: range) -> Iterator[Report]:
    for number in integrations:
        for entity in range(FAILURES):
            body = FailureBody.model_validate({**FAILURE, "entityId": f"4711-{entity}"})
            yield Report(FIRST_KEY, None, key(number), body, utc_now(), may_create=False)


def _fall_silent(site: Installation, keys: list[str]) -> None:
    """Let the forward directions have been active and registered for longer than their limit."""
    past = utc_now() - timedelta(minutes=2 * MINUTES)
    directions, registrations = IntegrationDirection.__table__, Registration.__table__
    for some in chunks(keys):
        ids = select(Integration.id).where(Integration.key.in_(some))
        forward = directions.c.direction == Direction.FORWARD
        of_these = directions.c.integration_id.in_(ids)
        with site.store.writing() as connection:
            connection.execute(
                directions.update().where(forward, of_these).values(activated_at=past)
            )
            connection.execute(
                registrations.update()
                .where(registrations.c.integration_id.in_(ids))
                .values(registered_at=past)
            )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
