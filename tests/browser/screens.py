"""`make screens`: pictures of all screens in screens/, two widths, light and dark."""

from __future__ import annotations

from typing import Literal

from playwright.sync_api import Page

from tests.browser.conftest import environment
from tests.browser.driver import HEIGHT, ROOT, chromium, set_theme, sign_in
from tests.browser.routes import OPEN, VISITS
from tests.browser.seeding import seed
from tests.harness.fixtures import installation

FOLDER = ROOT / "screens"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def shots(page: Page, name: str, path: str) -> None:
    """Take the pictures of one screen."""
    page.goto(path)
    for width in (390, 1366):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for theme in THEMES:
            set_theme(page, theme)
            page.screenshot(path=FOLDER / f"{name}-{width}-{theme}.png", full_page=True)


def main() -> None:
    """Start a server with seeds, and take the pictures of every screen."""
    FOLDER.mkdir(exist_ok=True)
    with installation(environment) as product, chromium() as browser:
        product.start()
        seeded = seed(product.api)
        page = browser.new_page(base_url=f"http://127.0.0.1:{product.port}")
        for name, path in OPEN.items():
            shots(page, name, path.format(**seeded))
        sign_in(page)
        for name, path in VISITS.items():
            shots(page, name, path.format(**seeded))
    print(f"{len(OPEN) + len(VISITS)} screens are in {FOLDER}")


if __name__ == "__main__":
    main()
