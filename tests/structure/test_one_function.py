"""One function decides where an event goes; preview, simulation, lint and dispatch only ask it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DECIDES = "app/domain/routing.py"
# Whoever asks where an event goes. Another one asks the function too, and is named here.
ASKS = {
    "app/domain/lint.py",
    "app/services/events/plans.py",
    "app/services/routing_preview.py",
    "app/services/routing_simulation.py",
}
# Whoever handles cells as they are configured: stores, checks and lists them, and decides nothing.
CONFIGURES = {
    "app/domain/lint.py",
    "app/services/routes.py",
    "app/services/routes_check.py",
}
LAYERS = ("app/domain", "app/services", "app/channels", "app/rendering", "workers")


def _trees(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def _called(tree: ast.AST) -> set[str]:
    """Return the last name of everything that is called."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "") for one in calls}


def _imports_route(tree: ast.AST) -> bool:
    """Whether `route`, or the module that it is in, is at hand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if node.module == "app.domain.routing" and "route" in names:
                return True
            if node.module == "app.domain" and "routing" in names:
                return True
    return False


def test_only_the_named_ones_ask_where_an_event_goes() -> None:
    asking = {
        name
        for name, tree in _trees("app", "workers")
        if _imports_route(tree) and "route" in _called(tree)
    }
    assert asking == ASKS


def test_a_decision_of_the_matrix_is_made_in_one_place() -> None:
    making = {name for name, tree in _trees("app", "workers") if "RouteDecision" in _called(tree)}
    assert making == {DECIDES}


def test_nobody_else_looks_whether_a_cell_overrides_global() -> None:
    """Who reads `override` and the systems of Global could decide for itself."""
    reading = {
        name
        for name, tree in _trees(*LAYERS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "override"
    }
    assert reading == CONFIGURES | {DECIDES}
