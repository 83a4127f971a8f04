"""PDFs of error traces: how long one takes to draw, and how many mails a second carry one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from bench import load
from bench.clock import sleep
from bench.product import Installation
from bench.reports import key, request, set_up
from bench.rows import Bench, Figures
from bench.sink import Sink
from bench.traces import trace

LINES_A_MAIL, MAIL_LINES = 20, 10
INTEGRATIONS = 20
QUIET_SECONDS = 2.0
WAIT_SECONDS = 120.0
CLIENTS = 8


def traces(bench: Bench, size: int) -> Figures:
    """Draw `size` lines and 10 lines; send a mail with a PDF for every 20 of these lines."""
    installation = bench.install()
    return {**_drawn(installation, size), "rate": _mails(installation, size // LINES_A_MAIL)}


def _drawn(installation: Installation, lines: int) -> Mapping[str, float]:
    said = installation.apart("bench.drawing", lines)
    result: Mapping[str, float] = json.loads(said.splitlines()[-1])
    return result


def _mails(installation: Installation, mails: int) -> float:
    """Report failures with traces, each told at once; return how many arrive in a second."""
    with Sink() as sink, installation.running() as product:
        set_up(product.port, sink.port, INTEGRATIONS, immediately=True)
        requests = list(_failures(1 + mails))
        load.run(product.port, requests[:1], 1)  # starts the child
        sink.wait(1, WAIT_SECONDS)
        sleep(QUIET_SECONDS)
        sink.forget()
        load.run(product.port, requests[1:], CLIENTS)
        sink.wait(mails, WAIT_SECONDS)
        arrived = sink.times()
    assert len(arrived) == mails, f"{len(arrived)} mails came instead of {mails}"
    return (mails - 1) / (arrived[-1] - arrived[0])


def _failures(count: int) -> Iterator[bytes]:
    for number in range(count):
        document = {
            "kind": "global",
            "errorCode": f"N-{number}",
            "message": "It stands still.",
            "trace": trace(MAIL_LINES, number),
        }
        yield request("POST", f"/integrations/{key(number % INTEGRATIONS)}/failures", document)
