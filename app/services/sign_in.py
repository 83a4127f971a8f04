"""Signing in: the password compared in the same time for all, and guesses slowed down.

Failures are counted in the database, so that they hold over processes and restarts. Each try is
counted before the password is looked at, so that guesses at the same moment do not slip through.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from app.clock import utc_now
from app.errors import TocsinError
from app.models import SignInFailure, User
from app.services import passwords
from app.services.installation import Installation
from app.services.sql import insert

PAIR_FREE, ADDRESS_FREE = 5, 20
# The longest wait in seconds. That of an address is shorter: many people may share one.
PAIR_LONGEST, ADDRESS_LONGEST = 900, 60
FORGET = timedelta(days=1)
_FAILURES, _USERS = SignInFailure.__table__, User.__table__


class TooManyTries(TocsinError):
    """Too many failures; come again after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many failed sign-ins. Try again in {_words(retry_after)}.")
        self.retry_after = retry_after


def authenticate(site: Installation, email: str, password: str, address: str) -> int | None:
    """Return the id of the enabled user with that e-mail and password, or None.

    Raises TooManyTries before it looks at the password.
    """
    email = email.strip().lower()
    pair, network = _subject("pair", email, address), _subject("address", _network(address))
    _count(site, pair, network)
    wanted = select(_USERS.c.id, _USERS.c.password_hash, _USERS.c.disabled_at)
    with site.store.reading() as connection:
        row = connection.execute(wanted.where(_USERS.c.email == email[:254])).one_or_none()
    right = passwords.matches(password, row.password_hash if row else None)
    if not right or row is None or row.disabled_at is not None:
        return None
    _forget(site, pair, network)
    if passwords.outdated(row.password_hash):
        _rehash(site, row.id, row.password_hash, password)
    return int(row.id)


def _count(site: Installation, pair: str, network: str) -> None:
    """Count a try as a failure, or raise TooManyTries; a refused one is not counted."""
    now = utc_now()
    limits = ((pair, PAIR_FREE, PAIR_LONGEST), (network, ADDRESS_FREE, ADDRESS_LONGEST))
    with site.store.writing(durable=False) as connection:
        connection.execute(delete(_FAILURES).where(_FAILURES.c.last_at < now - FORGET))
        for subject, _, _ in sorted(limits):  # in one order, so that no two wait for each other
            _touch(connection, subject, now)
        waits = [_wait(connection, *limit, now) for limit in limits]
        if max(waits) <= 0:
            for subject, _, _ in limits:
                one = _FAILURES.update().where(_FAILURES.c.subject == subject)
                connection.execute(one.values(count=_FAILURES.c.count + 1, last_at=now))
            return
    raise TooManyTries(math.ceil(max(waits)))


def _touch(connection: Connection, subject: str, now: datetime) -> None:
    """Make the row of a subject, or lock the one there is."""
    made = insert(connection, _FAILURES).values(subject=subject, count=0, last_at=now)
    same = {"count": _FAILURES.c.count}
    connection.execute(made.on_conflict_do_update(index_elements=["subject"], set_=same))


def _wait(connection: Connection, subject: str, free: int, longest: int, now: datetime) -> float:
    """Return the seconds that are still to be waited; a clock set back makes none longer."""
    wanted = select(_FAILURES.c.count, _FAILURES.c.last_at).where(_FAILURES.c.subject == subject)
    count, last_at = connection.execute(wanted).one()
    if count < free:
        return 0.0
    wait = min(2 ** min(count - free, 20), longest)
    passed = (now - last_at).total_seconds()
    return wait - passed if passed >= 0 else float(wait if passed > -longest else 0)


def _forget(site: Installation, pair: str, network: str) -> None:
    """Take back what was counted: all of the account from here, this one try of the address."""
    with site.store.writing(durable=False) as connection:
        connection.execute(delete(_FAILURES).where(_FAILURES.c.subject == pair))
        one = _FAILURES.update().where(_FAILURES.c.subject == network, _FAILURES.c.count > 0)
        connection.execute(one.values(count=_FAILURES.c.count - 1))


def _rehash(site: Installation, user_id: int, old: str, password: str) -> None:
    new = passwords.hashed(password)
    with site.store.writing() as connection:
        same = (_USERS.c.id == user_id, _USERS.c.password_hash == old)
        connection.execute(_USERS.update().where(*same).values(password_hash=new))


def _subject(*parts: str) -> str:
    """Return a hash: who errs may have typed the password where the e-mail belongs."""
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()


def _network(address: str) -> str:
    """Return what one guesser has for himself: an address, of IPv6 the first half."""
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(one, ipaddress.IPv6Address) and one.ipv4_mapped is None:
        return str(ipaddress.ip_network((one, 64), strict=False))
    return str(one)


def _words(seconds: int) -> str:
    if seconds == 1:
        return "1 second"
    return f"{seconds} seconds" if seconds <= 90 else f"{math.ceil(seconds / 60)} minutes"  # noqa: PLR2004 - as people say it
