"""Opening a connection to a mail server: stage by stage, the same for sending and for a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.channels import tls
from app.channels.base import ChannelError
from app.channels.deadlines import Stream
from app.channels.dialling import Dialler, dial
from app.channels.smtp_auth import log_in
from app.channels.smtp_breaks import GREETING
from app.channels.smtp_hello import greeted, hello, start_tls
from app.channels.smtp_options import SmtpOptions
from app.channels.smtp_replies import Reply
from app.channels.smtp_wire import Wire
from app.domain.kinds import Fail
from app.secrets import Secret


def open_wire(
    options: SmtpOptions, secrets: Mapping[str, Secret], dialler: Dialler, deadline: float
) -> Wire:
    """Return a connection that is ready for mail, before `deadline`; raises ChannelError."""
    opening = Opening(options, secrets, dialler, deadline)
    try:
        for _, stage in opening.stages():
            stage()
    except ChannelError:
        if opening.dialled:
            opening.wire.close()
        raise
    return opening.wire


class Opening:
    """A connection on its way, and what was learnt so far; the stages raise ChannelError.

    With STARTTLS nothing but EHLO is said in clear text, and there is no way back to it.
    """

    def __init__(
        self,
        options: SmtpOptions,
        secrets: Mapping[str, Secret],
        dialler: Dialler,
        deadline: float,
    ) -> None:
        self.options, self.addresses, self.mechanism = options, list[str](), ""
        self._wire: Wire | None = None
        self.greeting = self.hello = Reply(0, "")
        self._secrets, self._dialler, self._deadline = secrets, dialler, deadline

    def stages(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the stages by name, in the order in which they must be gone through."""
        middle = [("ehlo", self._greet), ("tls", self._encrypt)]
        if self.options.encryption == "tls":
            middle.reverse()
        first = [("dns", self._resolve), ("tcp", self._dial)]
        return [*first, *middle, ("auth", self._log_in)]

    @property
    def dialled(self) -> bool:
        """Whether there is a connection, open or closed again."""
        return self._wire is not None

    @property
    def wire(self) -> Wire:
        """The connection, once it was dialled."""
        assert self._wire is not None  # noqa: S101 - the stages come in order
        return self._wire

    def _resolve(self) -> None:
        options = self.options
        self.addresses = self._dialler.vetted(options.server, options.port, self._deadline)

    def _dial(self) -> None:
        server, port = self.options.server, self.options.port
        sock = dial(self.addresses, server, port, self._deadline)
        self._wire = Wire(Stream(sock, self._deadline), f"{server}:{port}")

    def _greet(self) -> None:
        self.wire.stage = GREETING
        self.greeting = greeted(self.wire)
        self.hello = hello(self.wire)

    def _encrypt(self) -> None:
        """Turn to TLS as it was chosen, or not at all."""
        options = self.options
        if options.encryption == "none":
            return
        if options.encryption == "starttls":
            start_tls(self.wire, options.port)
        self.wire.stage = "the TLS handshake"
        self.wire.encrypt(tls.context(options.ca_pem, verify=options.verify_tls), options.server)
        if options.encryption == "starttls":
            self.hello = hello(self.wire)

    def _log_in(self) -> None:
        if self.options.authentication_required:
            self.mechanism = _log_in(self.wire, self.options, self._secrets)


def _log_in(wire: Wire, options: SmtpOptions, secrets: Mapping[str, Secret]) -> str:
    password = secrets.get("password")
    if not password:
        text = "There is no Password for the login."
        raise wire.refused(text, Fail.AUTH_ERROR, advice="Enter the Password.")
    secure = wire.stream.encrypted
    if not secure and not options.allow_auth_without_tls:
        text = "Tocsin does not log in over an unencrypted connection."
        raise wire.refused(text, Fail.AUTH_ERROR, advice="Choose STARTTLS or TLS.")
    return log_in(wire, wire.features.get("AUTH", ""), options.user, password, encrypted=secure)
