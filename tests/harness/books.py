"""Auditing: what was reported against what is stored and what arrived."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.harness.client import Api
from tests.harness.mails import Post
from tests.harness.senders import Ledger
from tests.harness.waiting import PATIENCE, eventually


def assert_stored_once(api: Api, ledger: Ledger) -> None:
    """Fail unless each report that was answered with 2xx is there exactly once."""
    rows = api.items("/failures", errorType="integration")
    times = Counter(row["errorCode"] for row in rows)
    counts = {row["errorCode"]: row["count"] for row in rows}
    ids = {row["errorCode"]: row["id"] for row in rows}
    lost = [key for key in ledger.failures if key not in ids]
    assert not lost, f"{len(lost)} lost: {lost[:10]}"
    assert all(ids[key] == answered for key, answered in ledger.failures.items())
    double = [key for key in ledger.failures if times[key] != 1 or counts[key] != 1]
    assert not double, f"{len(double)} counted twice: {double[:10]}"


def wait_until_told(
    api: Api, post: Post, ledger: Ledger, seconds: float = PATIENCE
) -> dict[str, Any]:
    """Wait until a mail has told each failure of the ledger; return the rows by key.

    What is said to be sent must have arrived: nothing is falsely said to be sent.
    """

    def look() -> dict[str, Any]:
        rows = api.items("/failures", errorType="integration", notified="true")
        told = {row["errorCode"]: row for row in rows}
        return told if ledger.failures.keys() <= told.keys() else {}

    try:
        told = eventually(f"{len(ledger.failures)} told failures", look, seconds)
    except AssertionError:
        print("waiting:", *_waiting(api), sep="\n  ")  # pytest shows it
        raise
    arrived = post.by_delivery()
    unsent = [key for key in ledger.failures if told[key]["notified"]["delivery"] not in arrived]
    assert not unsent, f"said to be sent, but did not arrive: {unsent}"
    return told


def _waiting(api: Api) -> list[Any]:
    """Return what a person would look at when mail does not go."""
    open_ones = [row for row in api.items("/deliveries") if row["state"] not in ("delivered",)]
    others = api.items("/failures", errorType="other")
    return [*api.items("/lanes"), *others, len(open_ones), *open_ones[:5]]
