"""The real thing where it matters: aiosmtpd with STARTTLS, TLS and AUTH, noting what it saw."""

from __future__ import annotations

import asyncio
import hmac
import ssl
import warnings
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword


class _Server(SMTP):
    """Notes the commands that concern a login."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the connection, so that it can be closed."""
        self.event_handler.transports.append(transport)
        super().connection_made(transport)

    async def smtp_AUTH(self, arg: str) -> None:
        """Note the line before anything else is done with it."""
        self.event_handler.logins.append(arg)
        await super().smtp_AUTH(arg)

    async def smtp_STARTTLS(self, arg: str) -> None:
        """Note that the client asked for TLS."""
        self.event_handler.starttls += 1
        await super().smtp_STARTTLS(arg)


class _Controller(Controller):
    """Serves on a free port."""

    def factory(self) -> SMTP:
        """Return the server of one connection."""
        with warnings.catch_warnings():  # AUTH without TLS is what some tests are about
            warnings.simplefilter("ignore", UserWarning)
            return self._made()

    def _made(self) -> SMTP:
        return _Server(self.handler, hostname="relay.test", **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@dataclass
class Relay:
    """A mail server on loopback: `with Relay(…) as relay`.

    `context` is its certificate: offered by STARTTLS, or from the first byte with `implicit`.
    `login`: the user and password that it wants; without, it offers no AUTH. `in_clear`: it takes
    AUTH without TLS. `mails` are those it took, `logins` what was said after AUTH.
    """

    context: ssl.SSLContext | None = None
    implicit: bool = False
    login: tuple[str, str] | None = None
    in_clear: bool = False
    without: tuple[str, ...] = ()
    mails: list[Envelope] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    starttls: int = 0
    transports: list[asyncio.Transport] = field(default_factory=list)

    def __enter__(self) -> Relay:
        wanted: dict[str, Any] = {}
        if self.login:
            wanted = {
                "authenticator": self._authenticate,
                "auth_required": True,
                "auth_require_tls": not self.in_clear,
                "auth_exclude_mechanism": self.without,
            }
        if self.context and self.implicit:
            wanted["ssl_context"] = self.context
            wanted["auth_require_tls"] = False  # aiosmtpd knows of TLS by STARTTLS only
        elif self.context:
            wanted["tls_context"] = self.context
        self._controller = _Controller(self, hostname="127.0.0.1", port=0, **wanted)
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._controller.loop).result(10)
        self._controller.stop()

    async def _hang_up(self) -> None:
        """Close what is open: aiosmtpd stops without, and leaves sockets behind."""
        for _ in range(5):
            for transport in self.transports:
                transport.abort()
            await asyncio.sleep(0.002)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._controller.port)

    def _authenticate(self, *arguments: Any) -> AuthResult:
        given = arguments[4]
        assert self.login
        user, password = (part.encode() for part in self.login)
        right = isinstance(given, LoginPassword) and given == LoginPassword(user, password)
        return AuthResult(success=right, handled=False, auth_data=given)

    async def auth_CRAM__MD5(self, server: SMTP, arguments: list[str]) -> Any:
        """Check a CRAM-MD5 login (RFC 2195)."""
        challenge = b"<1.2@relay.test>"
        answer = await server.challenge_auth(challenge)
        if answer is MISSING:
            return AuthResult(success=False)
        assert self.login
        user, password = self.login
        digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
        right = answer == f"{user} {digest}".encode()
        return AuthResult(success=right, handled=False, auth_data=LoginPassword(b"", b""))

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:
        """Keep the mail."""
        self.mails.append(envelope)
        return "250 2.0.0 Ok: queued as RELAY"
