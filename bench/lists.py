"""The lists at size: how long every page takes to its first byte, and each filter by itself."""

from __future__ import annotations

import html
import http.client
import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlencode

from bench.clock import monotonic
from bench.product import Installation
from bench.rows import Bench, Figures

# So many that the 95th percentile is not the slowest of them.
READS = 40
WARM = 2
LIMITS = {"page": 60.0, "search": 150.0}
_ADMIN = {"email": "bench@example.com", "password": "bench-only-horse-battery"}
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def reads(bench: Bench, size: int) -> Figures:
    """Make `size` failures, start the product, read every page; the slowest 95th percentiles."""
    site = _with_admin(bench.install())
    made = json.loads(site.apart("bench.listed", size).splitlines()[-1])
    with site.running() as product, closing(_Reader(product.port)) as reader:
        reader.sign_in()
        each = {
            name: (sort, path, reader.milliseconds(path))
            for name, (sort, path) in made["pages"].items()
        }
    _tell(made["made"], each)
    return {
        sort: max(p95 for one, _, (_, p95) in each.values() if one == sort) for sort in LIMITS
    } | {
        "median": sorted(p50 for _, _, (p50, _) in each.values())[len(each) // 2],
        "over": sum(p95 > LIMITS[sort] for sort, _, (_, p95) in each.values()),
    }


def _with_admin(site: Installation) -> Installation:
    more = {f"TOCSIN_ADMIN_{name.upper()}": value for name, value in _ADMIN.items()}
    return replace(site, environ={**site.environ, **more})


Measured = Mapping[str, tuple[str, str, tuple[float, float]]]


def _tell(made: str, each: Measured) -> None:
    """Print every page, the slowest first."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{made}; load {load}; {len(each)} pages, {READS} reads of each", file=sys.stderr)
    print("   median      p95   limit  kept  page", file=sys.stderr)
    for name, (sort, _, (p50, p95)) in sorted(each.items(), key=lambda one: -one[1][2][1]):
        limit = LIMITS[sort]
        kept = "yes" if p95 <= limit else "NO"
        print(f"{p50:6.1f} ms {p95:5.1f} ms {limit:4.0f} ms  {kept:>4}  {name}", file=sys.stderr)


class _Reader:
    """Somebody who is signed in and reads pages over one kept connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookies: dict[str, str] = {}

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def sign_in(self) -> None:
        """Sign in by the form, as a browser does."""
        _, page = self._ask("GET", "/sign-in")
        found = _TOKEN.search(page)
        assert found, page
        form = {**_ADMIN, "csrf_token": html.unescape(found[1])}
        status, page = self._ask("POST", "/sign-in", urlencode(form))
        assert status == http.client.SEE_OTHER, page

    def milliseconds(self, path: str) -> tuple[float, float]:
        """Return the median and the 95th percentile of the time to the first byte."""
        for _ in range(WARM):
            status, page = self._ask("GET", path)
            assert status == http.client.OK, (path, status, page[:400])
        each = sorted(self._first_byte(path) for _ in range(READS))
        return round(each[READS // 2], 1), round(each[int(READS * 0.95)], 1)

    def _first_byte(self, path: str) -> float:
        began = monotonic()
        self._connection.request("GET", path, headers=self._headers())
        answer = self._connection.getresponse()
        answer.read(1)
        seconds = monotonic() - began
        answer.read()
        return seconds * 1000

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = self._headers()
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer.status, answer.read().decode()

    def _headers(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        return {"Cookie": cookies} if cookies else {}
