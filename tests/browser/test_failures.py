"""Error Management in a browser: from many failures to the few, to one, and rid of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.driver import axe
from tests.harness.client import Api

KEY, NAME = "flows", "Flows & <i>failures</i>"
TRACE = "LoginError: 401\n  at sync/login.py line 42"


@pytest.fixture
def failing(api: Api, seeded: object) -> Api:
    """An integration with three processing failures and a global one."""
    api.put(f"/integrations/{KEY}", {"name": NAME, "system1": "A", "system2": "B"})
    for number, message in enumerate(("Field is empty", "Field is empty", "Too long")):
        about = {"entityType": "Issue", "entityId": f"FLOW-{number}", "errorCode": f"F{number}"}
        api.fail(KEY, kind="processing", message=message, **about)
    api.fail(KEY, message="Login refused", errorCode="F401", trace=TRACE)
    return api


def _rows(page: Page) -> Locator:
    return page.locator("#list tbody tr")


def _chip(page: Page, text: str) -> Locator:
    return page.locator(".chips a.chip", has_text=text)


@pytest.mark.usefixtures("failing")
def test_filters_are_chips_that_are_taken_off_one_by_one(page: Page) -> None:
    page.goto(f"/failures/processing/?integration={KEY}")
    folded = page.locator("details:has([name=errorCode]):not([open]) > summary")
    if folded.count():
        folded.click()
    page.fill("[name=errorCode]", "F1")
    page.click("button:has-text('Filter')")
    expect(_rows(page)).to_have_count(1)
    expect(_rows(page)).to_contain_text("FLOW-1")

    _chip(page, "F1").click()
    expect(_rows(page)).to_have_count(3)
    expect(_chip(page, "F1")).to_have_count(0)
    _chip(page, "Clear all").click()
    expect(page.locator(".chips")).to_have_count(0)


def test_a_group_leads_to_its_failures_which_are_deleted_together_after_asking(
    page: Page, failing: Api
) -> None:
    page.goto(f"/failures/processing/?integration={KEY}&group=message")
    group = _rows(page).filter(has_text="Field is empty")
    expect(group.locator("td.num").first).to_have_text("2")
    group.locator("a").click()
    expect(_rows(page)).to_have_count(2)

    for box in page.locator("#list input[name=row]").all():
        box.check()
    expect(page.locator("[data-chosen]")).to_have_text("2 selected")
    page.click("[data-bulk] button:has-text('Delete')")
    expect(page.locator("#confirm")).to_be_visible()
    assert axe(page) == ""
    page.click("#confirm button:has-text('Cancel')")
    assert len(failing.items("/failures", kind="processing", integration=KEY)) == 3
    page.click("[data-bulk] button:has-text('Delete')")
    page.click("#confirm-yes")

    expect(page.locator("main")).to_contain_text("2 of 2 done", timeout=15_000)
    left = failing.items("/failures", kind="processing", integration=KEY)
    assert [one["message"] for one in left] == ["Too long"]


@pytest.mark.usefixtures("failing")
def test_details_give_the_trace_as_a_copy_and_as_a_pdf_and_lead_to_the_chain(page: Page) -> None:
    page.goto(f"/failures/global/?integration={KEY}")
    _rows(page).locator("a", has_text="Login refused").click()
    expect(page.locator("#trace")).to_contain_text("sync/login.py")
    page.evaluate("() => Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("() => document.addEventListener('copy', () => { window.copied = "
                  "document.activeElement.value; })")  # fmt: skip
    page.click("[data-copy='#trace']")
    expect(page.locator("[data-copy='#trace']")).to_have_text("Copied")
    assert page.evaluate("window.copied") == TRACE
    with page.expect_download() as pdf:
        page.get_by_role("link", name="PDF").click()
    assert Path(pdf.value.path()).read_bytes().startswith(b"%PDF")
    assert pdf.value.suggested_filename.endswith(".pdf")

    page.click("main a:has-text('Not getting failure mails?')")
    expect(page.locator("h1")).to_contain_text("Not getting failure mails?")
    expect(page.locator("main .alert-danger")).to_contain_text("Broken")


@pytest.mark.usefixtures("failing")
def test_what_a_filter_finds_is_downloaded_as_csv(page: Page) -> None:
    page.goto(f"/failures/processing/?integration={KEY}&errorCode=F2")
    with page.expect_download() as csv:
        page.click("a:has-text('Export CSV')")

    lines = Path(csv.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 2
    assert "Too long" in lines[1]
