"""What happened in each hour or day, by name: the figures of the charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, func, select, text, type_coerce

from app.clock import to_micros
from app.models import HourlyCount
from app.services.installation import Installation

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


def sums(
    site: Installation, names: Iterable[str], since: datetime, until: datetime, step: timedelta
) -> Mapping[str, Sequence[int]]:
    """Return for each of `names` its counts in each `step` (HOUR, DAY) from `since` to `until`.

    Both should be the start of an hour; a step that `until` cuts off is counted up to it. Days
    begin at the hour of `since`, so that they may be those of any zone of whole hours. Sums are
    made by the database; what did not happen is 0.
    """
    width, start = step // _MICROSECOND, to_micros(since)
    steps = -(-(to_micros(until) - start) // width)
    counts = {name: [0] * max(steps, 0) for name in names}
    place = (type_coerce(HourlyCount.hour, BigInteger) - start) // width
    query = (
        select(HourlyCount.name, place.label("place"), func.sum(HourlyCount.count))
        .where(
            HourlyCount.name.in_(counts),
            HourlyCount.hour >= since,
            HourlyCount.hour < until,
        )
        .group_by(HourlyCount.name, text("place"))
    )
    with site.store.reading() as connection:
        for name, at, count in connection.execute(query):
            counts[name][at] = int(count)
    return counts
