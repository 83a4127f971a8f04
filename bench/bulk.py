"""Bulk registration: from the request to the end of its job, over the HTTP interface."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from bench import load
from bench.clock import monotonic, sleep
from bench.product import KEY, Installation
from bench.reports import system
from bench.rows import Bench, Figures

QUIET_SECONDS = 2.0
LOOK_SECONDS = 0.01
ASKED = {
    "filter": {},
    "registration": {
        "system": "mail",
        "forward": {"recipients": ["operator@bench.example.com"], "cc": ["team@bench.example.com"]},
    },
}


def registration(bench: Bench, size: int) -> Figures:
    """Register `size` integrations by one request."""
    installation = bench.install()
    _make(installation, size)
    with installation.running() as product:
        load.run(product.port, [system(25)], 1)  # nothing is sent: no server is needed there
        sleep(QUIET_SECONDS)
        connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=30)
        began, used = monotonic(), product.cpu_seconds()
        job = _ask(connection, "POST", "/registrations/bulk", ASKED)["jobId"]
        accepted = monotonic() - began
        while (document := _ask(connection, "GET", f"/jobs/{job}"))["state"] != "done":
            assert document["state"] in ("queued", "running"), document
            sleep(LOOK_SECONDS)
        seconds, used = monotonic() - began, product.cpu_seconds() - used
        connection.close()
    assert document["counts"] == {"registered": size, "skipped": 0}, document
    return {"all": seconds, "accepted": accepted * 1000, "cpu": used * 1000 / size}


def _make(installation: Installation, size: int) -> None:
    installation.apart("bench.many", size)


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None
) -> Mapping[str, Any]:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body)
    connection.request(method, f"/api/v1{path}", data, headers)
    answer = connection.getresponse()
    document: Mapping[str, Any] = json.loads(answer.read())
    assert answer.status in (200, 202), document
    return document
