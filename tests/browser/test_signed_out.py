"""A session that ends while a form is open: what was typed stays, and is sent after the sign-in."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.driver import ADMIN_EMAIL, ADMIN_PASSWORD, Watch, sign_in
from tests.harness.client import Api


@pytest.fixture
def somebody(visitor: Page, watch: Watch, seeded: Mapping[str, str]) -> Page:
    """A page of the admin, in a session that no other test uses."""
    sign_in(visitor)
    watch.allow(401)
    return visitor


def end_session(page: Page) -> None:
    """End the session on the server; the browser keeps its cookie, as when time has ended it."""
    cookies = page.context.cookies()
    token = page.locator("[name=csrf_token]").first.get_attribute("value") or ""
    page.request.post("/sign-out", form={"csrf_token": token})
    page.context.add_cookies(cookies)  # type: ignore[arg-type]


def sign_in_beside(page: Page, link: Locator) -> str:
    """Sign in in the tab that the link opens; return where that leads."""
    with page.context.expect_page() as opened:
        link.click()
    tab = opened.value
    tab.fill("input[name=email]", ADMIN_EMAIL)
    tab.fill("input[name=password]", ADMIN_PASSWORD)
    with tab.expect_navigation():
        tab.press("input[name=password]", "Enter")
    url = tab.url
    tab.close()
    return url


def test_a_form_is_sent_again_by_loading_the_page_that_says_so(somebody: Page, api: Api) -> None:
    api.put("/integrations/left-open", {})
    number = api.get("/integrations/left-open")["id"]
    form = f"/integrations/{number}/edit"
    somebody.goto(form)
    somebody.fill("[name=name]", "Typed for long")
    end_session(somebody)

    somebody.click("#content button[type=submit]")

    expect(somebody.locator("main")).to_contain_text("nothing was saved")
    assert api.get("/integrations/left-open")["name"] == "left-open"
    assert sign_in_beside(somebody, somebody.locator("[data-note] a")).endswith(form)
    somebody.reload()
    expect(somebody.locator("#messages")).to_contain_text("Typed for long was saved")


def test_a_form_that_stays_in_its_place_keeps_what_was_typed(somebody: Page, api: Api) -> None:
    api.put("/integrations/left-open-too", {"name": "Left open too"})
    somebody.goto("/integrations/?q=Left+open+too")
    somebody.get_by_role("link", name="Configure Failure Notification for Left open too").click()
    somebody.fill('#dialog [name="forward.recipients"]', "typed@corp.example")
    end_session(somebody)

    somebody.click("#dialog button:has-text('Save')")

    note = somebody.locator("#dialog [data-note]")
    expect(note).to_be_focused()
    expect(note).to_contain_text("what you typed is still there")
    sign_in_beside(somebody, note.locator("a"))
    somebody.click("#dialog button:has-text('Save')")
    expect(somebody.locator("#messages")).to_contain_text("Left open too was registered")
    saved = api.get("/registrations/left-open-too")
    assert saved["forward"]["recipients"] == ["typed@corp.example"]
