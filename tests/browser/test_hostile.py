"""Texts of attackers, in all that can be typed and reported: shown as typed, and nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.conftest import environment
from tests.browser.driver import ADMIN_EMAIL, ADMIN_PASSWORD, Watch, sign_in
from tests.browser.hostile import (
    AWAY,
    PAYLOADS,
    bad_attributes,
    fill,
    fill_forms,
    leads_away,
    named,
)
from tests.browser.routes import OPEN, VISITS
from tests.harness.fixtures import installation
from tests.harness.product import Product

# The screens whose lists show, as a name or a message, each hostile text.
SHOWS = (
    "apikeys.index",
    "deliveries.index",
    "globalfailures.index",
    "integrations.index",
    "processingfailures.index",
    "schedules.index",
    "systems.index",
    "users.index",
)
TEXT = """() => document.querySelector("main").textContent + " " + [...document.querySelectorAll(
  "main input, main textarea")].map((one) => one.value).join(" ")"""
# Also in dialogs: what came into the page by script.
LIVE = """() => [...document.querySelectorAll("*")].flatMap((one) => [...one.attributes]
  .filter((at) => /^on|^style$|^srcdoc$/.test(at.name)
    || (["href", "src", "action", "formaction"].includes(at.name)
      && new URL(at.value, location.href).origin !== location.origin))
  .map((at) => `<${one.localName} ${at.name}=${at.value}>`))"""
LINKED = """() => [...document.querySelectorAll("main a[href], #dialog a[href]")]
  .filter((one) => !one.hasAttribute("download")).map((one) => one.getAttribute("href"))"""
FILES = (".csv", ".pdf", "/export")
FIELDS = "input:is([type=text],[type=search],[type=email],:not([type])), textarea"


@pytest.fixture(scope="module")
def server() -> Iterator[Product]:
    """The server of this module: only attackers have filled it."""
    with installation(environment) as product:
        yield product.start()


@pytest.fixture(scope="module")
def host(server: Product) -> str:
    """Where that server is."""
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def hostile(server: Product) -> Mapping[str, str]:
    """Names and ids of what the attackers made by the HTTP interface."""
    return fill(server.api)


@pytest.fixture(scope="module")
def typed() -> set[str]:
    """What the attackers have typed into forms so far."""
    return set()


@pytest.fixture
def page(page: Page, hostile: Mapping[str, str], typed: set[str]) -> Page:
    """A watched page of the admin, where forms have been filled as well."""
    if not typed:
        fill_forms(page)
        typed.update(PAYLOADS)
    return page


def _looked_at(page: Page, path: str, host: str) -> str:
    """Open a page; return its text, and fail when its answer holds what could run or lead away."""
    answer = page.goto(path)
    assert answer is not None
    assert bad_attributes(answer.text(), host) == [], path
    assert page.evaluate(LIVE) == [], path
    return cast(str, page.evaluate(TEXT))


def test_hostile_texts_are_shown_as_typed_and_run_nowhere(
    page: Page, watch: Watch, host: str, hostile: Mapping[str, str]
) -> None:
    seen, linked = {}, dict[str, str]()
    for endpoint, path in {**VISITS, **OPEN}.items():
        here = path.format(**hostile)
        seen[endpoint] = _looked_at(page, here, host)
        linked |= {_path(page, link): endpoint for link in page.evaluate(LINKED)}
        assert watch.problems == [], endpoint
    for link, endpoint in linked.items():
        if not link.split("?")[0].endswith(FILES):
            _looked_at(page, link, host)
            assert watch.problems == [], f"{link}, which {endpoint} links to"

    missing = [(one, text) for one in SHOWS for text in PAYLOADS if text not in seen[one]]
    assert missing == []
    assert len(linked) > 2 * len(VISITS)


def _path(page: Page, link: str) -> str:
    whole = page.evaluate("(link) => new URL(link, location.href).href", link)
    return str(whole).split("#")[0]


def test_dialogs_and_questions_show_hostile_texts_as_typed(
    page: Page, watch: Watch, host: str, hostile: Mapping[str, str]
) -> None:
    opened = asked = 0
    for path in VISITS.values():
        here = path.format(**hostile)
        page.goto(here)
        for number in range(page.locator("main a[data-dialog]").count()):
            _dialog(page, number)
            opened += 1
            assert watch.problems == [], here
            page.goto(here)
        for number in range(page.locator("main [data-confirm]").count()):
            _question(page, number)
            asked += 1
        assert watch.problems == [], here

    assert opened > len(PAYLOADS)
    assert asked > len(PAYLOADS)


def _dialog(page: Page, number: int) -> None:
    """Open a dialog, and send its form with hostile texts, which is refused."""
    page.locator("main a[data-dialog]").nth(number).evaluate("(one) => one.click()")
    page.wait_for_selector("#dialog[open]")
    assert page.evaluate(LIVE) == []
    _typed(page, "#dialog-body", PAYLOADS[number % len(PAYLOADS)])
    assert page.evaluate(LIVE) == []


def _question(page: Page, number: int) -> None:
    asking = page.locator("main [data-confirm]").nth(number)
    text = asking.get_attribute("data-confirm")
    asking.evaluate("""(one) => one.localName === "form" ? one.requestSubmit() : one.click()""")
    page.wait_for_selector("#confirm[open]")
    assert page.locator("#confirm-text").text_content() == text
    assert page.evaluate(LIVE) == []
    page.locator("#confirm button[value=no]").click()


def _typed(page: Page, where: str, text: str) -> None:
    """Type a text into all fields of a form that show, as far as it takes them."""
    for box in page.locator(f"{where} form").first.locator(FIELDS).all():
        if box.is_visible() and box.is_editable():
            box.fill(text)
            box.dispatch_event("input")


@pytest.mark.parametrize(
    "path", [path for name, path in VISITS.items() if name.endswith((".new", ".edit", ".show"))]
)
def test_a_refused_form_shows_hostile_texts_as_typed(
    path: str, page: Page, watch: Watch, host: str, hostile: Mapping[str, str]
) -> None:
    watch.allow(422)
    for text in PAYLOADS:
        page.goto(path.format(**hostile))
        form = page.locator("main form:has(button.btn-primary):not([data-confirm])").first
        if not form.count() or not form.locator(FIELDS).count():
            return
        _typed(page, "main", text)
        sent = cast(
            list[list[str]],
            form.evaluate("(one) => [...new FormData(one)].map(([k, v]) => [k, String(v)])"),
        )
        target = form.evaluate("(one) => new URL(one.getAttribute('action') || '', location).href")
        fields = {name: value if name == "csrf_token" else text for name, value in sent}
        answer = page.request.post(target, form=fields, max_redirects=0)  # type: ignore[arg-type]
        assert answer.status in (303, 404, 409, 422), f"{target}: {answer.status}"
        assert bad_attributes(answer.text(), host) == [], target
        assert not leads_away(answer.headers.get("location", "/"), host)


def test_hostile_addresses_are_answered_harmlessly(
    page: Page, watch: Watch, host: str, hostile: Mapping[str, str]
) -> None:
    watch.allow(400, 404)
    for number, path in enumerate({**VISITS, **OPEN}.values()):
        here = path.format(**hostile)
        page.goto(here)
        names = page.evaluate(
            "() => [...document.querySelectorAll('main form[method=get] [name]')].map(o => o.name)"
        )
        names = [*names, "cursor", "back", "next", "kind", "tab", "by", "message", "nobody"]
        text = PAYLOADS[number % len(PAYLOADS)]
        for asked in (names, [one for one in names if one != "cursor"]):
            query = urlencode(dict.fromkeys(asked, text))
            _looked_at(page, f"{here.split('?')[0]}?{query}", host)
        assert watch.problems == [], here
    for text in PAYLOADS:
        for before in ("", "systems/", "schedules/", "integrations/", "failures/global/"):
            _looked_at(page, f"/{before}no{named(text)}", host)
            assert watch.problems == [], before


def test_signing_in_leads_to_no_other_host(
    context: BrowserContext, watch: Watch, host: str, hostile: Mapping[str, str]
) -> None:
    watch.allow(404)
    for away in AWAY:
        context.clear_cookies()
        visitor = context.new_page()
        _looked_at(visitor, f"/sign-in?next={quote(away, safe='')}", host)
        visitor.locator("main [name=next], form [name=next]").first.evaluate(
            "(one, away) => { one.value = away; }", away
        )
        visitor.fill("input[name=email]", ADMIN_EMAIL)
        visitor.fill("input[name=password]", ADMIN_PASSWORD)
        with visitor.expect_navigation():
            visitor.press("input[name=password]", "Enter")
        assert visitor.url.startswith(host + "/"), away
        visitor.goto(f"/sign-in?next={quote(away, safe='')}")
        assert visitor.url.startswith(host + "/"), away
        visitor.close()
        assert watch.problems == [], away


def test_going_back_leads_to_no_other_host(
    page: Page, host: str, hostile: Mapping[str, str]
) -> None:
    page.goto("/")
    token = page.locator("[name=csrf_token]").first.get_attribute("value") or ""
    here = f"/integrations/{hostile['integration_id']}"
    changing = {
        "/theme": {"theme": "light"},
        f"{here}/activate": {"direction": "forward"},
        f"/systems/-/pause/{hostile['system']}": {"status": "running"},
        f"{here}/delete": {},
        f"/systems/-/delete/{hostile['system']}": {},
        f"{here}/notification/unregister": {},
    }
    for path, values in changing.items():
        for away in AWAY:
            sent = {"csrf_token": token, "back": away, "next": away, **values}
            for headers in ({}, {"X-Fragment": "yes"}):
                answer = page.request.post(path, form=sent, headers=headers, max_redirects=0)  # type: ignore[arg-type]
                assert answer.status in (200, 204, 302, 303, 409), f"{path}: {answer.status}"
                for name in ("location", "x-location"):
                    assert not leads_away(answer.headers.get(name, "/"), host), (path, away)
                assert bad_attributes(answer.text(), host) == [], (path, away)


def test_the_name_of_a_browser_is_shown_as_sent(
    context: BrowserContext, watch: Watch, host: str, hostile: Mapping[str, str]
) -> None:
    for text in PAYLOADS:
        context.set_extra_http_headers({"User-Agent": text})
        visitor = context.new_page()
        sign_in(visitor)
        _looked_at(visitor, "/account", host)
        visitor.close()
        context.clear_cookies()
    assert watch.problems == []
