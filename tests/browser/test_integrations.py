"""Integrations in a browser: the dialog of a registration, its test, and many at once."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.driver import SAME_REGION, Watch, axe, set_theme, sign_in
from tests.harness.client import Api
from tests.harness.mails import Post, post_office
from tests.harness.product import Product

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
    expect(page.locator("#list tbody a[data-dialog]")).to_be_focused()


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
    page.select_option('#dialog [name="system"]', label="Company mail")
    page.fill(RECIPIENTS, "one@example.com; two@example.com")

    page.dblclick("#dialog button:has-text('Test')")

    page.wait_for_selector("#test-result[data-poll]")
    page.evaluate("() => { window.region = document.querySelector('#test-result'); }")
    expect(page.locator("#test-result")).to_contain_text("2 of 2 recipients", timeout=15_000)
    assert page.evaluate(SAME_REGION, "#test-result[role=status]"), "it is not announced"
    expect(page.locator("#dialog :focus")).to_have_count(1)
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
def test_what_a_bulk_will_do_is_counted_before_and_named_after(page: Page, api: Api) -> None:
    for number in range(3):
        api.put(f"/integrations/three-{number}", {"system1": "A", "system2": "B"})
    settings = {"system": "Company mail", "forward": {"recipients": ["ops@example.com"]}}
    api.put("/registrations/three-1", settings)
    page.goto("/integrations/?q=three-")
    for number in range(3):
        page.check(f"[name=row][value=three-{number}]")
    page.click("button:has-text('Configure Failure Notification')")
    expect(page.locator("main")).to_contain_text("3 selected: 2 will be registered, 1 is skipped")
    page.click("summary:has-text('Skipped')")
    expect(page.locator("main details li")).to_contain_text("three-1")
    page.fill(RECIPIENTS, "ops@example.com")
    page.click("button:has-text('Register 2')")

    expect(page.locator("#job-progress")).to_contain_text(
        "3 of 3 done, 2 registered, 1 skipped", timeout=15_000
    )
    outcomes = ("registered", "skipped", "registered")
    for number, outcome in enumerate(outcomes):
        row = page.locator("#list tbody tr", has_text=f"three-{number}")
        expect(row).to_contain_text(outcome)


@pytest.mark.usefixtures("seeded")
def test_a_bulk_of_200_is_a_job_whose_page_survives_a_reload(
    page: Page, api: Api, server: Product
) -> None:
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
    server.kill("worker-1", signal.SIGSTOP)  # so that its beginning is seen
    try:
        page.click("button:has-text('Register 200')")
        expect(page.locator("progress")).to_have_attribute("value", "0")
        page.reload()
        expect(page.locator("progress")).to_have_attribute("value", "0")
        page.focus("#job-progress a")
        page.evaluate("() => { window.region = document.querySelector('#job-progress [role]'); }")
    finally:
        server.kill("worker-1", signal.SIGCONT)
    done = re.compile("200 of 200 done, 200 registered")
    expect(page.locator("#job-progress")).to_contain_text(done, timeout=20_000)
    expect(page.locator("progress")).to_have_attribute("value", "200")
    expect(page.locator("#list tbody tr", has_text="registered").first).to_be_visible()
    assert page.evaluate(SAME_REGION, "#job-progress [role=status]"), "it is not announced"
    expect(page.locator("#job-progress")).to_be_focused()
    for key in ("bulk-000", "bulk-199"):
        settings = api.get(f"/registrations/{key}")
        assert settings["sameForBackward"] is True
        assert settings["forward"]["global"]["enabled"] is True
        assert settings["forward"]["processing"]["enabled"] is True


@pytest.mark.usefixtures("seeded")
def test_the_number_of_failures_is_1_to_20(listed: Page, api: Api, watch: Watch) -> None:
    watch.allow(422)
    page = _opened(listed)
    page.fill(RECIPIENTS, "ops@example.com")
    for wrong in ("0", "21", "1.5", "x"):
        page.fill(COUNT, wrong)
        with page.expect_response(lambda answer: answer.request.method == "POST"):
            page.click("#dialog button:has-text('Save')")
        expect(page.locator(".error-summary")).to_be_focused()
        expect(page.locator(".error-summary a")).to_contain_text("from 1 to 20")
        assert page.input_value(COUNT) == wrong
    for right in (1, 20):
        page.fill(COUNT, str(right))
        with page.expect_navigation():
            page.click("#dialog button:has-text('Save')")
        expect(page.locator("#messages")).to_contain_text("Failure notification of")
        assert api.get("/registrations/dialog")["forward"]["global"]["failureCount"] == right
        _opened(page)


@pytest.mark.usefixtures("seeded")
def test_recipients_are_taken_as_people_write_them_and_the_bad_one_is_named(
    listed: Page, api: Api, watch: Watch
) -> None:
    watch.allow(422)
    page = _opened(listed)
    page.fill(RECIPIENTS, "a@example.com, not-an-address; b@example.com")
    page.click("#dialog button:has-text('Save')")
    expect(page.locator(".error-summary a")).to_contain_text("not-an-address")
    page.click(".error-summary a")
    expect(page.locator(RECIPIENTS)).to_be_focused()
    page.fill(RECIPIENTS, "a@example.com, b@example.com; c@example.com\nDee Doe <d@example.com>")
    page.click("#dialog button:has-text('Save')")

    expect(page.locator("#messages")).to_contain_text("was registered")
    found = api.get("/registrations/dialog")["forward"]["recipients"]
    assert found == [f"{one}@example.com" for one in "abcd"]


@pytest.mark.usefixtures("seeded")
def test_signing_in_and_paging_through_a_list_need_no_javascript(
    browser: Browser, host: str, api: Api
) -> None:
    for number in range(60):
        api.put(f"/integrations/paged-{number:02}", {"name": f"Paged {number:02}"})
    context = browser.new_context(base_url=host, java_script_enabled=False)
    watch = Watch(context, host)
    page = context.new_page()
    sign_in(page)
    page.goto("/integrations/?q=paged-")
    seen = page.locator("#list tbody td.name").all_inner_texts()
    page.click("[rel=next]")
    seen += page.locator("#list tbody td.name").all_inner_texts()
    page.click("[rel=prev]")
    expect(page.locator("#list tbody tr")).to_have_count(50)
    context.close()
    watch.check()

    assert sorted(seen) == [f"Paged {number:02}" for number in range(60)]
