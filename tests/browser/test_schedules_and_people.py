"""Flows of the shell and the small screens that only a browser shows."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.driver import SAME_REGION, Watch
from tests.harness.client import Api


def test_a_form_in_error_has_the_focus_on_its_summary_and_links_to_fields(
    page: Page, watch: Watch
) -> None:
    watch.allow(422)
    page.goto("/schedules/new")
    page.fill('[name="every.n"]', "0")
    page.click("main button[type=submit]")

    expect(page.locator(".error-summary")).to_be_focused()
    page.click(".error-summary a >> nth=0")
    expect(page.locator("[name=name]")).to_be_focused()
    assert page.get_attribute('[name="every.n"]', "aria-invalid") == "true"
    assert page.input_value('[name="every.n"]') == "0"


def test_a_destructive_step_asks_in_a_dialog_that_escape_closes(page: Page, api: Api) -> None:
    api.put("/schedules/Rare", {"every": {"n": 3, "unit": "weeks"}})
    page.goto("/schedules/")
    page.get_by_role("button", name="Delete Rare").click()
    expect(page.locator("#confirm")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#confirm")).to_be_hidden()

    page.get_by_role("button", name="Delete Rare").click()
    page.click("#confirm-yes")

    expect(page.locator("#messages")).to_contain_text("The schedule Rare was deleted.")


def test_a_destructive_step_asks_on_a_page_without_javascript(
    page_without_javascript: Page, api: Api
) -> None:
    api.put("/schedules/Rarer", {"every": {"n": 4, "unit": "weeks"}})
    page = page_without_javascript
    page.goto("/schedules/")
    page.get_by_role("button", name="Delete Rarer").click()
    expect(page.locator("h1")).to_have_text("Delete?")

    page.get_by_role("button", name="Delete").click()

    expect(page.locator("#messages")).to_contain_text("The schedule Rarer was deleted.")


def test_a_double_click_makes_one(page: Page, api: Api) -> None:
    page.goto("/api-keys/new")
    page.fill("[name=name]", "Clicked twice")
    page.locator("main button[type=submit]").dblclick()

    expect(page.locator("#new-key")).to_contain_text("tck_")
    page.goto("/api-keys/")
    expect(page.locator("td", has_text="Clicked twice")).to_have_count(1)


def test_the_second_click_of_a_double_click_does_not_answer_the_question(
    page: Page, api: Api
) -> None:
    api.put("/schedules/Doubly", {"every": {"n": 5, "unit": "weeks"}})
    page.goto("/schedules/")
    delete = page.get_by_role("button", name="Delete Doubly")
    delete.click()
    yes = page.locator("#confirm-yes").bounding_box()
    assert yes
    page.keyboard.press("Escape")
    # Where the answer will be.
    at = {"left": f"{yes['x']}px", "top": f"{yes['y']}px", "position": "fixed"}
    delete.evaluate("(one, at) => Object.assign(one.style, at)", at)
    middle = yes["x"] + 15, yes["y"] + 15
    page.mouse.click(*middle)
    expect(page.locator("#confirm")).to_be_visible()
    page.mouse.click(*middle)

    page.wait_for_timeout(450)
    expect(page.locator("#confirm")).to_be_visible()
    page.mouse.click(*middle)
    expect(page.locator("#messages")).to_contain_text("The schedule Doubly was deleted.")


def test_the_theme_changes_without_a_script_and_stays(page_without_javascript: Page) -> None:
    page = page_without_javascript
    page.goto("/about/")
    page.click(".topbar-theme button")

    assert page.url.endswith("/about/") or "/about/" in page.url
    assert page.get_attribute("html", "data-bs-theme") == "dark"
    page.click(".topbar-theme button")
    page.click(".topbar-theme button")


def test_the_menu_of_a_narrow_screen_opens_by_keyboard(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/")
    expect(page.locator("#menu")).to_be_hidden()
    page.focus("[data-menu]")
    page.keyboard.press("Enter")

    expect(page.get_by_role("link", name="Schedules", exact=True).first).to_be_visible()


def test_slash_goes_to_the_search(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("/")

    expect(page.locator("#top-search")).to_be_focused()


def test_a_key_is_copied_over_plain_http(page: Page) -> None:
    page.goto("/api-keys/new")
    page.fill("[name=name]", "Copied")
    page.click("main button[type=submit]")
    page.click("[data-copy]")

    expect(page.locator("[data-copy]")).to_have_text("Copied")


def test_the_number_of_selected_rows_is_announced(page: Page, seeded: object) -> None:
    page.goto("/failures/global/")
    said = page.locator("#list [role=status].visually-hidden")
    expect(said).to_have_text("")
    page.evaluate("() => { window.region = document.querySelector('#list p[role=status]'); }")
    page.locator("#list input[name=row]").first.check()
    expect(said).to_have_text("1 selected")
    page.locator("#list input[name=row]").first.uncheck()

    expect(said).to_have_text("0 selected")
    assert page.evaluate(SAME_REGION, "#list p[role=status]")
