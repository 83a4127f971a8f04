"""Fixtures of the browser tests: one server and one browser for all, a fresh context for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.driver import ADMIN_EMAIL, ADMIN_PASSWORD, HEIGHT, Watch, chromium, sign_in
from tests.browser.seeding import seed
from tests.conftest import ADMIN_KEY
from tests.harness.client import Api
from tests.harness.fixtures import installation
from tests.harness.product import Product


def environment(directory: Path) -> dict[str, str]:
    """Return the settings of the server that the browser tests share."""
    return {
        "TOCSIN_DATA_DIR": str(directory),
        "TOCSIN_API_KEY": ADMIN_KEY,
        "TOCSIN_ADMIN_EMAIL": ADMIN_EMAIL,
        "TOCSIN_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8",
    }


@pytest.fixture(scope="session")
def server() -> Iterator[Product]:
    """The server of all browser tests: real processes on SQLite, with an admin."""
    with installation(environment) as product:
        yield product.start()


@pytest.fixture(scope="session")
def seeded(server: Product) -> Mapping[str, str]:
    """Names and ids of what the server shows."""
    return seed(server.api)


@pytest.fixture
def api(server: Product) -> Api:
    """A client of the server's HTTP interface."""
    return server.api


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The one browser."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def host(server: Product) -> str:
    """Where the server is."""
    return f"http://127.0.0.1:{server.port}"


def _context(browser: Browser, host: str, javascript: bool = True) -> BrowserContext:
    size = {"width": 1366, "height": HEIGHT}
    return browser.new_context(base_url=host, java_script_enabled=javascript, viewport=size)  # type: ignore[arg-type]


@pytest.fixture
def context(browser: Browser, host: str) -> Iterator[BrowserContext]:
    """A browser of a person of its own, not signed in."""
    made = _context(browser, host)
    yield made
    made.close()


@pytest.fixture
def watch(context: BrowserContext, host: str) -> Iterator[Watch]:
    """What fails the test at its end; `watch.allow(422)` announces an answer."""
    made = Watch(context, host)
    yield made
    made.check()


@pytest.fixture
def visitor(context: BrowserContext, watch: Watch) -> Page:
    """A watched page of somebody who has not signed in."""
    return context.new_page()


@pytest.fixture(scope="session")
def sessions() -> dict[str, Any]:
    """The cookies of the admin by host: signing in takes long, and is needed once for each."""
    return {}


@pytest.fixture
def page(visitor: Page, host: str, sessions: dict[str, Any]) -> Page:
    """A watched page of the admin, in a session that all tests share."""
    return _as_admin(visitor, host, sessions)


def _as_admin(page: Page, host: str, sessions: dict[str, Any]) -> Page:
    if host in sessions:
        page.context.add_cookies(sessions[host])
    else:
        sign_in(page)
        sessions[host] = page.context.cookies()
    return page


@pytest.fixture
def page_without_javascript(
    browser: Browser, host: str, sessions: dict[str, Any]
) -> Iterator[Page]:
    """A watched page of the admin, in a browser that runs no script."""
    context = _context(browser, host, javascript=False)
    watch = Watch(context, host)
    yield _as_admin(context.new_page(), host, sessions)
    context.close()
    watch.check()
