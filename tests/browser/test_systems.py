"""System Configuration in a browser: what is shown when, the first test mail, and the row menu."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driver import Watch, axe, set_theme
from tests.harness.client import Api
from tests.harness.mails import Post, post_office

PASSWORD = '[name="secrets.password"]'
NEEDS_LOGIN = '[name="options.authenticationRequired"]'


@pytest.fixture
def post() -> Iterator[Post]:
    """A mail server that takes everything."""
    with post_office() as office:
        yield office


def _fill(page: Page, name: str, port: int) -> None:
    page.fill("[name=name]", name)
    page.fill('[name="options.server"]', "127.0.0.1")
    page.fill('[name="options.port"]', str(port))
    page.select_option('[name="options.encryption"]', "none")
    page.select_option(NEEDS_LOGIN, "no")
    page.fill('[name="options.senderEmail"]', "tocsin@example.com")


def test_the_password_shows_with_yes_at_once_by_mouse_and_keyboard(page: Page) -> None:
    page.goto("/systems/new")
    page.click("a.tile")

    expect(page.locator(PASSWORD)).to_be_visible()
    page.select_option(NEEDS_LOGIN, "no")
    expect(page.locator(PASSWORD)).to_be_hidden()
    page.focus(NEEDS_LOGIN)
    page.keyboard.press("ArrowUp")
    expect(page.locator(PASSWORD)).to_be_visible()


def test_a_system_with_password_is_made_without_javascript(
    page_without_javascript: Page, api: Api
) -> None:
    page = page_without_javascript
    page.goto("/systems/new?kind=smtp")
    page.select_option(NEEDS_LOGIN, "no")
    expect(page.locator(PASSWORD)).to_be_hidden()
    page.select_option(NEEDS_LOGIN, "yes")
    page.fill("[name=name]", "Without scripts")
    page.fill('[name="options.server"]', "smtp.example.com")
    page.fill('[name="options.senderEmail"]', "tocsin@example.com")
    page.fill(PASSWORD, "correct-horse")

    page.click("main button.btn-primary:has-text('Save')")

    expect(page.locator("h1")).to_have_text("Without scripts")
    assert api.get("/systems/Without%20scripts")["secrets"]["password"]["set"] is True
    assert "correct-horse" not in page.content()


def test_what_is_wrong_is_said_in_place_and_the_typed_password_stays(
    page: Page, watch: Watch
) -> None:
    watch.allow(422)
    page.goto("/systems/new?kind=smtp")
    page.fill(PASSWORD, "typed-once")

    page.click("main button.btn-primary:has-text('Save')")

    expect(page.locator(".error-summary")).to_be_focused()
    expect(page.locator(PASSWORD)).to_have_value("typed-once")
    page.click(".error-summary a >> nth=0")
    expect(page.locator('[name="options.server"]')).to_be_focused()
    for theme in ("light", "dark"):
        set_theme(page, theme)
        assert not axe(page)


def test_check_and_test_of_a_draft_and_then_a_test_mail_of_what_is_saved(
    page: Page, post: Post, api: Api
) -> None:
    page.goto("/systems/new?kind=smtp")
    _fill(page, "Tried out", post.port)

    page.click("main button:has-text('Check')")
    expect(page.locator(".check-steps")).to_contain_text("Connected to 127.0.0.1")
    assert not axe(page)
    page.fill('[name="options.toEmail"]', "one@example.com, two@example.com")
    page.click("main button:has-text('Test')")
    expect(page.locator("#test-result")).to_contain_text("2 of 2", timeout=20_000)
    assert not axe(page)
    assert "Tried out" not in [one["name"] for one in api.items("/systems")]

    page.fill('[name="options.toEmail"]', "")
    page.click("main button.btn-primary:has-text('Save')")
    expect(page.get_by_label("Address of the test mail")).to_have_value("admin@example.org")
    page.click("button:has-text('Send a test mail')")
    expect(page.locator("#test-result")).to_contain_text("1 of 1", timeout=20_000)
    assert [mail["To"] for mail in post.wait(2)][-1] == "admin@example.org"


def test_the_menu_of_a_row_pauses_a_system_after_asking(
    page: Page, seeded: object, api: Api
) -> None:
    api.mail_system("To pause", 9)
    page.goto("/systems/")
    menu = page.get_by_label("More for To pause")
    menu.click()
    assert not axe(page)
    page.locator("details[open] button:has-text('Pause')").click()
    page.click("#confirm-yes")

    expect(page.locator("#messages")).to_contain_text("To pause is paused")
    assert api.get("/systems/To%20pause")["status"] == "paused"


def test_a_double_click_on_test_and_save_makes_one_and_the_form_stays_as_it_is(
    page: Page, post: Post, api: Api
) -> None:
    page.goto("/systems/new?kind=smtp")
    _fill(page, "Clicked twice", post.port)
    page.fill('[name="options.toEmail"]', "one@example.com")
    page.click("main details.field summary")

    page.dblclick("main button:has-text('Test')")

    expect(page.locator("#test-result")).to_contain_text("1 of 1", timeout=20_000)
    expect(page.locator("main button:has-text('Test')")).to_be_focused()
    expect(page.locator('[name="options.timeout"]')).to_be_visible()
    assert len(post.messages) == 1
    page.dblclick("main button.btn-primary:has-text('Save')")
    expect(page.locator("h1")).to_have_text("Clicked twice")
    assert [one["name"] for one in api.items("/systems")].count("Clicked twice") == 1
