"""Times as people read them: relative, with the exact one in their zone beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup, escape

_STEPS = ((60, "s", 1), (3600, "min", 60), (86_400, "h", 3600), (86_400 * 60, "d", 86_400))
_MONTH = 30 * 86_400


def zone_of(name: str) -> ZoneInfo:
    """Return the zone of an IANA name, UTC where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def moment(at: datetime | str) -> datetime:
    """Return a time that may be RFC 3339, as documents have it."""
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def exact(at: datetime, zone: str) -> str:
    """Return a time to the second in `zone`, with the zone's short name."""
    return at.astimezone(zone_of(zone)).strftime("%-d %b %Y, %H:%M:%S %Z")


def span(seconds: float) -> str:
    """Return a length of time in one unit: 12 s, 3 min, 5 h, 2 d, 4 months."""
    whole = int(abs(seconds))
    for most, unit, width in _STEPS:
        if whole < most:
            return f"{whole // width} {unit}"
    return f"{whole // _MONTH} months"


def relative(at: datetime, now: datetime) -> str:
    """Return `at` as seen from `now`: 3 min ago, in 2 h, just now."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(seconds)}"


def shown(at: datetime | str | None, zone: str, now: datetime) -> Markup:
    """Return a <time>: relative, with the exact one on hover and focus; nothing: a dash."""
    if at is None:
        return Markup('<span class="text-secondary">–</span>')
    at = moment(at)
    long, machine = escape(exact(at, zone)), at.astimezone(UTC).isoformat(timespec="seconds")
    return Markup(  # noqa: S704 - the one text of elsewhere, the zone's short name, is escaped
        f'<time class="when" datetime="{machine}" title="{long}" tabindex="0">'
        f'{relative(at, now)}<span class="visually-hidden"> ({long})</span></time>'
    )


def length(seconds: float | timedelta | None) -> str:
    """Return a duration with the precision that matters: 412 ms, 3.2 s, 12 min."""
    if seconds is None:
        return "–"
    value = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if value < 1:
        return f"{round(value * 1000)} ms"
    return f"{value:.1f} s" if value < 60 else span(value)  # noqa: PLR2004 - a minute


def safe(text: object) -> str:
    """Return `text` as HTML shows it, for the few places that build markup in Python."""
    return str(escape(text))
