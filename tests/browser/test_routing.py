"""Routing in a browser: by keyboard alone, without JavaScript, and what its preview promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.harness.client import Api

# More than there are systems on the server.
MOST_TABS = 60


@pytest.fixture
def matrix(api: Api, seeded: Mapping[str, str]) -> Iterator[Api]:
    """The matrix of the server, which is put back afterwards."""
    assert seeded
    before = api.get("/routes")
    yield api
    kept = {name: before[name] for name in ("cells", "subscriptions")}
    api.sure("PUT", "/routes", kept)


def _cell(page: Page, name: str) -> Locator:
    return page.locator("details.matrix-cell", has_text=f"Change {name}")


def _tab_to(page: Page, value: str) -> None:
    """Press Tab until the box of that value has the focus."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.value") == value:
            return
    raise AssertionError(f"no way to {value} by Tab")


def _systems(api: Api, source: str, severity: str) -> list[Any]:
    (cell,) = [
        one
        for one in api.get("/routes")["cells"]
        if (one["source"], one["severity"]) == (source, severity)
    ]
    return [cell["systems"], cell["override"]]


def test_a_cell_is_changed_reviewed_and_saved_by_keyboard_alone(page: Page, matrix: Api) -> None:
    page.goto("/routing/")
    cell = _cell(page, "Nodes / warning")
    cell.locator("summary").focus()
    page.keyboard.press("Enter")
    _tab_to(page, "Chat hook")
    page.keyboard.press("Space")
    expect(cell.locator(".matrix-changed")).to_be_visible()
    _tab_to(page, "yes")  # the switch that overrides Global
    page.keyboard.press("Space")
    assert _systems(matrix, "nodes", "warning") == [[], False]

    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Review the changes")
    expect(page.locator("#content")).to_contain_text("Nodes / warning")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#messages")).to_contain_text("The routing was saved.")
    assert _systems(matrix, "nodes", "warning") == [["Chat hook"], True]


def test_routing_is_saved_without_javascript(page_without_javascript: Page, matrix: Api) -> None:
    page = page_without_javascript
    page.goto("/routing/")
    cell = _cell(page, "Commands / error")
    cell.locator("summary").click()
    cell.get_by_label("Chat hook").check()
    page.get_by_role("button", name="Review the changes").click()
    page.get_by_role("button", name="Save").click()

    expect(page.locator("#messages")).to_contain_text("The routing was saved.")
    assert _systems(matrix, "commands", "error") == [["Chat hook"], False]


def test_the_preview_names_the_systems_that_an_event_then_reaches(page: Page, matrix: Api) -> None:
    page.goto("/routing/")
    page.get_by_label("Source").select_option("metrics")
    page.get_by_label("Severity").select_option("critical")
    page.get_by_label("Labels").fill("cluster=eu-west")
    page.get_by_role("button", name="Show").click()
    promised = page.locator("#preview li a").all_inner_texts()

    event = {"source": "metrics", "severity": "critical", "title": "As the preview says"}
    made = matrix.sure("POST", "/events", event).of(202)["events"][0]["id"]
    decided = matrix.get(f"/events/{made}/decisions")["items"]

    assert promised
    assert promised == [one["system"] for one in decided if one["outcome"] == "send"]
