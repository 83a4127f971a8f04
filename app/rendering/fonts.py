"""The fonts of PDFs: where the package weblate-fonts keeps them, and which face draws what."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

log = logging.getLogger(__name__)

PACKAGE = "weblate_fonts"
MISSING = (
    "The fonts for PDFs are not installed (pip install weblate-fonts): "
    "until then PDFs show ? for every character outside Latin-1."
)


@dataclass(frozen=True)
class Face:
    """One font file; an `extra` face is loaded for characters that those before it lack."""

    family: str
    file: str
    bold: bool = False
    extra: bool = False


# All under the SIL Open Font License 1.1; in the order in which they are asked for a character.
FACES = (
    Face("text", "source-sans/ttf/SourceSans3-Regular.ttf"),
    Face("text", "source-sans/ttf/SourceSans3-Semibold.ttf", bold=True),
    Face("mono", "source-code/ttf/SourceCodePro-Regular.ttf"),
    # Arabic, Hebrew, Thai, the Indian scripts, kana, symbols, the pictures of control characters.
    Face("wide", "kurinto/ttf/KurintoSans-Rg.ttf"),
    # Every character of Shift JIS, Big5 and GB 2312, and the other 14,000 of Unicode's first block.
    Face("cjk", "kurinto/ttf/KurintoSansSC-Rg.ttf", extra=True),
    Face("korean", "kurinto/ttf/KurintoSansKR-Rg.ttf", extra=True),
)


@cache
def installed(package: str = PACKAGE) -> tuple[Face, ...]:
    """Return FACES with the full paths of their files; none, with one warning, without them."""
    spec = find_spec(package)
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place, "static", package)
        found = tuple(replace(face, file=str(folder / face.file)) for face in FACES)
        if all(Path(face.file).is_file() for face in found):
            return found
    log.warning(MISSING)
    return ()
