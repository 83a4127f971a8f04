"""The certificate that a server showed, in an operator's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from app.clock import utc_now

_SOON_DAYS = 14
_LONGEST = 200


@dataclass(frozen=True)
class Certificate:
    """Whose it is, who vouches for it, and until when."""

    subject: str
    issuer: str
    until: datetime

    @property
    def days(self) -> int:
        """The days that are left, rounded down."""
        return (self.until - utc_now()).days

    @property
    def ends_soon(self) -> bool:
        """Whether it is time to renew it."""
        return self.days <= _SOON_DAYS

    def __str__(self) -> str:
        left = f"valid until {self.until:%Y-%m-%d} ({self.days:,} days left)"
        return f"certificate of {self.subject}, issued by {self.issuer}, {left}"


def read(der: bytes) -> Certificate | None:
    """Return what a certificate says; None where it cannot be read."""
    try:
        found = x509.load_der_x509_certificate(der)
        subject = _named(found.subject) or _first_name(found)
        return Certificate(subject, _named(found.issuer), found.not_valid_after_utc)
    except (ValueError, x509.InvalidVersion, x509.ExtensionNotFound):
        return None


def _named(name: x509.Name) -> str:
    return name.rfc4514_string()[:_LONGEST]


def _first_name(found: x509.Certificate) -> str:
    """Return the first name it is for, as a certificate need not have a subject."""
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return str(next(iter(names)).value)[:_LONGEST]
