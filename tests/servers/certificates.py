"""Certificates made at test time: a CA, and servers that are right or wrong in one way each."""

from __future__ import annotations

import functools
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from app import clock


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The private key alone."""
        form = PrivateFormat.PKCS8
        return self.key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()

    def server_context(self) -> ssl.SSLContext:
        """Return the context of a server that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "server.pem"
            path.write_text(self.pem + self.key_pem)
            context.load_cert_chain(path)
        return context


def _make(name: str, days: tuple[int, int], issuer: Made | None, *, authority: bool) -> Made:
    """Return a certificate for `name`, valid between two days counted from now."""
    key, now = ec.generate_private_key(ec.SECP256R1()), clock.utc_now()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not authority:
        names = x509.SubjectAlternativeName([_general_name(name)])
        builder = builder.add_extension(names, critical=False)
    else:
        builder = builder.add_extension(_signs_certificates(), critical=True)
    return Made(builder.sign(signer, hashes.SHA256()), key)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


@functools.cache
def authority() -> Made:
    """Return the CA of this test run."""
    return _make("Tocsin Test CA", (-1, 1), None, authority=True)


@functools.cache
def right(name: str = "localhost") -> Made:
    """Return a certificate for `name` (a host name or an IP address) from the CA."""
    return _make(name, (-1, 1), authority(), authority=False)


def wrong_name() -> Made:
    """Return a certificate from the CA for another server."""
    return right("other.example")


@functools.cache
def expired(name: str = "localhost") -> Made:
    """Return a certificate from the CA that ended yesterday."""
    return _make(name, (-3, -1), authority(), authority=False)


@functools.cache
def not_yet_valid(name: str = "localhost") -> Made:
    """Return a certificate from the CA that begins tomorrow."""
    return _make(name, (1, 3), authority(), authority=False)


@functools.cache
def self_signed(name: str = "localhost") -> Made:
    """Return a certificate that no CA has signed."""
    return _make(name, (-1, 1), None, authority=False)
