"""Mail servers that misbehave, as the person in front of the screen is told of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import environment
from tests.browser.driver import Watch, axe, sign_in
from tests.harness.fixtures import ON_DEMAND, installation
from tests.harness.mails import post_office
from tests.harness.product import Product, free_port
from tests.harness.waiting import eventually
from tests.servers import certificates
from tests.servers.relay import Relay
from tests.servers.sink import SILENCE

RESULT = "#test-result"
PASSWORD = "not-for-the-screen"
# What is told of each trouble: its cause, and the step that comes next.
REFUSED = ("Connection refused by 127.0.0.1:", "Is the server running, and is the port right?")
UNKNOWN = ("Could not resolve host no-such-host.invalid", "Check the ")
SILENT = ("within the TimeOut", "TLS from the start?")
MISNAMED = ("is for other.example, not localhost", "Give the name")
BAD_LOGIN = ("535", "Check user name and Password.")
NOBODY = ("550 5.1.1 No such user", "Correct the address, or ask who runs that mailbox.")


@pytest.fixture
def form(page: Page) -> Page:
    """The form of a new mail system, all but its server filled in."""
    page.goto("/systems/new?kind=smtp")
    page.click("main details.field summary")
    page.select_option('[name="options.encryption"]', "none")
    page.select_option('[name="options.authenticationRequired"]', "no")
    page.fill('[name="options.senderEmail"]', "tocsin@example.com")
    page.fill('[name="options.toEmail"]', "one@example.com")
    return page


def _tested(page: Page, server: str, port: int) -> str:
    """Press Test for a server; return what is told in the end."""
    page.fill('[name="options.server"]', server)
    page.fill('[name="options.port"]', str(port))
    ended = page.locator(f"{RESULT} a[href^='/deliveries/']")
    before = ended.get_attribute("href") if ended.count() else ""
    page.click("main button:has-text('Test')")
    expect(page.locator(f"{RESULT} a[href^='/deliveries/']:not([href='{before}'])")).to_be_visible(
        timeout=20_000
    )
    return page.inner_text(RESULT)


def _told(text: str, cause_and_step: tuple[str, str]) -> str:
    cause, step = cause_and_step
    assert "not accepted" in text, text
    assert cause in text, text
    assert step in text, text
    return text


def test_six_troubles_of_a_mail_server_have_six_causes_and_next_steps(form: Page) -> None:
    page = form
    told = [_told(_tested(page, "127.0.0.1", free_port()), REFUSED)]
    told += [_told(_tested(page, "no-such-host.invalid", 25), UNKNOWN)]
    with post_office(recipients={"one@example.com": "550 5.1.1 No such user"}) as post:
        told += [_told(_tested(page, "127.0.0.1", post.port), NOBODY)]
    page.fill('[name="options.timeout"]', "1")
    with post_office(replies={"CONNECT": SILENCE}) as post:
        told += [_told(_tested(page, "127.0.0.1", post.port), SILENT)]
    page.fill('[name="options.timeout"]', "10")
    page.select_option('[name="options.authenticationRequired"]', "yes")
    page.fill('[name="secrets.password"]', PASSWORD)
    page.select_option('[name="options.allowAuthWithoutTls"]', "yes")
    with Relay(login=("tocsin@example.com", "another"), in_clear=True) as relay:
        told += [_told(_tested(page, "127.0.0.1", relay.port), BAD_LOGIN)]
        assert relay.logins
    _no_secret(page)
    page.select_option('[name="options.encryption"]', "starttls")
    page.fill('[name="options.caPem"]', certificates.authority().pem)
    with Relay(context=certificates.wrong_name().server_context()) as relay:
        told += [_told(_tested(page, "localhost", relay.port), MISNAMED)]

    assert len({re.sub(r"\d+", "", text) for text in told}) == len(told)
    assert axe(page) == ""


def _no_secret(page: Page) -> None:
    page.click(f"{RESULT} summary")
    said = page.inner_text("#test-conversation")
    assert "AUTH" in said
    assert PASSWORD not in said
    # Encoded for AUTH PLAIN and for AUTH LOGIN.
    for part in (
        "bm90LWZvci10aGUtc2NyZWVu",
        "AHRvY3NpbkBleGFtcGxlLmNvbQBub3QtZm9yLXRoZS1zY3JlZW4=",
    ):
        assert part not in page.inner_text(RESULT)


def test_what_was_accepted_says_its_queue_id_and_time_and_partly_says_who_was_refused(
    form: Page,
) -> None:
    page = form
    page.fill('[name="options.toEmail"]', "one@example.com, two@example.com, gone@example.com")
    with post_office(recipients={"gone@example.com": "550 5.1.1 No such user"}) as post:
        partly = _tested(page, "127.0.0.1", post.port)
        assert "accepted in part: 2 of 3 recipients" in partly
        assert "gone@example.com: 550 5.1.1 No such user" in partly
        assert page.locator(f"{RESULT} .alert-warning").count() == 1
        page.fill('[name="options.toEmail"]', "one@example.com, two@example.com")
        whole = _tested(page, "127.0.0.1", post.port)

    assert re.search(r"accepted: 2 of 2 recipients in [\d.]+ (ms|s)\.", whole), whole
    assert re.search(r"Queue id \w+", whole), whole
    page.click(f"{RESULT} summary")
    page.evaluate("() => document.addEventListener('copy', () => { window.copied = String("
                  "document.activeElement.value); })")  # fmt: skip
    page.evaluate("() => Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.click(f"{RESULT} [data-copy]")
    expect(page.locator(f"{RESULT} [data-copy]")).to_have_text("Copied")
    assert page.evaluate("window.copied").strip() == page.text_content("#test-conversation").strip()  # type: ignore[union-attr]


@pytest.fixture
def own() -> Iterator[Product]:
    """A server whose runs are by hand, with one integration that mails."""
    with installation(environment) as product:
        product.start()
        product.api.set(postNotificationSchedule=ON_DEMAND)
        yield product


@contextmanager
def _signed_in(browser: Browser, product: Product) -> Iterator[Page]:
    host = f"http://127.0.0.1:{product.port}"
    context = browser.new_context(base_url=host)
    watch = Watch(context, host)
    page = context.new_page()
    sign_in(page)
    yield page
    context.close()
    watch.check()


def test_a_mail_server_that_stops_is_one_other_error_until_a_run_finds_it_again(
    browser: Browser, own: Product
) -> None:
    api, port = own.api, free_port()
    api.mail_system("Company mail", port)
    api.register("orders", "Company mail")
    with _signed_in(browser, own) as page:
        with post_office(port=port) as post:
            api.fail("orders", errorCode="FIRST")
            post.wait(1)
        api.fail("orders", errorCode="SECOND")
        eventually("a try", lambda: _others(own))
        api.fail("orders", errorCode="THIRD")
        eventually("both", lambda: _others(own)[0]["waiting"] == 2)
        page.goto("/failures/global/")
        page.click("nav[aria-label='Whose errors'] a:has-text('Other errors')")
        row = page.locator("#list tbody tr")
        expect(row).to_have_count(1)
        expect(row).to_contain_text(f"Connection refused by 127.0.0.1:{port}")
        expect(row.locator("td.num").first).to_have_text("2")
        with post_office(port=port) as post:
            page.goto("/schedules/")
            page.click("button:has-text('Run now')")
            post.wait(2)
        eventually("its end", lambda: not _others(own))
        page.goto("/failures/global/?errorType=other&state=open")
        expect(page.locator("main")).to_contain_text("No errors match")


def _others(product: Product) -> list[dict[str, Any]]:
    return product.api.items("/failures", errorType="other", state="open")
