"""The Overview: figures, series, what needs attention, and the checklist."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import text

from app.clock import utc_now
from app.pages.chart import chart_table, nice_top, stacked_bars
from app.services import counts, search
from app.services.installation import Installation
from app.services.reading import attention, checklist, overview
from tests.services.makers import failures, put_integration, put_system, register, set_up

NOW = datetime(2031, 5, 6, 14, 20, tzinfo=UTC)
ROME = ZoneInfo("Europe/Rome")


def happened(site: Installation, at: datetime, **numbers: int) -> None:
    """Count at a time: `failures_global=3`."""
    with site.store.writing() as connection:
        counts.add(connection, at, {name.replace("_", "."): n for name, n in numbers.items()})


def test_the_last_day_is_told_beside_the_day_before(site: Installation) -> None:
    happened(site, NOW, failures_global=3, failures_processing=1, deliveries_dead=2)
    happened(site, NOW - timedelta(hours=24), failures_global=7)
    set_up(site)
    found = overview.figures(site, NOW)
    assert (found.failures, found.failures_before, found.dead) == (4, 7, 2)
    assert (found.registered, found.integrations, found.last_run) == (1, 1, None)


def test_every_span_holds_the_current_hour_and_is_drawn(site: Installation) -> None:
    happened(site, NOW, failures_global=3, failures_processing=1)
    spans: dict[overview.Span, int] = {"24h": 24, "7d": 28, "30d": 30}
    for span, number in spans.items():
        made = overview.series(site, span, ROME, NOW)
        assert len(made.buckets) == number
        assert made.buckets[-1].start <= NOW < made.buckets[-1].end
        assert (made.buckets[-1].error, made.buckets[-1].warning) == (3, 1)
        drawn = stacked_bars(made, lambda bucket: "/failures/global/?a=1&b=<")
        assert "3 global, 1 processing" in drawn
        assert "style=" not in drawn
        assert "&amp;b=&lt;" in drawn
        assert len(chart_table(made)) == number


def test_an_axis_holds_what_is_drawn() -> None:
    assert [nice_top(n) for n in (0, 4, 5, 17, 1_000_001)] == [4, 4, 8, 20, 2_000_000]


def test_what_needs_attention_is_named(site: Installation) -> None:
    put_system(site, "A/B", status="paused")
    happened(site, NOW, deliveries_dead=2)
    urls = {item.url: item for item in attention.items(site, NOW)}
    assert urls["/systems/A%2FB"].level == "warning"
    assert urls["/deliveries/?state=dead"].count == 2
    assert "/about/" in urls


def test_silent_integrations_and_own_errors_are_counted(site: Installation) -> None:
    set_up(site)
    failures(site, 3, error_type="other", kind=None)
    found = {item.url: item.count for item in attention.items(site, NOW)}
    assert found["/failures/global/?errorType=other"] == 3
    assert "/integrations/?show=silent" not in found


def test_the_checklist_follows_what_is_there(site: Installation) -> None:
    assert [step.done for step in checklist.steps(site)] == [True, False, False, False, False]
    set_up(site)
    assert [step.done for step in checklist.steps(site)] == [True, True, False, True, True]


def test_an_integration_is_silent_once_however_many_of_its_directions_are(
    site: Installation,
) -> None:
    put_system(site)
    put_integration(site, bidirectional=True)
    told = {"recipients": ["ops@corp.example"], "global": {"noActivityMinutes": 60}}
    register(site, forward=told)
    now = utc_now()
    early, late = (
        {item.url: item.count for item in attention.items(site, now + timedelta(minutes=m))}
        for m in (50, 70)
    )
    assert "/integrations/?show=silent" not in early
    assert late["/integrations/?show=silent"] == 1


def test_a_search_without_its_index_is_told_with_what_to_run(
    site: Installation, database: str
) -> None:
    def told() -> list[str]:
        return [item.text for item in attention.items(site, utc_now()) if "slow" in item.text]

    def run(statement: str) -> None:
        with site.store.writing() as connection:
            connection.execute(text(statement))

    if database == "sqlite":
        assert told() == []
        return
    # The server of the tests may have come without the extension; any index of the name will do.
    run(f"DROP INDEX IF EXISTS {search.INDEX}")
    assert search.MAKE_INDEX in told()[0]
    run(f"CREATE INDEX {search.INDEX} ON failure_texts (rowid)")
    try:
        assert told() == []
    finally:
        run(f"DROP INDEX {search.INDEX}")
