"""SMTP Mail Client: the channel of mail systems (spec: channels.md, SMTP)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel

from app import clock
from app.channels.base import CheckStep, Session
from app.channels.dialling import Dialler, Resolver, look_up
from app.channels.policy import AddressPolicy
from app.channels.smtp_check import steps
from app.channels.smtp_open import Opening, open_wire
from app.channels.smtp_options import SmtpOptions, SmtpSecrets
from app.channels.smtp_session import SmtpSession
from app.errors import Fault, Invalid
from app.secrets import Secret


class SmtpChannel:
    """Speaks SMTP; a receipt means that the server took the mail, not that anybody got it."""

    kind: ClassVar[str] = "smtp"
    title: ClassVar[str] = "SMTP Mail Client"
    options: ClassVar[type[BaseModel]] = SmtpOptions
    secrets: ClassVar[type[BaseModel]] = SmtpSecrets

    def __init__(self, policy: AddressPolicy, resolver: Resolver = look_up) -> None:
        self._dialler = Dialler(policy, "SMTP Server", loopback=True, resolver=resolver)

    def check(self, options: Any, secrets: Mapping[str, Secret]) -> None:
        """Check login against password and encryption; `secrets` holds the stored ones, too."""
        chosen: SmtpOptions = options
        faults = []
        if chosen.authentication_required and not secrets.get("password"):
            faults.append(Fault("/secrets/password", "is required when authentication is required"))
        if (
            chosen.authentication_required
            and chosen.encryption == "none"
            and not chosen.allow_auth_without_tls
        ):
            text = (
                "must be starttls or tls when authentication is required: the password would cross "
                "the network readable (or allow login without encryption)"
            )
            faults.append(Fault("/options/encryption", text))
        if faults:
            raise Invalid(faults)

    def longest(self, options: Any) -> float:
        """Return the TimeOut, which covers connecting, sending, and connecting again."""
        return float(options.timeout)

    def connect(self, options: Any, secrets: Mapping[str, Secret]) -> Session:
        """Return a session that is greeted, encrypted and logged in; raises ChannelError."""
        given = dict(secrets)

        def opener(deadline: float) -> Any:
            return open_wire(options, given, self._dialler, deadline)

        return SmtpSession(opener, options.timeout)

    def check_connection(self, options: Any, secrets: Mapping[str, Secret]) -> list[CheckStep]:
        """Go through the stages of opening, and look at the size that is taken; sends nothing."""
        deadline = clock.monotonic() + options.timeout
        return steps(Opening(options, secrets, self._dialler, deadline))
