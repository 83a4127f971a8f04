"""The chart of failures: stacked bars as inline SVG without styles or scripts, and as a table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 260, 48, 28, 12
_PLOT, _TALL = WIDTH - LEFT - 8, HEIGHT - BOTTOM - TOP
_LABELS = 6


def stacked_bars(series: Any, url_for_bucket: Callable[[Any], str]) -> Markup:
    """Return the SVG of a reading.overview.Series; each bar links to its bucket's list.

    Fills are the classes `bar-error` and `bar-warning`; axes are `chart-grid` and `chart-label`.
    """
    top = nice_top(max((bucket.total for bucket in series.buckets), default=0))
    parts = [*_grid(top), *_bars(series, top, url_for_bucket), *_times(series)]
    if not any(bucket.total for bucket in series.buckets):
        middle = LEFT + _PLOT // 2
        said = Markup('<text class="chart-empty" text-anchor="middle" x="{}" y="{}">{}</text>')
        parts.append(said.format(middle, TOP + _TALL // 2, "No failures in this time"))
    svg = Markup('<svg class="chart" viewBox="0 0 {} {}" role="group" aria-label="{}">{}</svg>')
    return svg.format(WIDTH, HEIGHT, "Failures over time", Markup("").join(parts))


def chart_table(series: Any) -> list[tuple[str, int, int, str]]:
    """Return for each bucket its time in words, global and processing failures, and their sum."""
    return [
        (_when(series, bucket.start), bucket.error, bucket.warning, f"{bucket.total:,}")
        for bucket in series.buckets
    ]


def nice_top(most: int) -> int:
    """Return the top of an axis that holds `most`: 4, or 4 times 1, 2, 2.5 or 5 of a power."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power // 2, 5 * power):
            if 4 * step >= most:
                return 4 * step
        power *= 10


def _grid(top: int) -> list[Markup]:
    line = Markup(
        '<line class="chart-grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
        '<text class="chart-label" aria-hidden="true" text-anchor="end" x="{3}" y="{4}">{5}</text>'
    )
    places = [(part, TOP + _TALL - _TALL * part // 4) for part in range(5)]
    return [
        line.format(LEFT, LEFT + _PLOT, y, LEFT - 6, y + 4, _short(top * part // 4))
        for part, y in places
    ]


def _short(number: int) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return str(number)


def _bars(series: Any, top: int, url: Callable[[Any], str]) -> list[Markup]:
    wide = _PLOT / max(len(series.buckets), 1)
    made = Markup('<a href="{}" aria-label="{}"><title>{}</title>{}</a>')
    bars = []
    for place, bucket in enumerate(series.buckets):
        counts = f"{bucket.error:,} global, {bucket.warning:,} processing"
        name = f"{_when(series, bucket.start)}: {counts}"
        boxes = _boxes(bucket, LEFT + place * wide, wide, top)
        if bucket.total:
            bars.append(made.format(url(bucket), name, name, boxes))
    return bars


def _boxes(bucket: Any, x: float, wide: float, top: int) -> Markup:
    """Return the boxes of one bar over a clear one that is easy to hit."""
    box = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
    boxes = [box.format("bar-hit", x, float(TOP), wide, float(_TALL))]
    y = float(TOP + _TALL)
    for css, count in (("bar-error", bucket.error), ("bar-warning", bucket.warning)):
        tall = max(_TALL * count / top, 1.0) if count else 0.0
        y -= tall
        if count:
            boxes.append(box.format(css, x + wide * 0.07, y, wide * 0.86, tall))
    return Markup("").join(boxes)


def _times(series: Any) -> list[Markup]:
    every = max(-(-len(series.buckets) // _LABELS), 1)
    wide = _PLOT / max(len(series.buckets), 1)
    label = Markup('<text class="chart-label" aria-hidden="true" x="{:.1f}" y="{}">{}</text>')
    words = "%H:%M" if series.span == "24h" else "%d %b"
    return [
        label.format(LEFT + place * wide, HEIGHT - 8, _local(series, bucket.start, words))
        for place, bucket in enumerate(series.buckets)
        if place % every == 0
    ]


def _when(series: Any, moment: datetime) -> str:
    words = "%a %d %b" if series.span == "30d" else "%a %d %b %H:%M"
    return _local(series, moment, words)


def _local(series: Any, moment: datetime, words: str) -> str:
    return moment.astimezone(series.zone).strftime(words)
