"""Mail: from the 202 to the mail server on an idle server, and how many a second in one lane."""

from __future__ import annotations

from collections.abc import Iterator

from bench import load, single
from bench.clock import monotonic, sleep
from bench.reports import failure, key, request, set_up
from bench.rows import Bench, Figures
from bench.sink import Sink

QUIET_SECONDS = 2.0
ALERTED = 20
MAILS_AN_INTEGRATION = 4
CLIENTS = 16
WAIT_SECONDS = 60.0


def after_202(bench: Bench, size: int) -> Figures:
    """Report `size` failures one after another, each told at once; pair each with its mail."""
    with Sink() as sink, bench.install().running() as product:
        set_up(product.port, sink.port, ALERTED, immediately=True)
        list(single.report(product, _alerts(-ALERTED, 0)))
        sink.wait(ALERTED, WAIT_SECONDS)
        sleep(QUIET_SECONDS)
        sink.forget()
        answered = list(single.report(product, _alerts(0, size)))
        sink.wait(size, WAIT_SECONDS)
        return single.figures(single.waits(answered, sink.times()))


def _alerts(first: int, end: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield failures that nobody has seen."""
    for number in range(first, end):
        document = {"kind": "global", "errorCode": f"N-{number}", "message": "It stands still."}
        yield f"/integrations/{key(number % ALERTED)}/failures", document


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
