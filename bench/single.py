"""One report after another on an idle server, and how long each waits to be told."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bench import load
from bench.clock import monotonic, sleep
from bench.product import KEY, Product
from bench.rows import Figures

PAUSE_SECONDS = 0.05


def report(product: Product, asks: Iterable[tuple[str, Any]]) -> Iterator[float]:
    """Post each (path, document), yield when its 202 was read, and let the server rest."""
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    for path, document in asks:
        connection.request("POST", f"/api/v1{path}", json.dumps(document), headers)
        answer = connection.getresponse()
        answer.read()
        yield monotonic()
        assert answer.status == http.HTTPStatus.ACCEPTED
        sleep(PAUSE_SECONDS)
    connection.close()


def waits(answered: Sequence[float], arrived: Sequence[float]) -> list[float]:
    """Return the seconds from each 202 to its message, shortest first.

    A message that is there before its 202 has been read took no time after it.
    """
    assert len(arrived) == len(answered), f"{len(arrived)} came instead of {len(answered)}"
    return sorted(max(0.0, came - at) for at, came in zip(answered, arrived, strict=True))


def figures(waited: Sequence[float]) -> Figures:
    """Return the median and the 99th percentile, in milliseconds."""
    return {
        "p50": load.percentile(waited, 0.5) * 1000,
        "p99": load.percentile(waited, 0.99) * 1000,
    }
