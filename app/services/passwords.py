"""Passwords: argon2id, at most four computed at once, and the same work for users there are not."""

from __future__ import annotations

from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from app.shapes import unstorable

SHORTEST, LONGEST = 12, 200
# 19 MiB, two passes: what OWASP asks for; four at once hold 76 MiB.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE = BoundedSemaphore(4)
# Of a random password that nobody knows; compared where there is no user, which takes as long.
NOBODYS = (
    "$argon2id$v=19$m=19456,t=2,p=1$jIgu2PmF8aOHespucx9J9g"
    "$Tsfq+U3gjPRkgDneh3tzfVjy92h/aA8KOl/CR7qYYUc"
)


def hashed(password: str) -> str:
    """Return the stored form of `password`."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def matches(password: str, stored: str | None) -> bool:
    """Whether `password` is the one of `stored`; without one it takes as long, and it is not."""
    if len(password) > LONGEST or unstorable(password):
        password, stored = "", None
    with _AT_ONCE:
        try:
            return _HASHER.verify(stored or NOBODYS, password) and stored is not None
        except (Argon2Error, InvalidHashError):
            return False


def outdated(stored: str) -> bool:
    """Whether `stored` was made with other figures than those of today."""
    return _HASHER.check_needs_rehash(stored)


def problem(password: str, email: str) -> str | None:
    """Return why `password` cannot be the one of the user with that e-mail, or None."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"must have {SHORTEST} to {LONGEST} characters"
    if password.strip().lower() == email.strip().lower():
        return "must not be the e-mail address"
    return unstorable(password)
