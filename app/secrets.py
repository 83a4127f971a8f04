"""Secrets: a type that never shows itself, encryption at rest, hashes of API keys."""

from __future__ import annotations

import hashlib
import secrets as _random
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.errors import DecryptionFailed


class Secret:
    """A value that is shown as *** wherever it is printed, logged or formatted."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself; only the code that needs it on the wire asks."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and _random.compare_digest(
            self._value.encode(), other._value.encode()
        )

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)


class Vault:
    """Encrypts with the first key, reads with any of them (so that keys can be rotated)."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        self._fernet = MultiFernet([Fernet(key.reveal()) for key in keys])

    def seal(self, secret: Secret) -> str:
        """Return the encrypted form of `secret`."""
        return self._fernet.encrypt(secret.reveal().encode()).decode()

    def open(self, sealed: str) -> Secret:
        """Return the secret; raises DecryptionFailed, never an empty secret."""
        try:
            return Secret(self._fernet.decrypt(sealed.encode()).decode())
        except (InvalidToken, UnicodeError) as error:
            raise DecryptionFailed(
                "A stored secret cannot be decrypted: TOCSIN_ENCRYPTION_KEYS is not the key it was "
                "saved with. Restore the key, or enter the secret again."
            ) from error


def new_encryption_key() -> str:
    """Return a fresh key for the vault."""
    return Fernet.generate_key().decode()


def new_token() -> str:
    """Return a fresh random token of 256 bits, URL-safe."""
    return _random.token_urlsafe(32)


def hash_key(key: str) -> str:
    """Return the stored form of an API key: SHA-256, as the key itself is 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()
