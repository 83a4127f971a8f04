"""Cron lines: five fields, read by a clock on the wall of a time zone (delivery.md, Clocks).

`cronsim` knows the fields (those of Debian's cron) and the calendar. What a change of the clock
means is decided here: its own rule depends on which field begins with a star, and loses runs where
the clock changes by half an hour.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day of the month": "1-31 or L for the last",
    "month": "1-12 or JAN-DEC",
    "day of the week": "0-7 or SUN-SAT",
}
_HOURS = set(range(24))
_ENDINGS = {"1": "st", "2": "nd", "3": "rd"}
_SECOND, _MINUTE, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
# Any day: what never comes in the 50 years after it never comes.
_SOME_DAY = datetime(2026, 1, 1)  # noqa: DTZ001 - the calendar is the same in every zone


def problem(line: str) -> str | None:
    """Return what is wrong with a cron line, every faulty field by its name, or None."""
    parts = line.split()
    if len(parts) != len(FIELDS):
        return f"must have five fields ({', '.join(FIELDS)}), has {len(parts)}"
    wrong = [
        f"the {name} (field {place + 1}) must be made of {allowed}, *, and lists, ranges and steps"
        for place, (name, allowed) in enumerate(FIELDS.items())
        if not _readable(" ".join(part if at == place else "*" for at, part in enumerate(parts)))
    ]
    if wrong:
        return "; ".join(wrong)
    return None if _comes(line) else "never comes: no such month has such a day"


@cache
def zones() -> frozenset[str]:
    """Return the names of the time zones that can be used: those of IANA."""
    # Two that are there and are no zones: that of this machine, and one for "not set up yet".
    return frozenset(available_timezones() - {"localtime", "Factory"})


def next_after(line: str, zone: str, moment: datetime) -> datetime | None:
    """Return the first run of the valid `line` after `moment`, in UTC; None: it never comes.

    A line of every hour follows real time: it neither pauses nor hurries when the clock changes.
    Any other runs once for each time that it names: at the next minute that there is where the
    clock skips it, and the first time where the clock shows it twice.
    """
    try:
        if CronSim(line, _SOME_DAY).hours == _HOURS:
            return _of_every_hour(line, ZoneInfo(zone), moment)
        return _of_some_hours(line, ZoneInfo(zone), moment)
    except StopIteration:
        return None


def sentence(line: str) -> str:
    """Return the valid `line` in words."""
    words: str = CronSim(line, _SOME_DAY).explain()
    # It says "31th".
    return re.sub(r"(?<!1)([123])th\b", lambda found: found[1] + _ENDINGS[found[1]], words)


def _readable(line: str) -> bool:
    try:
        CronSim(line, _SOME_DAY)
    except CronSimError:
        return False
    return True


def _comes(line: str) -> bool:
    try:
        next(CronSim(line, _SOME_DAY))
    except (CronSimError, StopIteration):
        return False
    return True


def _of_some_hours(line: str, zone: ZoneInfo, moment: datetime) -> datetime:
    times = CronSim(line, _on_the_wall(moment, zone))
    # What the clock shows for the second time was run at the first.
    while (found := _first(next(times), zone)) <= moment:
        pass
    return found


def _first(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when a clock in `zone` first shows `wall`, or the next minute that it does show."""
    while _on_the_wall(found := wall.replace(tzinfo=zone).astimezone(UTC), zone) != wall:
        wall += _MINUTE
    return found


def _of_every_hour(line: str, zone: ZoneInfo, moment: datetime) -> datetime:
    wall = _on_the_wall(moment, zone)
    while True:
        # As if the clock did not change; where it does, on from there by what it shows then.
        found = next(CronSim(line, wall)).replace(tzinfo=UTC) - _offset(moment, zone)
        turn = _turn(zone, moment, min(found, moment + _DAY)) or _turn(zone, moment, found)
        if turn is None:
            return found
        moment, wall = turn, _on_the_wall(turn, zone) - _SECOND


def _turn(zone: ZoneInfo, first: datetime, last: datetime) -> datetime | None:
    """Return when the clock is changed between two times, or None if it goes as before."""
    was, start = _offset(first, zone), first.replace(microsecond=0)

    def changed(seconds: int) -> bool:
        return _offset(start + seconds * _SECOND, zone) != was

    if _offset(last, zone) == was:
        return None
    seconds = range((last - start) // _SECOND + 1)
    return start + bisect_right(seconds, False, key=changed) * _SECOND


def _on_the_wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
