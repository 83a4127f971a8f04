"""Mail: from the 202 to the mail server on an idle server, and how many a second in one lane."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

from bench import load
from bench.clock import monotonic, sleep
from bench.product import KEY, Product
from bench.reports import failure, key, request, set_up
from bench.rows import Bench, Figures
from bench.sink import Sink

PAUSE_SECONDS = 0.05
QUIET_SECONDS = 2.0
ALERTED = 20
MAILS_AN_INTEGRATION = 4
CLIENTS = 16
WAIT_SECONDS = 60.0


def after_202(bench: Bench, size: int) -> Figures:
    """Report `size` failures one after another, each told at once; pair each with its mail."""
    with Sink() as sink, bench.install().running() as product:
        set_up(product.port, sink.port, ALERTED, immediately=True)
        list(_one_by_one(product, range(-ALERTED, 0)))
        sink.wait(ALERTED, WAIT_SECONDS)
        sleep(QUIET_SECONDS)
        sink.forget()
        answered = list(_one_by_one(product, range(size)))
        sink.wait(size, WAIT_SECONDS)
        arrived = sink.times()
    assert len(arrived) == size, f"{len(arrived)} mails came instead of {size}"
    # A mail that is there before its 202 has been read took no time after it.
    waited = sorted(max(0.0, mail - at) for at, mail in zip(answered, arrived, strict=True))
    return {
        "p50": load.percentile(waited, 0.5) * 1000,
        "p99": load.percentile(waited, 0.99) * 1000,
    }


def _one_by_one(product: Product, numbers: range) -> Iterator[float]:
    """Report a failure nobody has seen, yield when its 202 came, and let the server rest."""
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=10)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    for number in numbers:
        document = {"kind": "global", "errorCode": f"N-{number}", "message": "It stands still."}
        path = f"/api/v1/integrations/{key(number % ALERTED)}/failures"
        connection.request("POST", path, json.dumps(document), headers)
        answer = connection.getresponse()
        answer.read()
        yield monotonic()
        assert answer.status == http.HTTPStatus.ACCEPTED
        sleep(PAUSE_SECONDS)
    connection.close()


def per_second(bench: Bench, size: int) -> Figures:
    """Let `size` mails wait in one lane, run the job, and look at the first and the last mail."""
    integrations = size // MAILS_AN_INTEGRATION
    with Sink() as sink, bench.install().running() as product:
        set_up(product.port, sink.port, integrations, failureCount=1)
        load.run(product.port, list(_one_of_each(integrations)), CLIENTS)
        sleep(QUIET_SECONDS)
        began, used = monotonic(), product.cpu_seconds()
        load.run(product.port, [request("POST", "/dispatch-runs", {})], 1)
        sink.wait(size, WAIT_SECONDS)
        used = product.cpu_seconds() - used
        arrived = sink.times()
    assert len(arrived) == size, f"{len(arrived)} mails came instead of {size}"
    return {
        "rate": (size - 1) / (arrived[-1] - arrived[0]),
        "first": (arrived[0] - began) * 1000,
        "cpu": used * 1000 / size,
    }


def _one_of_each(integrations: int) -> Iterator[bytes]:
    """Yield a report for each mail that an integration can have: both kinds, both directions."""
    for number in range(integrations):
        path = f"/integrations/{key(number)}/failures"
        for kind in ("global", "processing"):
            for direction in ("forward", "backward"):
                document = {**failure(number), "kind": kind, "direction": direction}
                document["id"] = f"{kind}-{direction}-{number}"
                document["entityId"] = str(number)
                yield request("POST", path, document)
