"""Overview: how it goes now, what needs attention, and what is left to set up."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlencode

from flask import request

from app.clock import utc_now
from app.pages.chart import chart_table, stacked_bars
from app.pages.screen import Screen, route
from app.pages.times import zone_of
from app.services.reading import attention, checklist, overview
from app.services.reading.overview import Bucket, Span

SPANS = (("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"))


class Overview(Screen):
    """The first page."""

    title, path, icon = "Overview", "/", "gauge"

    @route("/")
    def index(self) -> str:
        """Show the figures of the last day, the chart, and what needs somebody."""
        now, asked = utc_now(), request.args.get("span", "24h")
        span = cast("Span", asked if asked in dict(SPANS) else "24h")
        series = overview.series(self.site, span, zone_of(self.visitor.zone), now)
        steps = checklist.steps(self.site)
        return self.page(
            "admin/overview.html",
            figures=overview.figures(self.site, now),
            items=attention.items(self.site, now),
            steps=steps,
            ready=all(step.done for step in steps),
            spans=SPANS,
            span=span,
            chart=stacked_bars(series, _list_of),
            table=chart_table(series),
            change=change,
            base=self.site.settings.public_url,
        )


def _list_of(bucket: Bucket) -> str:
    """Return the list that a bar stands for: the kind of which it has more."""
    kind = "global" if bucket.error >= bucket.warning else "processing"
    query = {"since": bucket.start.isoformat(), "until": bucket.end.isoformat()}
    return f"/failures/{kind}/?{urlencode(query)}"


def change(now: int, before: int) -> str:
    """Return how a figure has changed against the day before, in words."""
    if now == before:
        return "as many as the day before"
    if not before:
        return "none the day before"
    share = round(abs(now - before) / before * 100)
    size = f"{share:,} %" if share else "slightly"
    return f"{size} {'more' if now > before else 'fewer'} than the day before"


SCREENS = (Overview,)
