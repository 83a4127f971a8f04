"""Rotating a signing secret: a new one is made, and the old one signs as well until it is ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.channels import channel
from app.errors import Conflict
from app.secrets import Secret
from app.services import audit, routing
from app.services.configuring import Condition, run
from app.services.installation import Installation
from app.services.named import Change, moment, version
from app.services.systems import SYSTEMS

NAME, PREVIOUS = "signingSecret", "previousSigningSecret"


def rotate(site: Installation, name: str, actor: str, condition: Condition | None = None) -> Secret:
    """Give a system a new signing secret and return it, to be shown once.

    The one before signs as well until it is cleared (`previousSigningSecret`), so that receivers
    can change over one by one. Raises NotFound, Conflict (its kind does not sign, or the overlap of
    the rotation before is not ended), Stale. One transaction, not idempotent.
    """
    return run(site, actor, lambda change: _rotate(change, name, condition))


def _rotate(change: Change, name: str, condition: Condition | None) -> Secret:
    row = SYSTEMS.find(change.session, name, lock=True)
    if row is None:
        raise SYSTEMS.missing(name)
    if condition is not None:
        condition(version(row))
    made = getattr(channel(row.kind), "generated", {}).get("signing_secret")
    if made is None:
        raise Conflict(f"A {channel(row.kind).title} system does not sign what it sends.")
    if PREVIOUS in row.secrets:
        raise Conflict(
            "The secret before the last one still signs as well: end that overlap first, by "
            "clearing the previous signing secret."
        )
    new: Secret = made()
    sealed = {"sealed": change.site.vault.seal(new), "setAt": str(moment(change.now))}
    before: Mapping[str, Any] = dict(row.secrets)
    kept = {PREVIOUS: before[NAME]} if NAME in before else {}
    shown = SYSTEMS.body(change.session, row)
    row.secrets = {**before, **kept, NAME: sealed}
    row.updated_at = max(change.now, row.updated_at)
    change.session.flush()
    after = SYSTEMS.body(change.session, row)
    connection = change.session.connection()
    audit.record(connection, change.actor, "rotate", "system", name, shown, after)
    routing.touch(connection, change.now)
    return new
