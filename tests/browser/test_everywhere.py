"""What holds on every screen, over the map of addresses of the application."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Page

from app import create_app
from tests.browser.driver import axe, overflow, set_theme
from tests.browser.routes import NO_PAGES, OPEN, VISITS
from tests.conftest import settings_in

FORBIDDEN = re.compile(r"""<[^>]*\s(?:style|on[a-z]+)\s*=\s*["']|javascript:""", re.IGNORECASE)
SHAPE = """() => ({
  h1: document.querySelectorAll("h1").length, main: document.querySelectorAll("main").length,
  lang: document.documentElement.lang,
  skip: document.querySelector("a[href], button, input, select, summary")?.getAttribute("href"),
})"""
SMALL = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, "
    + "textarea, summary")].filter((one) => {
  const box = (one.closest("label") ?? one).getBoundingClientRect();
  if (!one.checkVisibility() || box.width <= 1 || box.height <= 1) return false;
  if (getComputedStyle(one).display === "inline" && one.tagName === "A") return false;
  return box.width < 24 || box.height < 24;
}).map((one) => one.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def titles() -> dict[str, str]:
    """The screen of each title that was seen."""
    return {}


def test_every_screen_has_a_path_to_visit(tmp_path: Path) -> None:
    rules = create_app(settings_in(tmp_path)).url_map.iter_rules()
    screens = {rule.endpoint for rule in rules if "GET" in (rule.methods or ())}
    screens = {name for name in screens if not name.startswith("api.")}

    # Some are visited more than once: "screen of another thing".
    visited = {name.partition(" of ")[0] for name in VISITS}
    assert screens == {*visited, *OPEN, *NO_PAGES}


@pytest.mark.parametrize("endpoint", sorted(VISITS))
def test_a_screen_is_well_made(
    endpoint: str, page: Page, seeded: Mapping[str, str], titles: dict[str, str]
) -> None:
    _visit(page, endpoint, VISITS[endpoint].format(**seeded), titles)


@pytest.mark.parametrize("endpoint", sorted(OPEN))
def test_an_open_screen_is_well_made(
    endpoint: str, visitor: Page, seeded: Mapping[str, str], titles: dict[str, str]
) -> None:
    _visit(visitor, endpoint, OPEN[endpoint].format(**seeded), titles)


def _visit(page: Page, endpoint: str, path: str, titles: dict[str, str]) -> None:
    answer = page.goto(path)
    assert answer is not None
    shape = page.evaluate(SHAPE)

    assert FORBIDDEN.findall(answer.text()) == []
    assert (shape["h1"], shape["main"], shape["lang"]) == (1, 1, "en")
    assert (shape["skip"] or "").startswith("#"), "the skip link is not first"
    assert titles.setdefault(page.title(), endpoint) == endpoint, page.title()
    for theme in ("light", "dark"):
        set_theme(page, theme)
        assert axe(page) == "", theme
    assert overflow(page) == {}
    assert page.evaluate(SMALL) == [], "smaller than 24 px"
