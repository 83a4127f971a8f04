"""Links in chat messages: an address that no markup can be made of, and the words on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

# What an address may hold as it is; the rest, such as < > | and blanks, is encoded.
_AS_IT_IS = "%/:?#[]@!$&'()*+,;=~-._"
_ADDRESS = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9.:-]{1,100}")


@dataclass(frozen=True)
class Link:
    """An address in ASCII, and the words on it."""

    words: str
    url: str


def link(words: str, url: str) -> tuple[Link, ...]:
    """Return a link to `url`, or none where it is no address of the web."""
    if not _ADDRESS.match(url):
        return ()
    return (Link(words, quote(url, safe=_AS_IT_IS, errors="replace")),)


def reported(url: str) -> tuple[Link, ...]:
    """Return the reporter's own link, named by its host: it leads to a place that nobody knows."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return link(f"Reported link ({host})" if _HOST.fullmatch(host) else "Reported link", url)
