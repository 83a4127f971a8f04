"""A session over HTTP: a request is prepared once, and then posted with one body after another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from app import clock
from app.channels.dialling import Dialler
from app.channels.http_adapter import GuardedAdapter
from app.channels.http_answers import Answer
from app.channels.http_endpoint import Endpoint
from app.channels.http_reply import MOST_BODY, Reply
from app.channels.http_url import WebAddress

AGENT = "Tocsin"
MOST_TEXT = 2_000
# Shorter ones would veil parts of common words.
_LEAST_VEILED = 6
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_CUT = "(the answer was not read in full)"


class HttpSession:
    """POSTs to one URL over one kept connection; one user at a time.

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
        self._url, self._fixed = str(self._request.url), dict(self._request.headers)
        self._veils = _spellings((*veils, *address.secrets))
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
        left, self._spent = self._timeout - self._spent, 0.0
        request = self._request
        request.url = WebAddress.joined(self._url, query)
        request.body, request.headers = body, {**self._fixed, **headers}  # type: ignore[assignment]
        reply: Reply = self._adapter.send(request, timeout=left)
        hidden = (*self._veils, *_spellings(veils))
        after = reply.headers.get("Retry-After")
        return Answer(self.where, int(reply.status_code), _text(reply, hidden), after)

    def close(self) -> None:
        """End the connection; never raises."""
        self._adapter.close()


def _spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return secrets as answers may spell them: as they are, in a URL, in JSON; longest first."""
    long = {one for one in secrets if len(one) >= _LEAST_VEILED}
    spelt = {
        *long,
        *(quote(one, safe="") for one in long),
        *(json.dumps(one)[1:-1] for one in long),
    }
    return tuple(sorted(spelt, key=len, reverse=True))


def _text(reply: Reply, veils: Iterable[str]) -> str:
    """Return the beginning of the body as one line without secrets."""
    coding = reply.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"identity", ""} and reply.content:
        return "(an encoded answer, which is not shown)"
    # Twice as much as is shown, so that no veiled text is cut into two that nobody knows.
    text = reply.content[: min(MOST_BODY, 8 * MOST_TEXT)].decode("utf-8", "replace")
    for veil in veils:
        text = text.replace(veil, "***")
    text = _CONTROL.sub(" ", text).strip()[:MOST_TEXT]
    return text if reply.whole else f"{text} {_CUT}".strip()
