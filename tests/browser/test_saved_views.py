"""Saved views and the rows of a job, in a browser: with JavaScript and without."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driver import axe, overflow, set_theme
from tests.harness.client import Api
from tests.harness.product import Product


def test_a_view_is_saved_in_a_dialog_looked_at_and_deleted_after_asking(
    page: Page, seeded: Mapping[str, str]
) -> None:
    page.goto("/failures/global/?state=open&errorCode=AUTH_401")
    page.get_by_role("link", name="Save this view").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert axe(page) == ""
    page.fill("#dialog [name=name]", "Our own " + "long" * 12)
    page.click("#dialog button:has-text('Save view')")

    expect(page.locator("#messages")).to_contain_text("was saved")
    expect(page.locator(".views-saved [aria-current]")).to_contain_text("Our own")
    for theme in ("light", "dark"):
        set_theme(page, theme)
        assert axe(page) == "", theme
    assert overflow(page) == {}
    page.goto("/failures/global/")
    page.get_by_role("link", name="Our own").click()
    expect(page.locator(".chips")).to_contain_text("AUTH_401")

    page.get_by_role("button", name="Delete the view Our own").click()
    expect(page.locator("#confirm-text")).to_contain_text("Our own")
    page.click("#confirm-yes")
    expect(page.locator("#messages")).to_contain_text("was deleted")
    expect(page).to_have_url(re.compile(r"/failures/global/\?[^#]*errorCode=AUTH_401"))
    assert page.locator(".views-saved").count() == 0


@pytest.mark.usefixtures("seeded")
def test_a_view_is_saved_and_deleted_without_javascript(page_without_javascript: Page) -> None:
    page = page_without_javascript
    page.goto("/integrations/?show=unregistered")
    page.get_by_role("link", name="Save this view").click()
    page.fill("[name=name]", "To do")
    page.click("main button:has-text('Save view')")
    expect(page.locator("main")).to_contain_text("The view To do was saved.")

    page.goto("/integrations/")
    page.get_by_role("link", name="To do").click()
    expect(page.locator(".chips")).to_contain_text("Not registered")
    page.get_by_role("button", name="Delete the view To do").click()
    expect(page.locator("main")).to_contain_text("The saved view To do will be deleted.")
    page.click("main button:has-text('Delete')")

    expect(page.locator("main")).to_contain_text("The view To do was deleted.")


@pytest.mark.usefixtures("seeded")
def test_the_rows_of_a_job_show_how_they_ended_when_it_has_ended(
    page: Page, api: Api, server: Product
) -> None:
    api.mail_system("Company mail", 9)
    for number in range(120):
        api.put(f"/integrations/rows-{number:03}", {"system1": "A", "system2": "B"})
    page.goto("/integrations/?q=rows-")
    page.check("[data-all]")
    page.check("[name=every]")
    page.click("button:has-text('Configure Failure Notification')")
    page.fill('[name="forward.recipients"]', "ops@example.com")
    server.kill("worker-1", signal.SIGSTOP)
    try:
        page.click("button:has-text('Register 120')")
        expect(page.locator("#job-progress")).to_contain_text("0 of 120 done")
        expect(page.get_by_role("link", name="Look again")).to_be_visible()
        expect(page.locator("#list tbody td:has-text('waits')")).to_have_count(50)
    finally:
        server.kill("worker-1", signal.SIGCONT)

    expect(page.locator("#job-progress")).to_contain_text("120 of 120 done", timeout=20_000)
    expect(page.locator("#list tbody")).not_to_contain_text("waits")
    expect(page.locator("#list tbody td:has-text('registered')")).to_have_count(50)
