"""Integrations in a browser: the dialog of a registration, its test, and many at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driver import Watch, axe, set_theme
from tests.harness.client import Api
from tests.harness.mails import Post, post_office

NAME = "Dialog <b>to</b> test"
RECIPIENTS = '[name="forward.recipients"]'
COUNT = '[name="forward.global.failureCount"]'


@pytest.fixture
def post() -> Iterator[Post]:
    """A mail server that takes everything."""
    with post_office() as office:
        yield office


@pytest.fixture
def listed(page: Page, api: Api) -> Page:
    """The list of integrations with one that is not registered."""
    api.mail_system("Company mail", 9)
    api.put("/integrations/dialog", {"name": NAME, "system1": "A", "system2": "B"})
    api.sure("DELETE", "/registrations/dialog")
    page.goto("/integrations/?q=dialog")
    return page


def _opened(page: Page) -> Page:
    page.get_by_role("link", name=f"Configure Failure Notification for {NAME}").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    return page


@pytest.mark.usefixtures("seeded")
def test_the_clean_dialog_closes_on_escape_and_gives_the_focus_back(listed: Page) -> None:
    page = _opened(listed)
    for theme in ("light", "dark"):
        set_theme(page, theme)
        assert axe(page) == ""

    page.keyboard.press("Escape")

    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator("a[data-dialog]")).to_be_focused()


@pytest.mark.usefixtures("seeded")
def test_fields_show_when_what_they_depend_on_says_so(listed: Page) -> None:
    page = _opened(listed)
    for switch, field, shown in (
        ("forward.global.immediately", COUNT, False),
        ("forward.processing.others", '[name="forward.processing.recipients"]', True),
        ("sameForBackward", '[name="backward.recipients"]', True),
        ("forward.global.enabled", '[name="forward.global.noActivityMinutes"]', False),
    ):
        expect(page.locator(field)).to_be_visible(visible=not shown)
        page.click(f'[name="{switch}"]')
        expect(page.locator(field)).to_be_visible(visible=shown)
    page.fill('[name="forward.subjectPrefix"]', "[PROD]")
    expect(page.locator(".subject-preview").first).to_contain_text("[PROD] A → B failing")


@pytest.mark.usefixtures("seeded")
def test_a_test_shows_its_verdict_and_keeps_what_is_typed(
    listed: Page, api: Api, post: Post, watch: Watch
) -> None:
    api.mail_system("Company mail", post.port)
    page = _opened(listed)
    page.fill(RECIPIENTS, "one@example.com; two@example.com")

    page.dblclick("#dialog button:has-text('Test')")

    expect(page.locator("#test-result")).to_contain_text("2 of 2 recipients", timeout=15_000)
    assert page.input_value(RECIPIENTS) == "one@example.com; two@example.com"
    assert len(post.messages) == 1
    page.click("#test-result summary")
    expect(page.locator("#test-conversation")).to_contain_text("MAIL FROM")
    assert axe(page) == ""
    watch.allow(422)
    page.fill(COUNT, "21")
    page.click("#dialog button:has-text('Save')")
    expect(page.locator(".error-summary")).to_contain_text("from 1 to 20")
    assert axe(page) == ""


@pytest.mark.usefixtures("seeded")
def test_it_is_registered_and_unregistered_without_javascript(
    page_without_javascript: Page, api: Api
) -> None:
    api.put("/integrations/plain", {"name": "Plain", "system1": "A", "system2": "B"})
    page = page_without_javascript
    page.goto("/integrations/?q=plain")
    page.get_by_role("link", name="Configure Failure Notification for Plain").click()
    expect(page.locator('[name="backward.recipients"]')).to_be_hidden()
    page.fill(RECIPIENTS, "ops@example.com")
    page.click("main button:has-text('Save')")
    expect(page.locator("main")).to_contain_text("was registered")

    page.get_by_role("link", name="Configure Failure Notification for Plain").click()
    page.click("main button:has-text('Unregister')")
    page.click("main button:has-text('Unregister')")

    expect(page.locator("main")).to_contain_text("Undo unregistering")


@pytest.mark.usefixtures("seeded")
def test_a_bulk_of_200_is_a_job_whose_page_survives_a_reload(page: Page, api: Api) -> None:
    for number in range(200):
        api.put(f"/integrations/bulk-{number:03}", {"system1": "A", "system2": "B"})
    page.goto("/integrations/?q=bulk-")
    expect(page.locator("[data-bulk]")).to_be_hidden()
    page.check("[data-all]")
    page.check("[name=every]")
    page.click("button:has-text('Configure Failure Notification')")
    expect(page.locator("main")).to_contain_text("200 selected: 200 will be registered")
    assert axe(page) == ""
    page.fill(RECIPIENTS, "ops@example.com")
    page.click("button:has-text('Register 200')")

    expect(page.locator("progress")).to_be_visible()
    page.reload()
    done = re.compile("200 of 200 done, 200 registered")
    expect(page.locator("#job-progress")).to_contain_text(done, timeout=20_000)
    settings = api.get("/registrations/bulk-199")
    assert settings["sameForBackward"] is True
    assert settings["forward"]["processing"]["enabled"] is True
