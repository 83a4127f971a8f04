"""URLs that messages are posted to: what is taken, and how they are prepared and shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from requests import PreparedRequest, Request
from requests.exceptions import RequestException

from app.channels.fields import host
from app.channels.http_endpoint import PORTS
from app.shapes import Rule, fault, text

LONGEST_URL = 2_000
_LONGEST_SHOWN = 200
_URL = re.compile(r"(https?)://([^/?]*)([^?]*)(\??.*)", re.IGNORECASE | re.DOTALL)
_PROXY = re.compile(r"http://[^/?#@%\s]+:[0-9]+/?", re.IGNORECASE)
_NO_PORT = re.compile(r":0*$")  # requests takes it for none
# Everything that may stand in a URL stays as it was typed: a signed query is never re-encoded.
_AS_TYPED = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True)
class WebAddress:
    """A URL in its parts; `path` and `query` (with its mark) are in ASCII, else as typed."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def shown(self) -> str:
        """The URL as it may be shown: without its query, which may hold a secret."""
        cut = " …" if len(self.path) > _LONGEST_SHOWN else ""
        return f"{self.origin}{self.path[:_LONGEST_SHOWN]}{cut}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What an answer must not repeat: the query, and each value in it."""
        values = [pair.partition("=")[2] for pair in self.query[1:].split("&")]
        return tuple(filter(None, (self.query[1:], *values)))

    def prepared(self, headers: Mapping[str, str]) -> PreparedRequest:
        """Return a POST as requests prepares it, to the URL as it was typed."""
        made = Request("POST", self.origin, headers=dict(headers)).prepare()
        made.url = f"{self.origin}{self.path}{self.query}"
        return made

    @property
    def origin(self) -> str:
        """Its scheme, host and port, as they stand before a path."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if PORTS[self.scheme] == self.port else f":{self.port}"
        return f"{self.scheme}://{name}{port}"

    @staticmethod
    def joined(url: str, query: str) -> str:
        """Return `url` with more query."""
        return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


@lru_cache(maxsize=256)
def parsed(url: str) -> WebAddress:
    """Return the parts of a URL, remembered, as each message asks for them; raises a fault."""
    if "#" in url:
        raise fault("must have no fragment: leave out # and what follows it")
    if re.search(r"[\s\\\x00-\x20\x7f-\x9f]", url):
        raise fault("must have no blanks, backslashes or control characters: write them as %20 …")
    match = _URL.fullmatch(url)
    if match is None:
        raise fault("must begin with https:// or http://")
    scheme, authority, path, query = match.groups()
    name, port = _authority(scheme.lower(), authority)
    path, query = (quote(part, safe=_AS_TYPED) for part in (path or "/", query))
    return WebAddress(scheme.lower(), name, port, path, query)


def _authority(scheme: str, authority: str) -> tuple[str, int]:
    """Return host and port, as requests understands them."""
    if "@" in authority:
        raise fault("must have no user name and password: send them in a header")
    try:
        parts = urlsplit(str(Request("POST", f"{scheme}://{authority}/").prepare().url))
        port = PORTS[scheme] if parts.port is None else parts.port
    except (RequestException, ValueError) as error:
        raise fault("must have a host name or an IP address, and a port up to 65,535") from error
    if not parts.hostname or "%" in authority or _NO_PORT.search(authority):
        raise fault("must have a host name or an IP address, and a port from 1 to 65,535")
    return host(parts.hostname), port


def _url(value: Any) -> str:
    parsed(typed := text(LONGEST_URL, required=True, line=True).check(value).strip())
    return str(typed)


def _proxy(value: Any) -> str:
    typed = _url(value)
    if not _PROXY.fullmatch(typed):
        raise fault("must be as in http://proxy.example.com:3128, without user name and path")
    return typed


def proxied(proxy: str | None) -> tuple[str, int] | None:
    """Return host and port of a proxy that was taken by `Proxy`."""
    address = parsed(proxy) if proxy else None
    return (address.host, address.port) if address else None


Url = Annotated[
    str, Rule(_url, {"type": "string", "format": "uri", "minLength": 1, "maxLength": LONGEST_URL})
]
Proxy = Annotated[str, Rule(_proxy, {"type": "string", "format": "uri", "maxLength": LONGEST_URL})]
