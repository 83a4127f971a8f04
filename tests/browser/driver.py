"""Driving Chromium: starting it, signing in, and watching for what no page may do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ADMIN_EMAIL, ADMIN_PASSWORD = "admin@example.org", "correct-horse-battery"
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HEIGHT = 900
# Windows that nothing may overflow; 683 is what 1366 x 768 has left at a zoom of 200 %.
WINDOWS = ((390, HEIGHT), (683, 384), (1366, HEIGHT), (1920, HEIGHT))
TELL_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error("CSP refused", event.violatedDirective, event.blockedURI, event.sourceFile))"""
WIDER = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > width + 1)
    .map((one) => one.outerHTML.slice(0, 120)).concat("the page scrolls sideways");
}"""
# Colours pass over into each other; who looks at once sees neither theme.
SHOW_THEME = """async (theme) => {
  document.documentElement.dataset.bsTheme = theme;
  await new Promise(requestAnimationFrame);
  document.getAnimations().forEach((one) => one.finish());
}"""
AXE = """async (tags) => (await axe.run(document, {runOnly: {type: "tag", values: tags}}))
  .violations.map((one) => one.id + ": " + one.help + "\\n  "
    + one.nodes.map((node) => node.html.slice(0, 200) + " | " + node.failureSummary).join("\\n  "))
"""
# Whether the live region that was remembered as window.region is still the one in the page: what
# comes into the page together with its words is not announced.
SAME_REGION = """(selector) => window.region?.isConnected
  && window.region === document.querySelector(selector)"""
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser of this machine without a window."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "The tests of the screens need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Watch:
    """Notes what a page must not do; `allow` announces statuses of 400 and above."""

    def __init__(self, context: BrowserContext, host: str) -> None:
        self.problems: list[str] = []
        self._host, self._allowed = host, set[int]()
        context.add_init_script(TELL_VIOLATIONS)
        context.on("request", lambda request: self._request(request.url))
        context.on("response", self._response)
        context.on("requestfailed", lambda request: self._failed(request.url, request.failure))
        context.on("console", lambda message: self._console(message.type, message.text))
        context.on("weberror", lambda error: self._note(f"script: {error.error}"))
        context.on("page", self._page)

    def allow(self, *statuses: int) -> None:
        """Announce answers that the test wants, such as 422."""
        self._allowed.update(statuses)

    def _note(self, problem: str) -> None:
        self.problems.append(problem)

    def _page(self, page: Page) -> None:
        def dismiss(dialog: object) -> None:
            self._note("a dialog of the browser")
            dialog.dismiss()  # type: ignore[attr-defined]

        page.on("dialog", dismiss)

    def _request(self, url: str) -> None:
        if not url.startswith((self._host + "/", "data:", "blob:")):
            self._note(f"left the host: {url}")

    def _failed(self, url: str, why: str | None) -> None:
        # Aborted: the page was left while something was still loading.
        if why != "net::ERR_ABORTED":
            self._note(f"failed: {url} {why}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self._allowed:
            self._note(f"{response.status}: {response.url}")

    def _console(self, kind: str, text: str) -> None:
        # What Chromium says of a status is checked by the status itself.
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self._note(f"console {kind}: {text}")

    def check(self) -> None:
        """Fail when something was noted."""
        assert not self.problems, "\n".join(self.problems)


def sign_in(page: Page, email: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD) -> None:
    """Sign in at the page, as a person does; the context needs its base URL."""
    page.goto("/sign-in")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", password)
    with page.expect_navigation():
        page.press("input[name=password]", "Enter")
    assert "/sign-in" not in page.url, page.inner_text("main")


def set_theme(page: Page, theme: Literal["dark", "light"]) -> None:
    """Show the page that is open in a theme, whatever the system says."""
    page.emulate_media(color_scheme=theme)
    page.evaluate(SHOW_THEME, theme)


def axe(page: Page) -> str:
    """Return what axe-core has against the open page, as text; empty when nothing."""
    if not page.evaluate("typeof axe === 'object'"):
        script = ROOT / "node_modules/axe-core/axe.min.js"
        page.evaluate(script.read_text(encoding="utf-8"))
    return "\n".join(cast(list[str], page.evaluate(AXE, TAGS)))


def overflow(page: Page) -> dict[int, list[str]]:
    """Return what is wider than the window, by its width; leaves the page at 1366."""
    found = {}
    for width, height in WINDOWS:
        page.set_viewport_size({"width": width, "height": height})
        if wider := cast(list[str], page.evaluate(WIDER)):
            found[width] = wider[:10]
    page.set_viewport_size({"width": 1366, "height": HEIGHT})
    return found
