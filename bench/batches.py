"""Intake in batches, in one process and without HTTP; never imported by the process that measures.

`python -m bench.batches SIZE`, with the settings of an installation in the environment, registers
integrations, stores SIZE reports in batches of 1,000 and prints the seconds of the storing as JSON.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence

from flask.testing import FlaskClient

from app import create_app
from app.clock import utc_now
from app.services.installation import installation
from app.services.intake.recording import Prepared, prepare, record
from app.services.intake.reports import Answer, FailureBody, Report
from app.services.setup import prepare as prepare_database
from bench.clock import monotonic
from bench.reports import HELD, INTEGRATIONS, failure, key, requests_of_set_up

BATCH = 1000
FIRST_KEY = 1


def main(size: int) -> None:
    """Register, store, print."""
    app = create_app()
    prepare_database(app)
    client = app.test_client()
    for requests in requests_of_set_up(25, INTEGRATIONS, failureCount=HELD):
        for request in requests:
            _send(client, request)
    bodies = [json.dumps(failure(number)).encode() for number in range(size)]
    site = installation(app)
    gc.freeze()  # as the supervisor does before it forks
    began = monotonic()
    for first in range(0, size, BATCH):
        results = record(site, _prepared(bodies[first : first + BATCH], first))
        assert all(isinstance(result, Answer) for result in results)
    print(json.dumps(monotonic() - began))


def _send(client: FlaskClient, request: bytes) -> None:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split()
    headers = dict(line.split(": ", 1) for line in lines)
    answer = client.open(path, method=method, data=body, headers=headers)
    assert answer.status_code in (200, 201), answer.text


def _prepared(bodies: Sequence[bytes], first: int) -> list[Prepared]:
    """Validate from the bytes, as an endpoint does."""
    return [
        prepare(_report(FailureBody.model_validate_json(body), first + place))
        for place, body in enumerate(bodies)
    ]


def _report(body: FailureBody, number: int) -> Report:
    return Report(
        api_key_id=FIRST_KEY,
        client_id=body.id,
        integration_key=key(number % INTEGRATIONS),
        body=body,
        received_at=utc_now(),
        may_create=True,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
