"""First run: from the link on the console to a received test mail, as a person types it.

At 200 ms a key it may take 3 minutes and 14 fields (quality.md, screens.md). Keys are typed at
once here and counted; what they would have taken is added, so that CI does not wait for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.clock import monotonic
from tests.browser.driver import Watch
from tests.conftest import ADMIN_KEY
from tests.harness.fixtures import installation
from tests.harness.mails import post_office
from tests.harness.product import Product

SECONDS_A_KEY, MOST_SECONDS, MOST_FIELDS = 0.2, 180.0, 14


class Typist:
    """Somebody at the keyboard; knows how many keys and fields it took."""

    def __init__(self, page: Page) -> None:
        self.page, self.keys, self.fields = page, 0, 0

    def types(self, name: str, text: str) -> None:
        """Type into a field that is empty or selected whole."""
        field = self.page.locator(f'main [name="{name}"]')
        field.fill(text)
        self.keys += len(text) + 1  # and Tab
        self.fields += 1

    def chooses(self, name: str, value: str) -> None:
        """Choose in a drop-down, by its first letter."""
        self.page.select_option(f'main [name="{name}"]', value)
        self.keys += 2
        self.fields += 1

    def clicks(self, name: str) -> None:
        """Press a button or follow a link of the page; as long as five keys."""
        self.page.locator("main").get_by_role("button", name=name).or_(
            self.page.locator("main").get_by_role("link", name=name)
        ).first.click()
        self.keys += 5


@pytest.fixture
def fresh() -> Iterator[Product]:
    """A server that nobody has used."""

    def environment(directory: Path) -> dict[str, str]:
        return {
            "TOCSIN_DATA_DIR": str(directory),
            "TOCSIN_API_KEY": ADMIN_KEY,
            "TOCSIN_OUTBOUND_ALLOW": "127.0.0.0/8",
        }

    with installation(environment) as product:
        yield product.start()


def test_from_first_start_to_a_received_test_mail(
    fresh: Product, browser: Browser, server: Product
) -> None:
    host = f"http://127.0.0.1:{fresh.port}"
    context = browser.new_context(base_url=host)
    watch = Watch(context, host)
    with post_office() as post:
        page = context.new_page()
        typist, began = Typist(page), monotonic()
        found = re.search(r"/setup\?token=\S+", fresh.output)
        assert found, fresh.output
        page.goto(found[0])

        typist.types("email", "eva@corp.example")
        typist.types("password", "twelve or more letters")
        page.locator("main form button[type=submit], main form button.btn-primary").first.click()
        page.wait_for_url("/")
        typist.clicks("Connect a mail server")
        typist.clicks("SMTP Mail Client")
        typist.types("name", "Mail")
        typist.types("options.server", "127.0.0.1")
        typist.types("options.port", str(post.port))
        typist.chooses("options.encryption", "none")
        typist.chooses("options.authenticationRequired", "no")
        typist.types("options.senderEmail", "tocsin@corp.example")
        typist.types("options.toEmail", "eva@corp.example")
        typist.clicks("Test")
        expect(page.locator("#test-result")).to_contain_text("accepted", timeout=20_000)
        mail = post.wait(1)[0]

    assert mail["To"] == "eva@corp.example"
    took = monotonic() - began + typist.keys * SECONDS_A_KEY
    print(f"first mail after {took:.0f} s, {typist.fields} fields, {typist.keys} keys")
    assert typist.fields <= MOST_FIELDS
    assert took <= MOST_SECONDS
    watch.check()
    context.close()
    again = browser.new_context(base_url=host)
    answer = again.request.get(found[0])
    assert answer.status == 404
    again.close()
