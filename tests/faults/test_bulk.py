"""Kill -9 of the worker in a bulk registration: none is registered twice, none is forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.harness.client import Api
from tests.harness.product import Product
from tests.harness.waiting import eventually

# Each job has two chunks. Its worker dies at the second one that it does, before or after the
# commit; the next worker has done one when the next job begins, and dies at the first one of that.
POINTS, JOBS, ROWS = ("15:2", "16:2"), 2, 300
REGISTERED_BEFORE = 3
CLIENTS = 8
SETTINGS = {"system": "Mail", "forward": {"recipients": ["bulk@example.com"]}}


def _make(api: Api, number: int) -> list[str]:
    keys = [f"job-{one:04}" for one in range(number)]

    def make(key: str) -> None:
        api.put(f"/integrations/{key}", {})

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(make, keys))
    return keys


def _register(product: Product, keys: list[str]) -> dict[str, Any]:
    """Register `keys` in bulk, by a worker that dies and one that goes on; return the job."""
    api = product.api
    for key in keys[:REGISTERED_BEFORE]:
        api.put(f"/registrations/{key}", SETTINGS)
    body = {"integrations": keys, "registration": SETTINGS}
    job = api.sure("POST", "/registrations/bulk", body).of(202)["jobId"]
    eventually("a death", lambda: product.fired)
    eventually("the job", lambda: api.get(f"/jobs/{job}")["state"] == "done")
    product.rearm()
    document: dict[str, Any] = api.get(f"/jobs/{job}")
    outcomes = [(row["key"], row["outcome"]) for row in api.items(f"/jobs/{job}/rows")]
    assert outcomes == [
        (key, "skipped" if place < REGISTERED_BEFORE else "registered")
        for place, key in enumerate(keys)
    ]
    return document


def test_a_worker_that_is_killed_in_a_bulk_registers_each_once(installed: Product) -> None:
    keys: list[str] = []
    for start, point in enumerate(POINTS):
        api = installed.start(FAILPOINT=point).api
        if not keys:
            api.mail_system("Mail", 25)
            keys = _make(api, len(POINTS) * JOBS * ROWS)
        for number in range(JOBS):
            first = (start * JOBS + number) * ROWS
            job = _register(installed, keys[first : first + ROWS])
            assert job["counts"] == {
                "registered": ROWS - REGISTERED_BEFORE,
                "skipped": REGISTERED_BEFORE,
            }
        registered = [row["integration"] for row in api.items("/registrations")]
        assert sorted(registered) == keys[: (start + 1) * JOBS * ROWS]
        installed.check()
        installed.stop()
        installed.rearm()
