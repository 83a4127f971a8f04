"""Web processes that die under a user: nothing is half done, and nobody signs in anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import environment
from tests.browser.driver import sign_in
from tests.harness.fixtures import installation
from tests.harness.product import Product

WEBS = ("web-1", "web-2")


@pytest.fixture
def own() -> Iterator[Product]:
    """A server of the test's own."""
    with installation(environment) as product:
        yield product.start()


@pytest.fixture
def admin(browser: Browser, own: Product) -> Iterator[Page]:
    """A page of its admin; unwatched, since requests shall fail."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{own.port}")
    page = context.new_page()
    sign_in(page)
    yield page
    context.close()


def _killed(product: Product, *names: str) -> None:
    """Kill web processes, and wait for the ones that take their places."""
    for name in names:
        product.restarted(name, product.kill(name))


def test_a_kill_while_a_form_is_sent_leaves_nothing_and_the_form_makes_one(
    admin: Page, own: Product
) -> None:
    page = admin
    page.goto("/systems/new?kind=smtp")
    page.fill("[name=name]", "Sent twice")
    page.fill('[name="options.server"]', "smtp.example.com")
    page.fill('[name="options.senderEmail"]', "tocsin@example.com")
    page.fill('[name="secrets.password"]', "still-here")
    with closing(sqlite3.connect(own.data / "tocsin.sqlite3", isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")  # so that the write waits, and is killed meanwhile
        page.click("main button:has-text('Save')", no_wait_after=True)
        page.wait_for_timeout(300)
        for _ in range(5):  # Chromium by itself sends once more what a reused connection lost
            _killed(own, *WEBS)
            if page.locator("#confirm").is_visible():
                break
        expect(page.locator("#confirm-text")).to_contain_text("send it again")
        held.execute("ROLLBACK")
    assert "Sent twice" not in _names(own)
    page.click("#confirm-yes")
    expect(page.locator('[name="secrets.password"]')).to_have_value("still-here")

    page.click("main button:has-text('Save')")

    expect(page.locator("h1")).to_have_text("Sent twice")
    assert _names(own).count("Sent twice") == 1
    own.check()


def _names(product: Product) -> list[str]:
    return [str(one["name"]) for one in product.api.items("/systems")]


def test_who_is_signed_in_stays_so_over_both_processes_and_a_restart(
    admin: Page, own: Product
) -> None:
    for name in WEBS:
        _killed(own, name)
        admin.goto("/account")
        expect(admin.locator("h1")).to_have_text("Your account")
    own.stop()
    own.start()
    admin.goto("/users/")
    expect(admin.locator("h1")).to_have_text("Users")
