"""The files that pages load: served under /static/ by names that change with what is in them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from wsgiref.headers import Headers

from flask import Flask, Response
from markupsafe import Markup, escape
from whitenoise import WhiteNoise

from app.errors import TocsinError

BUILT = Path(__file__).resolve().parents[2] / "build" / "static"
MANIFEST = "manifest.json"
SPRITE = "icons.svg"
PREFIX = "/static/"
_HASHED = re.compile(r"\.[0-9a-f]{12}\.[a-z]+$")


class NotBuilt(TocsinError):
    """The pages cannot be shown, as what they load has not been built."""


class UnknownAsset(TocsinError):
    """A page names a file or an icon that is not there: a mistake in the page."""


@dataclass(frozen=True)
class Assets:
    """What has been built: the served name of each file, and the icons of the sprite."""

    files: dict[str, str]
    icons: frozenset[str]

    @classmethod
    def read(cls, folder: Path) -> Assets:
        """Return what `folder` holds; nothing, if it has not been built."""
        try:
            found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls({}, frozenset())
        return cls(found["files"], frozenset(found["icons"]))

    def url(self, name: str) -> str:
        """Return the path of a file, such as `tabler.css`; raises NotBuilt, UnknownAsset."""
        if not self.files:
            raise NotBuilt("The pages are not built: run `make install`, then start Tocsin again.")
        if name not in self.files:
            raise UnknownAsset(f"No asset is named {name!r}; there are {', '.join(self.files)}.")
        return PREFIX + self.files[name]

    def icon(self, name: str) -> Markup:
        """Return the drawing of an icon, hidden from screen readers; raises as url() does."""
        sprite = self.url(SPRITE)
        if name not in self.icons:
            raise UnknownAsset(f"No icon is named {name!r}; add it to app/static/icons.txt.")
        return Markup(
            '<svg class="icon" width="24" height="24" aria-hidden="true" focusable="false">'
            '<use href="{}#{}"></use></svg>'
        ).format(sprite, name)


def bind(app: Flask, folder: Path = BUILT) -> None:
    """Serve what has been built in `folder`, and give templates `asset(name)` and `icon(name)`.

    Without a build the application works, but for pages: they say what to run.
    """
    assets = Assets.read(folder)
    # A list draws hundreds of icons of a dozen kinds.
    app.jinja_env.globals.update(asset=assets.url, icon=cache(assets.icon))
    app.register_error_handler(NotBuilt, _say_what_to_run)
    if assets.files:
        app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
            app.wsgi_app,
            root=folder,
            prefix=PREFIX,
            max_age=0,
            allow_all_origins=False,
            immutable_file_test=_is_hashed,
            add_headers_function=_protect,
        )


def _is_hashed(_path: str, url: str) -> bool:
    return bool(_HASHED.search(url))


def _protect(headers: Headers, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Security-Policy"] = "default-src 'none'"


def _say_what_to_run(error: NotBuilt) -> Response:
    text = f"<!doctype html><html lang='en'><title>Tocsin</title><h1>{escape(str(error))}</h1>"
    return Response(text, status=503)
