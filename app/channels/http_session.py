"""A session over HTTP: prepared once, then one POST after another over one connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import requests
from requests.exceptions import RequestException
from requests.structures import CaseInsensitiveDict

from app import clock
from app.channels.base import Receipt
from app.channels.dialling import Dialler
from app.channels.http_adapter import GuardedAdapter
from app.channels.http_answers import judged, text_of
from app.channels.http_faults import place
from app.channels.http_wire import Target

AGENT = "Tocsin"
_PORTS = {"http": 80, "https": 443}
Judge = Callable[[str, int, Mapping[str, str], str], Receipt]


def prepared(url: str, headers: Mapping[str, str] | None = None) -> requests.PreparedRequest:
    """Return a POST to `url` as requests prepares it; raises RequestException for a wrong URL."""
    made = requests.Request("POST", url, headers={"User-Agent": AGENT, **(headers or {})})
    return made.prepare()


def target(
    request: requests.PreparedRequest,
    *,
    verify: bool = True,
    ca_pem: str | None = None,
    proxy: str | None = None,
) -> Target:
    """Return where a prepared request goes."""
    parts = requests.compat.urlsplit(str(request.url))
    port = parts.port or _PORTS[parts.scheme]
    return Target(parts.scheme, str(parts.hostname), port, verify, ca_pem, proxy)


class HttpSession:
    """POSTs to one URL, each within `timeout` seconds: the heart of a session."""

    def __init__(
        self,
        dialler: Dialler,
        where: Target,
        request: requests.PreparedRequest,
        timeout: float,
    ) -> None:
        self._request, self._timeout = request, timeout
        self._url, self._headers = str(request.url), dict(request.headers)
        # requests prepared it without a body; http.client counts that of each message.
        self._headers.pop("Content-Length", None)
        self._adapter = GuardedAdapter(dialler, where)
        self.place = place(str(request.url))

    def post(
        self,
        body: bytes,
        headers: Mapping[str, str],
        query: str = "",
        judge: Judge = judged,
    ) -> Receipt:
        """Send `body` and return what `judge` makes of the answer; raises ChannelError.

        `headers` are added to those of the session, `query` (encoded) to that of its URL.
        """
        request = self._request
        request.headers = CaseInsensitiveDict({**self._headers, **headers})
        request.body, request.url = body, self._url
        if query:
            mark = "&" if "?" in self._url else "?"
            request.url = f"{self._url}{mark}{query}"
        answer = self._adapter.send(request, deadline=clock.monotonic() + self._timeout)
        told = text_of(answer.content) + answer.reason
        return judge(self.place, answer.status_code, answer.headers, told)

    def close(self) -> None:
        """End the connection."""
        self._adapter.close()


__all__ = ["HttpSession", "RequestException", "prepared", "target"]
