"""The rows of events and webhooks."""

from __future__ import annotations

from bench import hooks
from bench.rows import Figure, Row

_OF_A_BURST = (
    Figure("first", "  from resume to the first", "ms"),
    Figure("cpu", "  processor time, each", "ms"),
)
HOOKS = (
    Row(
        "events",
        10_000,
        hooks.singles,
        (
            Figure(
                "rate",
                "one event a request, 8 clients",
                "/s",
                1000,
                1500,
                "Alertmanager 5,100-6,300 (not durable), Alerta 82-88, healthchecks 70-77",
                more=True,
            ),
            Figure("p50", "  median", "ms"),
            Figure("p99", "  99 of 100", "ms", 60),
            Figure("cpu", "  processor time, each", "ms"),
        ),
    ),
    Row(
        "arrays",
        50_000,
        hooks.arrays,
        (
            Figure(
                "rate",
                "events in arrays of 1,000, one route each",
                "/s",
                10_000,
                20_000,
                "Alertmanager 19,700-22,000 (not durable)",
                more=True,
            ),
        ),
    ),
    Row(
        "hook202",
        200,
        hooks.after_202,
        (
            Figure(
                "p50",
                "from the 202 to the webhook, idle",
                "ms",
                20,
                10,
                "Alertmanager 3 (p99), Alerta 22, healthchecks 1,105",
            ),
            Figure("p99", "  99 of 100", "ms", 80),
        ),
    ),
    Row(
        "hooks",
        10_000,
        hooks.burst,
        (
            Figure(
                "rate",
                "burst of webhooks to one system",
                "/s",
                1000,
                2000,
                "Alertmanager 3,580 (not durable), Alerta 84, healthchecks 24-43",
                more=True,
            ),
            *_OF_A_BURST,
        ),
    ),
    Row(
        "hooks8",
        10_000,
        hooks.burst_of_eight,
        (
            Figure("rate", "the same to eight systems", "/s", 1500, more=True),
            *_OF_A_BURST,
        ),
    ),
    Row(
        "hookbatch",
        100_000,
        hooks.burst_in_batches,
        (
            Figure("rate", "the same with batch notify 100", "events/s", 20_000, more=True),
            *_OF_A_BURST,
        ),
    ),
    Row(
        "slowhooks",
        10_000,
        hooks.slow,
        (
            Figure(
                "rate",
                "endpoints of 100 ms, 20 systems, 2 workers",
                "/s",
                500,
                None,
                "Alertmanager 3,970 over 1,900 connections, Alerta 41, healthchecks 39",
                more=True,
            ),
        ),
    ),
    Row(
        "blackhole",
        10_000,
        hooks.black_hole,
        (
            Figure("slower", "beside 2 endpoints that never answer, p95 slower by", "%", 10),
            Figure("p95", "  from the 202 to the webhook, p95", "ms"),
            Figure("quiet", "  without them", "ms"),
        ),
    ),
    Row(
        "outage",
        1_000,
        hooks.outage,
        (
            Figure(
                "arrived",
                "endpoint away for 60 s: arrived",
                "",
                1000,
                None,
                "Alertmanager 1,000, Alerta 0, healthchecks 0",
                more=True,
            ),
            Figure("seconds", "  all, after it is back", "s", 15),
            Figure("failed", "  failed attempts", "", 100, None, "Alertmanager 39,300"),
        ),
    ),
)
