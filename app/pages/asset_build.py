"""`python -m app.pages.asset_build` collects the files that pages load into build/static/.

Each gets a name with the hash of what is in it. What an earlier build left is kept until
`make clean`: a server that still runs, or a page that is still open, may ask for it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from app.errors import TocsinError
from app.pages.assets import BUILT, MANIFEST, SPRITE

ROOT = Path(__file__).resolve().parents[2]
OWN = ROOT / "app" / "static"
PACKAGES = ROOT / "node_modules"
ICONS = PACKAGES / "@tabler/icons/icons/outline"
ICON_LIST = "icons.txt"
VENDORED = {
    "tabler.css": "@tabler/core/dist/css/tabler.min.css",
}
SVG = "http://www.w3.org/2000/svg"
_MAP = re.compile(rb"(/\*|//)# sourceMappingURL=.*")
# What a file of ours names beside itself, by the ending of the file.
_NAMED = {
    ".js": re.compile(r"""((?:\bfrom|\bimport)\s*\(?\s*["'])(\.\.?/[^"']+)(["'])"""),
    ".css": re.compile(r"""(\burl\(\s*["']?)(?!data:|#|/)([^"')]+)(["']?\s*\))"""),
}


class BuildError(TocsinError):
    """The build stops; nothing that is served has changed."""


class Build:
    """One build: files go to `target`; `files` is the served name of each."""

    def __init__(self, own: Path, target: Path) -> None:
        self.files: dict[str, str] = {}
        self._own, self._target = own.resolve(), target
        self._open: list[str] = []

    def put(self, name: str, content: bytes) -> None:
        """Write a file under a name with its hash, and compressed beside it."""
        stem, dot, ending = name.rpartition(".")
        served = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}{dot}{ending}"
        path = self._target / served
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content)
        _write(path.with_name(path.name + ".gz"), gzip.compress(content, 9, mtime=0))
        self.files[name] = served

    def put_own(self, name: str) -> str:
        """Write a file of ours after those that it names; return its served name."""
        if name in self.files:
            return self.files[name]
        if name in self._open:
            raise BuildError(f"app/static: {' -> '.join([*self._open, name])} is a circle")
        self._open.append(name)
        path = self._own / name
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise BuildError(f"app/static/{name} is named, but is not there") from error
        if named := _NAMED.get(path.suffix):
            text = named.sub(lambda found: self._renamed(path, found), content.decode())
            content = text.encode()
        self.put(name, content)
        self._open.pop()
        return self.files[name]

    def _renamed(self, path: Path, found: re.Match[str]) -> str:
        before, given, after = found.groups()
        other = (path.parent / given).resolve().relative_to(self._own)
        served = self.put_own(other.as_posix()).rpartition("/")[2]
        folder, slash, _ = given.rpartition("/")
        return f"{before}{folder}{slash}{served}{after}"


def build(own: Path = OWN, target: Path = BUILT) -> Mapping[str, str]:
    """Collect everything into `target`; return the served names; raises BuildError.

    The manifest is written last, in one step.
    """
    made = Build(own, target)
    for name, path in VENDORED.items():
        made.put(name, _MAP.sub(b"", _package_file(path).read_bytes()))
    names = sorted((own / ICON_LIST).read_text(encoding="utf-8").split())
    made.put(SPRITE, sprite(names))
    for file in sorted(own.rglob("*")):
        if file.is_file() and file.name != ICON_LIST and not file.name.startswith("."):
            made.put_own(file.relative_to(own).as_posix())
    manifest = {"files": made.files, "icons": names}
    _write(target / MANIFEST, json.dumps(manifest, indent=1).encode())
    return made.files


def sprite(names: list[str]) -> bytes:
    """Return one drawing that holds a symbol for each icon; raises BuildError."""
    ElementTree.register_namespace("", SVG)
    root = ElementTree.Element(f"{{{SVG}}}svg")
    for name in names:
        icon = ElementTree.fromstring(_icon(name))  # noqa: S314 - of a package that the lock pins
        shapes = [shape for shape in icon if shape.get("d") != "M0 0h24v24H0z"]
        attributes = {key: icon.attrib[key] for key in icon.attrib if _draws(key)}
        symbol = ElementTree.SubElement(root, f"{{{SVG}}}symbol", {"id": name, **attributes})
        symbol.extend(shapes)
        for element in symbol.iter():
            element.text = element.tail = None
    return b"<!-- Icons of Tabler, MIT licence -->" + ElementTree.tostring(root)


def _draws(attribute: str) -> bool:
    return attribute in ("viewBox", "fill") or attribute.startswith("stroke")


def _icon(name: str) -> str:
    path = ICONS / f"{name}.svg"
    if ICONS.is_dir() and not path.is_file():
        raise BuildError(f"app/static/{ICON_LIST}: @tabler/icons has no outline named {name}")
    return _package_file(str(path)).read_text(encoding="utf-8")


def _package_file(path: str) -> Path:
    found = PACKAGES / path
    if not found.is_file():
        raise BuildError(f"{found} is not there: run `make install`")
    return found


def _write(path: Path, content: bytes) -> None:
    """Write a file in one step, unless it is there as it should be."""
    if path.is_file() and path.read_bytes() == content:
        os.utime(path)
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)


if __name__ == "__main__":
    try:
        build()
    except BuildError as problem:
        sys.exit(f"The pages cannot be built: {problem}")
