"""The pages that the bench of lists asks for: all that there are, and each filter by itself.

They are read off the screens themselves, so that a new page or filter is measured, or is missed
loudly here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

from flask import Flask, url_for

from app import admin
from app.admin.global_failures import GlobalFailures
from app.admin.processing_failures import ProcessingFailures
from app.clock import utc_now
from app.pages.filters import Filter
from app.pages.lists import Listing
from app.pages.screen import Screen
from app.services.paging import write_cursor

# Pages that are none, or only by other ways (tests/browser/routes.py says which).
_LEFT_OUT = ("api.", "web_signing.", "tests.index", "static", "assets")
_FILES = (".export", ".pdf")
# Given by their names, for all pages that are of one thing.
_ONE = {"integration_id": 7, "number": 1, "name": "mail"}
_SCHEDULE = "24 Hour Schedule"
_WITH = {"systemform.new": "kind=smtp", "failurehelp.index": "integration=bench-7",
         "savedviews.new": "list=/integrations/&query=show%3Dfailing"}  # fmt: skip
# What is typed into the fields of failures: frequent, of few, of none, without an index, odd.
_SEARCHED = ("target answered", "/orders/12", "cataclysm", "xylophone", "zq", '"OR" %_*', "ÄÖ")
_TYPED: Mapping[str, Sequence[str]] = {
    "q": _SEARCHED,
    "message": ("gateway", "xylophone"),
    "wholeMessage": ("The target answered nothing",),
    "hasErrorCode": ("true", "false"),
    "integration": ("bench-7", "bench-9999", "bench-x"),
    "errorCode": ("E-7", "E-RARE", "E-NONE"),
    "entityId": ("ORDER-77", "none"),
    "system": ("mail", "none"),
    "failure": ("77", "10"),
    "name": ("bench-7", "none"),
    "actor": ("bench", "none"),
}
_PERIODS = ("period=hours&n=3", "period=weeks&n=2", "period=months&n=99", "since=2099-01-01T00:00",
            "until=2001-01-01T00:00")  # fmt: skip
# Of the time in which the failures were logged.
MIDDLE = timedelta(days=29)
SEARCHES = ("q", "message", "wholeMessage")
# The last page of a list of failures is read backwards from its end.
_LAST = urlencode({"cursor": write_cursor(0, 0, newer=True)})


def pages(app: Flask, size: int, job: int) -> Mapping[str, tuple[str, str]]:
    """Return the sort of read and the path of each page, by a name."""
    with app.test_request_context():
        found = {
            endpoint: ("page", _path(app, endpoint, size, job)) for endpoint in _endpoints(app)
        }
        for screen in _screens():
            if screen.listing is not None:
                found |= _filters(screen.__name__, screen.path, screen.listing)
        others = f"{GlobalFailures.path}?errorType=other"
        found |= {"others": ("page", others), **_filters("others", others, GlobalFailures.others)}
    for by in ("message", "code", "integration"):
        found[f"grouped by {by}"] = "page", f"{ProcessingFailures.path}?group={by}"
    for span in ("24h", "7d", "30d"):
        found[f"overview {span}"] = "page", f"/?span={span}"
    return found


def _endpoints(app: Flask) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        known = rule.endpoint.startswith(_LEFT_OUT) or rule.endpoint.endswith(_FILES)
        if not known and "GET" in (rule.methods or ()):
            yield rule.endpoint


def _path(app: Flask, endpoint: str, size: int, job: int) -> str:
    (rule,) = (one for one in app.url_map.iter_rules(endpoint) if "GET" in (one.methods or ()))
    given: dict[str, Any] = {**_ONE, "job_id": job}
    if endpoint == "schedules.edit":
        given["name"] = _SCHEDULE
    if endpoint.endswith("failures.show"):
        given["number"] = _failure(size, "global" if endpoint.startswith("global") else "")
    path = url_for(endpoint, **{name: given[name] for name in rule.arguments})
    return f"{path}?{_WITH[endpoint]}" if endpoint in _WITH else path


def _failure(size: int, kind: str) -> int:
    """Return an id of that kind, as bench/listed.py makes them."""
    return next(
        n
        for n in range(size // 2, size)
        if (n * 742938 % 2147483647 % 5 == 0) is bool(kind) and n % 1000 != 7
    )


def _screens() -> Iterator[type[Screen]]:
    for name in admin.MODULES:
        yield from import_module(f"{admin.__name__}.{name}").SCREENS


def _filters(title: str, path: str, listing: Listing) -> Mapping[str, tuple[str, str]]:
    failures = path.startswith("/failures/")
    found = {}
    for one in listing.filters:
        sort = "search" if failures and one.names[0] in SEARCHES else "page"
        for query in _queries(one):
            asked = f"{path}{'&' if '?' in path else '?'}{query}"
            found[f"{title} {query}"] = sort, asked
            if failures:
                found[f"{title} {query}, last page"] = sort, f"{asked}&{_LAST}"
    return found


def _queries(one: Filter) -> Iterator[str]:
    if one.kind == "period":
        yield from _PERIODS
        yield f"until={utc_now() - MIDDLE:%Y-%m-%dT%H:%M}"
        if getattr(one, "cycles", False):
            yield "period=cycle"
        return
    (name,) = one.names
    typed = [value for value, _ in getattr(one, "options", ())] or _TYPED[name]
    yield from (urlencode({name: value}) for value in typed)
