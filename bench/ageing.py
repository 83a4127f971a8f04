"""An installation with history older than it is kept; never imported by the process that measures.

`python -m bench.ageing SIZE`, with the settings of an installation in the environment, adds SIZE
failures that were told by a mail each, 63 days ago: with its item, two recipients, its attempt, the
key under which the report was answered, a counted cycle, and a trace of every tenth. Then it lets a
worker prune them, or the next one to be started.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy import delete

from app import create_app
from app.clock import utc_now
from app.domain.identity import global_identity
from app.models import (
    Attempt,
    CountedCycle,
    Delivery,
    DeliveryItem,
    DeliveryRecipient,
    Failure,
    Idempotency,
    Preference,
    Trace,
)
from app.queueing import connect, queue
from app.services.installation import Installation, installation
from app.services.sql import insert_returning

AT_ONCE = 1000
AGE = timedelta(days=63)
TRACED = 10
DIRECTIONS = 200
FIRST_KEY = 1
PEOPLE = ("operator@bench.example.com", "team@bench.example.com")
_TEXT = "The target answered 503 Service Unavailable to PUT /orders; see the log."
_DECISION = {
    "at": "2026-01-01T00:00:00Z",
    "outcome": "send",
    "reason": "immediate",
    "text": "This registration asks for mail at once.",
    "delivery": "1",
    "history": [],
}
_MAIL = {
    "kind": "failure",
    "state": "delivered",
    "system_id": 1,
    "lane_id": 1,
    "integration_id": 1,
    "direction": "forward",
    "subject": "CRM to ERP failing: E-503",
    "message_id": "<4711.1@bench.example.com>",
    "why": "immediate",
    "why_text": _DECISION["text"],
    "item_count": 1,
    "confirmed": False,
    "attempt_count": 1,
    "retries_used": 0,
    "lost_leases": 0,
    "started": False,
}
_FAILURE = {
    "error_type": "integration",
    "kind": "global",
    "state": "resolved",
    "integration_id": 1,
    "direction": "forward",
    "error_code": "E-503",
    "message": _TEXT,
    "accessible": True,
    "count": 1,
    "episode": 1,
    "told_episode": 1,
    "decision": _DECISION,
}
_ATTEMPT = {
    "number": 1,
    "duration_ms": 12,
    "count": 1,
    "verdict": "ok",
    "status": 250,
    "request": "MAIL FROM tocsin@bench.example.com, RCPT TO two, 2,300 bytes",
    "answer": "250 2.0.0 Ok: queued as 0000000A",
    "transcript": "S: 220 sink.test ESMTP\nC: EHLO bench\nS: 250 sink.test\n" * 6,
}


def main(size: int) -> None:
    """Add what is old, and ask for a prune."""
    site = installation(create_app())
    began = utc_now() - AGE
    for start in range(0, size, AT_ONCE):
        _add(site, range(start, min(start + AT_ONCE, size)), began)
    with site.store.writing() as connection:
        connection.execute(delete(Preference).where(Preference.name == "_pruned"))
    with suppress(RedisError):  # the product does not run: it prunes when it starts
        queue(connect(site.settings)).enqueue_call("workers.jobs.prune", result_ttl=0)


def _add(site: Installation, numbers: range, began: datetime) -> None:
    times = [began + timedelta(milliseconds=number) for number in numbers]
    with site.store.writing(durable=False) as connection:
        mails = insert_returning(connection, Delivery.__table__, [_delivery(at) for at in times])
        told = [_failure(*one) for one in zip(numbers, mails, times, strict=True)]
        failures = insert_returning(connection, Failure.__table__, told)
        for model, rows in _rows(numbers, mails, failures, times):
            connection.execute(model.__table__.insert(), rows)


def _rows(
    numbers: range, mails: list[int], failures: list[int], times: list[datetime]
) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """Yield what belongs to the mails and failures, by table."""
    noise = random.Random(numbers.start)  # noqa: S311 - bytes that do not compress
    pairs = list(zip(mails, failures, strict=True))
    yield DeliveryItem, [{"delivery_id": mail, "failure_id": one} for mail, one in pairs]
    sent = list(zip(mails, times, strict=True))
    yield DeliveryRecipient, [_person(*one, address) for one in sent for address in PEOPLE]
    yield Attempt, [_attempt(*one) for one in sent]
    reported = list(zip(numbers, times, strict=True))
    yield Idempotency, [_answer(*one) for one in reported]
    yield CountedCycle, [_cycle(*one) for one in reported]
    traced = [one for one in reported if one[0] % TRACED == 0]
    yield Trace, [_trace(*one, noise.randbytes(2_000)) for one in traced]


def _delivery(at: datetime) -> dict[str, Any]:
    return _MAIL | dict.fromkeys(("reported_at", "created_at", "due_at", "finished_at"), at)


def _failure(number: int, mail: int, at: datetime) -> dict[str, Any]:
    direction = 1 + number % DIRECTIONS
    times = dict.fromkeys(("first_logged_at", "last_logged_at", "notified_at"), at)
    return {
        **_FAILURE,
        **times,
        "identity": global_identity(direction, f"OLD-{number}", _TEXT),
        "direction_id": direction,
        "told_delivery_id": mail,
        "notified_delivery_id": mail,
        "trace_hash": _hash(number) if number % TRACED == 0 else None,
    }


def _person(mail: int, at: datetime, address: str) -> dict[str, Any]:
    verdict = {"role": "to", "state": "accepted", "code": 250, "text": "2.1.5 Ok", "at": at}
    return {"delivery_id": mail, "address": address, **verdict}


def _attempt(mail: int, at: datetime) -> dict[str, Any]:
    return {**_ATTEMPT, "delivery_id": mail, "started_at": at, "last_at": at}


def _cycle(number: int, at: datetime) -> dict[str, Any]:
    key = {"direction_id": 1 + number % DIRECTIONS, "cycle_id": f"{number}", "episode": 1}
    return {**key, "created_at": at}


def _trace(number: int, at: datetime, body: bytes) -> dict[str, Any]:
    return {"hash": _hash(number), "body": body, "size": 9_000, "lines": 90, "created_at": at}


def _answer(number: int, at: datetime) -> dict[str, Any]:
    return {
        "api_key_id": FIRST_KEY,
        "client_id": _hash(number).hex(),
        "body_hash": _hash(-number),
        "answer": {"failure": {"id": f"{number}", "count": 1, "state": "open"}},
        "created_at": at,
    }


def _hash(number: int) -> bytes:
    return hashlib.sha256(f"{number}".encode()).digest()


if __name__ == "__main__":
    main(int(sys.argv[1]))
