"""The house keeps its own rules: sizes, docstrings, and documents that name what there is."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.environment import KNOWN, PREFIX
from app.failpoints import POINTS

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted([*ROOT.glob("app/**/*.py"), *ROOT.glob("workers/**/*.py"), ROOT / "wsgi.py"])
LONGEST_FUNCTION, LONGEST_MODULE, LONGEST_CHANNEL = 50, 250, 120
# Test-only: they kill processes and set clocks, and stand in docs/architecture.md instead.
NOT_FOR_USERS = {"FAILPOINT", "TEST_CLOCK"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_a_module_is_small_and_says_what_it_owns(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    longest = LONGEST_CHANNEL if path.parent.name == "channels" else LONGEST_MODULE

    assert ast.get_docstring(tree)
    assert text.count("\n") <= longest
    for function in _functions(tree):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= LONGEST_FUNCTION, function.name


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_what_is_public_has_its_contract(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]

    assert [node.name for node in public if not ast.get_docstring(node)] == []


def test_the_readme_names_every_setting_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {name.removeprefix(PREFIX) for name in re.findall(r"`(TOCSIN_[A-Z_]+)`", readme)}

    assert named == set(KNOWN) - NOT_FOR_USERS


def test_the_readme_names_every_target_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))

    missing = {name for name in targets if f"make {name}" not in readme}
    assert missing <= {"help", "lock", "clean"}


def test_every_fail_point_is_reached_somewhere() -> None:
    reached = {
        int(number)
        for path in CODE
        for number in re.findall(r"\breach\((\d+)\)", path.read_text(encoding="utf-8"))
    }

    assert reached == set(POINTS)


def test_decision_records_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs/decisions").glob("*.md"))]

    assert numbers == list(range(1, len(numbers) + 1))


def test_no_file_names_a_registry() -> None:
    files = [*ROOT.glob("*.txt"), *ROOT.glob("*.in"), ROOT / "Makefile", ROOT / "pyproject.toml"]

    files += [ROOT / "package.json", ROOT / ".npmrc", *ROOT.glob(".ci/*")]
    for path in files:
        assert "://" not in path.read_text(encoding="utf-8").replace("http://127.0.0.1", ""), path


def test_the_lock_of_npm_names_no_registry_but_pins_every_package() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    packages = [package for path, package in lock["packages"].items() if path]

    for package in packages:
        package.pop("funding", None)  # whom to thank, which npm copies from the package
        assert package["integrity"].startswith("sha512-"), package
    assert "://" not in json.dumps(packages)
