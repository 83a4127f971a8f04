"""What pages load: built with names that change with the content, served for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask

from app.pages import assets
from app.pages.asset_build import BuildError, build, sprite


def _own(folder: Path, **files: str) -> Path:
    folder.mkdir()
    (folder / "icons.txt").write_text("bell\n")
    for name, text in files.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def test_a_module_loads_another_by_its_new_name(tmp_path: Path) -> None:
    own = _own(tmp_path / "own", a='import { b } from "./b.js";', b="export const b = 1;")

    files = build(own, tmp_path / "built")

    text = (tmp_path / "built" / files["a.js"]).read_text()
    assert text == f'import {{ b }} from "./{files["b.js"]}";'


def test_modules_in_a_circle_stop_the_build(tmp_path: Path) -> None:
    own = _own(tmp_path / "own", a='import "./b.js";', b='import "./a.js";')

    with pytest.raises(BuildError, match=r"a\.js -> b\.js -> a\.js is a circle"):
        build(own, tmp_path / "built")


def test_an_unknown_icon_stops_the_build() -> None:
    with pytest.raises(BuildError, match="no outline named no-such"):
        sprite(["no-such"])


def test_a_built_file_is_kept_for_ever_and_a_wrong_name_is_refused(tmp_path: Path) -> None:
    build(_own(tmp_path / "own"), tmp_path / "built")
    app = Flask("bound", static_folder=None)
    assets.bind(app, tmp_path / "built")
    made: Any = app.jinja_env.globals

    answer = app.test_client().get(made["asset"]("tabler.css"))

    answer.close()
    assert "immutable" in answer.headers["Cache-Control"]
    assert "#bell" in made["icon"]("bell")
    for name in ("asset", "icon"):
        with pytest.raises(assets.UnknownAsset, match="no-such"):
            made[name]("no-such")


def test_without_a_build_a_page_says_what_to_run(tmp_path: Path) -> None:
    app = Flask("unbuilt", static_folder=None)
    assets.bind(app, tmp_path)
    app.add_url_rule("/", view_func=lambda: cast(Any, app.jinja_env.globals["asset"])("tabler.css"))

    answer = app.test_client().get("/")

    assert (answer.status_code, "make install" in answer.text) == (503, True)
