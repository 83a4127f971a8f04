"""Texts of attackers, in all that can be typed and reported: shown as typed, and nothing more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import environment
from tests.browser.driver import ADMIN_EMAIL, ADMIN_PASSWORD, Watch
from tests.browser.hostile import (
    AWAY,
    PAYLOADS,
    addressed,
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
  .filter((one) => !one.hasAttribute("download"))
  .map((one) => new URL(one.getAttribute("href"), location.href).href.split("#")[0])"""
# Asks every question of the page, and answers no; returns how many, and what was wrong.
QUESTIONS = f"""async () => {{
  const [box, wrong] = [document.getElementById("confirm"), []];
  const asking = [...document.querySelectorAll("main [data-confirm]")];
  for (const one of asking) {{
    one.localName === "form" ? one.requestSubmit() : one.click();
    const said = document.getElementById("confirm-text").textContent;
    if (!box.open || said !== one.dataset.confirm) wrong.push(one.outerHTML);
    wrong.push(...({LIVE})());
    const closed = new Promise((done) => box.addEventListener("close", done, {{once: true}}));
    box.querySelector("[value=no]").click();
    await closed;
  }}
  return [asking.length, wrong];
}}"""
FILES = (".csv", ".pdf", "/export")
TYPED = """(form, [fields, text]) => {
  for (const box of form.querySelectorAll(fields)) {
    if (!box.checkVisibility() || box.disabled || box.readOnly) continue;
    box.focus();
    box.value = text;
    for (const name of ["input", "change"]) box.dispatchEvent(new Event(name, {bubbles: true}));
  }
}"""
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


def _read(page: Page, path: str, host: str) -> str:
    """Return an answer without showing it; fail when it holds what could run or lead away."""
    answer = page.request.get(path)
    text = answer.text()
    assert bad_attributes(text, host) == [], path
    return text


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
        linked |= dict.fromkeys(page.evaluate(LINKED), endpoint)
        assert watch.problems == [], endpoint
    shapes = set[str]()
    for link, endpoint in linked.items():
        # Rows of one list lead to pages that differ by a number: each is read, one is opened.
        if link.split("?")[0].endswith(FILES):
            continue
        if (shape := re.sub(r"\d+", "0", link)) in shapes:
            _read(page, link, host)
            continue
        shapes.add(shape)
        _looked_at(page, link, host)
        assert watch.problems == [], f"{link}, which {endpoint} links to"

    missing = [(one, text) for one in SHOWS for text in _named_on(one) if text not in seen[one]]
    assert missing == []
    assert len(linked) > 2 * len(VISITS)


def _named_on(endpoint: str) -> list[str]:
    named_by_address = endpoint in ("schedules.index", "systems.index")
    return [addressed(text) if named_by_address else text for text in PAYLOADS]


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
            page.evaluate("() => document.getElementById('dialog').close()")
        questions, wrong = page.evaluate(QUESTIONS)
        assert wrong == [], here
        asked += questions
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


def _typed(page: Page, where: str, text: str) -> None:
    """Type a text into all fields of a form that show, as far as it takes them."""
    page.locator(f"{where} form").first.evaluate(TYPED, [FIELDS, text])


@pytest.mark.parametrize(
    "path", [path for name, path in VISITS.items() if name.endswith((".new", ".edit", ".show"))]
)
def test_a_refused_form_shows_hostile_texts_as_typed(
    path: str, page: Page, watch: Watch, host: str, hostile: Mapping[str, str]
) -> None:
    watch.allow(422)
    page.goto(path.format(**hostile))
    form = page.locator("main form:has(button.btn-primary):not([data-confirm])").first
    if not form.count() or not form.locator(FIELDS).count():
        return
    for text in PAYLOADS:
        _typed(page, "main", text)
        assert page.evaluate(LIVE) == []
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
    watch.allow(400, 404, 422)
    for number, path in enumerate({**VISITS, **OPEN}.values()):
        here = path.format(**hostile)
        names = set(re.findall(r' name="([a-zA-Z.]+)"', _read(page, here, host))) - {"csrf_token"}
        names |= {"cursor", "back", "next", "kind", "tab", "by", "message", "nobody"}
        text = PAYLOADS[number % len(PAYLOADS)]
        query = urlencode(dict.fromkeys(sorted(names - {"cursor"}), text))
        _looked_at(page, f"{here.split('?')[0]}?{query}", host)
        _read(page, f"{here.split('?')[0]}?{query}&{urlencode({'cursor': text})}", host)
        assert watch.problems == [], here
    for text in PAYLOADS:
        _looked_at(page, f"/no{named(text)}", host)
        for before in ("systems/", "schedules/", "integrations/", "failures/global/"):
            _read(page, f"/{before}no{named(text)}", host)
        assert watch.problems == [], text


def test_signing_in_leads_to_no_other_host(
    visitor: Page, watch: Watch, host: str, hostile: Mapping[str, str]
) -> None:
    watch.allow(404)
    person = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
    for away in AWAY:
        visitor.context.clear_cookies()
        html = _read(visitor, f"/sign-in?next={quote(away, safe='')}", host)
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', html)
        assert token, html
        sent = {"csrf_token": token[1], "next": away, **person}
        answer = visitor.request.post("/sign-in", form=sent, max_redirects=0)
        assert answer.status in (302, 303), f"{away}: {answer.status}"
        assert not leads_away(answer.headers["location"], host), away
        # Where the browser itself ends up with it, now that somebody is signed in.
        visitor.goto(f"/sign-in?next={quote(away, safe='')}")
        assert visitor.url.startswith(host + "/"), away
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
    page: Page, browser: Browser, watch: Watch, host: str
) -> None:
    for text in PAYLOADS:
        context = browser.new_context(base_url=host, user_agent=text)
        html = context.request.get("/sign-in").text()
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', html)
        assert token, html
        sent = {"csrf_token": token[1], "email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        answer = context.request.post("/sign-in", form=sent, max_redirects=0)
        assert answer.status in (302, 303)
        context.close()
    shown = _looked_at(page, "/account", host)

    assert [text for text in PAYLOADS if text not in shown] == []
    assert watch.problems == []
