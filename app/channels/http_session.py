"""A session over HTTP: a request is prepared once, and then sent with one body after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app import clock
from app.channels.dialling import Dialler
from app.channels.http_adapter import GuardedAdapter
from app.channels.http_answers import Answer
from app.channels.http_endpoint import Endpoint
from app.channels.http_reply import Reply
from app.channels.http_url import WebAddress
from app.channels.http_veils import shown, spellings

AGENT = "Tocsin"


class HttpSession:
    """Sends to one URL, or one server, over one kept connection; one user at a time.

    `headers` go with every request. `veils` are shown as *** where an answer repeats them, and so
    is the query of the URL. The time-out is that of a whole attempt: connecting counts towards
    the first.
    """

    def __init__(  # noqa: PLR0913 - what a system says of its endpoint, by name
        self,
        address: WebAddress,
        endpoint: Endpoint,
        dialler: Dialler,
        timeout: float,
        *,
        headers: Mapping[str, str] | None = None,
        veils: Iterable[str] = (),
        where: str = "",
    ) -> None:
        begun = clock.monotonic()
        self.where = where or address.shown
        self._request = address.prepared({"User-Agent": AGENT, **(headers or {})})
        self._request.headers["Host"] = endpoint.authority
        self._request.headers["Accept-Encoding"] = "identity"
        # requests has prepared it without a body; http.client counts that of each message.
        self._request.headers.pop("Content-Length", None)
        self._origin, self._url = address.origin, str(self._request.url)
        self._fixed = dict(self._request.headers)
        self._veils = spellings((*veils, *address.secrets))
        self._timeout = timeout
        self._adapter = GuardedAdapter(endpoint, dialler, self.where)
        self._adapter.connect(begun + timeout)
        self._spent = clock.monotonic() - begun

    def post(
        self,
        body: bytes,
        headers: Mapping[str, str],
        query: str = "",
        veils: Iterable[str] = (),
    ) -> Answer:
        """Post `body` and return the answer, whatever its status; raises ChannelError.

        `query` is encoded already and added to that of the URL; `veils` are of this request.
        """
        url = WebAddress.joined(self._url, query)
        return self._sent("POST", url, body, headers, veils, self.begin())

    def begin(self) -> float:
        """Begin an attempt of several requests; return when it is over (monotonic)."""
        left, self._spent = self._timeout - self._spent, 0.0
        return clock.monotonic() + left

    def request(  # noqa: PLR0913 - what HTTP says of a request, by name
        self,
        method: str,
        path: str,
        *,
        until: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        veils: Iterable[str] = (),
    ) -> Answer:
        """Send a request to another path (in ASCII, encoded) of the same server, as `post` does.

        `until`: what `begin` returned for this attempt.
        """
        url = WebAddress.joined(f"{self._origin}{path}", query)
        return self._sent(method, url, body, headers or {}, veils, until)

    def _sent(  # noqa: PLR0913, PLR0917 - the parts of a request
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        veils: Iterable[str],
        until: float,
    ) -> Answer:
        request = self._request
        request.method, request.url, request.body = method, url, body
        request.headers = {**self._fixed, **headers}  # type: ignore[assignment]
        left = until - clock.monotonic()
        reply: Reply = self._adapter.send(request, timeout=left)
        hidden = (*self._veils, *spellings(veils))
        after = reply.headers.get("Retry-After")
        said = shown(reply, hidden)
        return Answer(self.where, int(reply.status_code), said, after, reply.content)

    def close(self) -> None:
        """End the connection; never raises."""
        self._adapter.close()
