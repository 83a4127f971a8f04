"""The rows of the bench, and the table that is printed."""

from __future__ import annotations

from collections.abc import Iterator

from bench import bulk, intake, lists, mails, passes, pdf, pruning, standing
from bench.hook_rows import HOOKS
from bench.rows import Figure, Figures, Row

ROWS = (
    Row(
        "intake",
        10_000,
        intake.few_clients,
        (
            Figure(
                "rate",
                "one failure a request, 8 clients",
                "/s",
                1000,
                1500,
                "Alertmanager 5,100-6,300 (not durable), Alerta 82-88, healthchecks 70-77",
                more=True,
            ),
            Figure("p50", "  median", "ms"),
            Figure("p99", "  99 of 100", "ms", 60),
            Figure("shared", "  reports a commit", "", more=True),
            Figure("cpu", "  processor time, each", "ms"),
        ),
    ),
    Row(
        "intake64",
        10_000,
        intake.many_clients,
        (
            Figure("rate", "one failure a request, 64 clients", "/s", more=True),
            Figure("p50", "  median", "ms"),
            Figure("p99", "  99 of 100", "ms"),
            Figure("shared", "  reports a commit", "", more=True),
            Figure("cpu", "  processor time, each", "ms"),
        ),
    ),
    Row(
        "batches",
        20_000,
        intake.batches,
        (
            Figure(
                "rate",
                "in batches of 1,000, one process, no HTTP",
                "/s",
                10_000,
                20_000,
                "Alertmanager 19,700-22,000 (not durable, over HTTP)",
                more=True,
            ),
        ),
    ),
    *HOOKS,
    Row(
        "after202",
        200,
        mails.after_202,
        (
            Figure(
                "p50",
                "from the 202 to the mail, idle: median",
                "ms",
                20,
                10,
                "Alertmanager 3 (p99, no waits; 29 s by default), Alerta 22, healthchecks 1,105",
            ),
            Figure("p99", "  99 of 100", "ms", 80),
        ),
    ),
    Row(
        "mails",
        5000,
        mails.per_second,
        (
            Figure(
                "rate",
                "mails of one lane",
                "/s",
                500,
                1500,
                "Alertmanager 684 (2,400 connections), Alerta 79, healthchecks 15-29",
                more=True,
            ),
            Figure("first", "  from 'run now' to the first", "ms"),
            Figure("cpu", "  processor time, each", "ms"),
        ),
    ),
    Row(
        "bulk",
        10_000,
        bulk.registration,
        (
            Figure("all", "bulk registration, all of it", "s", 3, total=True),
            Figure("accepted", "  from the request to the 202", "ms", total=True),
            Figure("cpu", "  processor time, each", "ms"),
        ),
    ),
    Row(
        "pass",
        10_000,
        passes.dispatch,
        (
            Figure("all", "dispatch pass, 10 failures each", "s", 10, total=True),
            Figure("p99", "  intake meanwhile: 99 of 100", "ms", 200),
            Figure("rate", "  reports meanwhile, 8 clients", "/s", more=True),
            Figure("cpu", "  processor time of the worker, each", "ms"),
            Figure("p99Sending", "  intake in 3 s of sending: 99 of 100", "ms", 200),
            Figure("rateSending", "  reports meanwhile, 8 clients", "/s", more=True),
            Figure("mails", "  mails meanwhile", "/s", more=True),
        ),
    ),
    Row(
        "lists",
        1_000_000,
        lists.reads,
        (
            Figure("page", "any page, any filter of 1,000,000, slowest p95", "ms", 60),
            Figure("search", "  any text", "ms", 150),
            Figure("median", "  median page", "ms"),
        ),
    ),
    Row(
        "pdf",
        2000,
        pdf.traces,
        (
            Figure("all", "a PDF of so many lines, warm", "ms", 3000, total=True),
            Figure("allCpu", "  processor time", "ms", total=True),
            Figure("ten", "  of 10 lines, warm", "ms", 300),
            Figure("tenCpu", "  processor time", "ms"),
            Figure("cold", "  the first one, of 10 lines", "ms"),
            Figure("peak", "  peak memory of the process", "MiB", 1024),
            Figure("rate", "  mails with 10 lines, one lane", "/s", more=True),
        ),
    ),
    Row(
        "prune",
        20_000,
        pruning.beside_intake,
        (
            Figure("rate", "old rows pruned while reports come", "/s", more=True),
            Figure("longest", "  longest wait of a report meanwhile", "ms", 100),
            Figure("p99", "  99 of 100", "ms"),
            Figure("longestAfter", "  longest wait without a prune", "ms"),
            Figure("p99After", "  99 of 100", "ms"),
        ),
    ),
    Row(
        "memory",
        10_000,
        standing.memory,
        (
            Figure(
                "sum",
                "idle memory, all processes (PSS)",
                "MB",
                260,
                180,
                "Alertmanager 32, Alerta 126-131 + PostgreSQL, healthchecks 178 + PostgreSQL",
            ),
        ),
    ),
    Row(
        "start",
        10_000,
        standing.start,
        (
            Figure(
                "make",
                "`make run` to every check well, again",
                "s",
                4,
                None,
                "Alertmanager 0.2, Alerta 3.6-9, healthchecks 3.3-3.6",
            ),
            Figure("supervisor", "  the supervisor alone", "s", 4),
        ),
    ),
)

_WIDTHS = (43, 12, 11, 11, 6, 12, 6)
_HEAD = ("work", "measured", "limit", "then", "kept", "at a tenth", "ratio")


def head() -> str:
    """Return the line above the table."""
    return _line(_HEAD, "peers (quality.md)")


def lines(row: Row, full: Figures, tenth: Figures) -> Iterator[str]:
    """Yield the lines of a row, the figures it has on top of the declared ones last."""
    declared = {figure.key: figure for figure in row.figures}
    for name, value in full.items():
        figure = declared.get(name) or Figure(name, f"  {name}", row.figures[0].unit)
        cells = (
            f"{figure.title}" if figure.title.startswith(" ") else f"{row.name}: {figure.title}",
            _shown(value, figure.unit),
            _limit(figure, figure.limit),
            _limit(figure, figure.then),
            {True: "yes", False: "NO", None: ""}[figure.met(value)],
            _shown(tenth[name], figure.unit),
            f"{figure.ratio(value, tenth[name]):.2f}" if tenth[name] and value else "",
        )
        yield _line(cells, figure.peers)


def _line(cells: tuple[str, ...], last: str) -> str:
    first, *rest = (
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    )
    return "  ".join((first, *rest, last)).rstrip()


def _shown(value: float, unit: str) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()


def _limit(figure: Figure, value: float | None) -> str:
    if value is None:
        return ""
    return f"{'>=' if figure.more else '<='} {value:,.0f} {figure.unit}"
