"""An installation with many failures; `python -m bench.listed SIZE` makes and reads them.

Prints the milliseconds of each read of the services as JSON: median and 95th of 100.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, get_args

from app import create_app
from app.clock import utc_now
from app.models import Failure, Integration, IntegrationDirection
from app.services import search_fill
from app.services.installation import Installation, installation
from app.services.paging import write_cursor
from app.services.reading import failure_groups, failures
from app.services.reading.failures import FailureQuery
from app.services.setup import prepare
from app.shapes import parse
from bench.clock import monotonic

AT_ONCE = 5_000
INTEGRATIONS, CODES = 200, 30
READS = 15
WORDS = "timeout refused invoice customer field mapping conflict gateway quota schema".split()


def main(size: int) -> None:
    """Make the failures, read them, print."""
    app = create_app()
    prepare(app)
    site = installation(app)
    began = monotonic()
    if not failures.count(site, _query({}), 1):  # an installation that has them is only read
        make(site, size)
    made = monotonic()
    search_fill.fill(site)
    filled = monotonic()
    if not site.store.sqlite:
        with site.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as one:
            one.exec_driver_sql("VACUUM ANALYZE")
    print(f"made in {made - began:.0f} s, searched in {filled - made:.0f} s", file=sys.stderr)
    print(json.dumps(read(site)).replace("], ", "],\n"))


def make(site: Installation, size: int) -> None:
    """Add integrations, each of one direction, and failures of all kinds."""
    now, rand = utc_now(), random.Random(4)  # noqa: S311 - no secret
    with site.store.writing() as connection:
        connection.execute(Integration.__table__.insert(), [_integration(n, now) for n in _ALL])
        rows = [_direction(n, now) for n in _ALL]
        connection.execute(IntegrationDirection.__table__.insert(), rows)
    for start in range(0, size, AT_ONCE):
        rows = [_failure(n, size, now, rand) for n in range(start, min(start + AT_ONCE, size))]
        with site.store.bulk_writing() as connection:
            connection.execute(Failure.__table__.insert(), rows)
        site.store.checkpoint()


_ALL = range(1, INTEGRATIONS + 1)


def _integration(n: int, now: Any) -> dict[str, Any]:
    names = {"key": f"bench-{n}", "name": f"Bench {n}", "system1": "A", "system2": "B"}
    times = {"created_at": now, "updated_at": now}
    return {"id": n, **names, **times, "bidirectional": False, "max_retry_count": 3}


def _direction(n: int, now: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("count", "occurrences", "episode"), 0)
    names = {"id": n, "integration_id": n, "direction": "forward", "activated_at": now}
    return {**names, **counts, "active": n > 3}


def _failure(n: int, size: int, now: Any, rand: random.Random) -> dict[str, Any]:
    at = now - timedelta(hours=1) - timedelta(seconds=5_000_000 * (size - n) / size)
    whose, told = rand.randint(1, INTEGRATIONS), rand.random() < 0.1
    code = rand.randint(1, CODES)
    said = f"The target answered {code} to PUT /orders/{n}: {rand.choice(WORDS)} {rand.random()}"
    return {
        "identity": n.to_bytes(32, "big"),
        "error_type": "integration",
        "kind": "global" if rand.random() < 0.2 else "processing",
        "state": "open" if rand.random() < 0.7 else "resolved",
        "integration_id": whose,
        "direction_id": whose,
        "direction": "forward" if rand.random() < 0.9 else "backward",
        "error_code": f"E-{code}" if n != size // 20 else "E-RARE",
        "message": said + (" cataclysm" if n == size // 20 else ""),
        "entity_id": f"ORDER-{n}",
        "accessible": True,
        "count": 1,
        "first_logged_at": at,
        "last_logged_at": at,
        "episode": 1,
        "notified_at": at if told else None,
        "notified_delivery_id": 1 if told else None,
    }


def read(site: Installation) -> Mapping[str, Any]:
    """Measure each read."""
    base = {"errorType": "integration", "kind": "processing"}
    found = {}
    for name, given in _READS.items():
        found[name] = _measured(_page(site, {**base, **given}))
        found[f"{name}, last page"] = _measured(_page(site, {**base, **given}, first=True))
    for name in ("q common", "q rare", "q none", "q two letters", "code"):
        given = {**base, **_READS[name]}
        found[f"count {name}"] = _measured(partial(failures.count, site, _query(given)))
    found["count"] = _measured(lambda: failures.count(site, _query(base)))
    for by in get_args(failure_groups.By):
        grouped = partial(failure_groups.groups, site, _query(base), by)
        found[f"groups {by}"] = _measured(grouped)
    return found


_READS: Mapping[str, Mapping[str, str | None]] = {
    "list": {},
    "all kinds": {"kind": "global"},
    "other errors, none": {"errorType": "other", "kind": None},
    "integration": {"integration": "bench-7"},
    "integration none": {"integration": "bench-x"},
    "active": {"integrationStatus": "active"},
    "inactive": {"integrationStatus": "inactive"},
    "direction": {"direction": "backward"},
    "code": {"errorCode": "E-7"},
    "code rare": {"errorCode": "E-RARE"},
    "code none": {"errorCode": "E-NONE"},
    "entity": {"entityId": "ORDER-77"},
    "entity none": {"entityId": "none"},
    "state": {"state": "resolved"},
    "notified": {"notified": "true"},
    "not notified": {"notified": "false"},
    "since": {"since": "2030-01-01T00:00:00Z"},
    "until": {"until": "2026-10-15T00:00:00Z"},
    "message": {"message": "gateway"},
    "message none": {"message": "xylophone"},
    "q common": {"q": "target answered"},
    "q frequent": {"q": "/orders/12"},
    "q rare": {"q": "cataclysm"},
    "q none": {"q": "xylophone"},
    "q two letters": {"q": "zq"},
    "q quotes": {"q": '"OR" %_*'},
}


def _query(given: Mapping[str, Any], **more: Any) -> FailureQuery:
    texts = {name: value for name, value in {**given, **more}.items() if value is not None}
    return parse(FailureQuery, texts)


def _page(site: Installation, given: Mapping[str, Any], first: bool = False) -> Callable[[], Any]:
    cursor = write_cursor(0, 0, newer=True) if first else None
    query = _query(given, limit="50", cursor=cursor)
    return lambda: failures.page(site, query)


def _measured(work: Callable[[], Any]) -> tuple[float, float]:
    work()
    each = []
    for _ in range(READS):
        began = monotonic()
        work()
        each.append((monotonic() - began) * 1000)
    each.sort()
    return round(each[len(each) // 2], 1), round(each[int(len(each) * 0.95)], 1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
