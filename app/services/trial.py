"""Asking for a Test: one message by the values of a form, saved or not, through the queue (S1).

What it is sent with lies sealed on its delivery, as it may hold a password, until its verdict.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from app.addresses import addresses
from app.clock import utc_now
from app.domain.kinds import DeliveryKind, RecipientState, Why
from app.errors import Fault, Forbidden, Invalid
from app.models import Delivery, DeliveryRecipient, Integration, System
from app.queueing import TESTS
from app.secrets import Secret
from app.services import systems
from app.services.drafts import Draft, system_draft
from app.services.installation import Installation
from app.services.integrations import INTEGRATIONS
from app.services.new_delivery import fresh
from app.services.registration_shape import RegistrationBody
from app.services.registrations import REGISTRATIONS
from app.services.sql import insert_returning
from app.services.systems import MAIL_KINDS, SystemBody
from app.shapes import parse

# The deliveries of tests of a system that was never saved.
UNSAVED = 0
_WHY = "A person asked for a test."


@dataclass(frozen=True)
class Letter:
    """What a test is sent with, as it is kept until then; secrets are sealed once more in it."""

    system: str
    kind: str
    options: dict[str, Any]
    sealed: dict[str, str]
    to: list[str]
    prefix: str
    integration: str | None
    integration_id: int | None
    system_id: int
    actor: str
    unsaved: bool


def of_system(
    site: Installation, name: str, actor: str, body: SystemBody | None, *, may_lend: bool
) -> int:
    """Queue a test of the system `name`, or of the draft `body` of it; returns the delivery's id.

    Mail goes to the To Email-Id, HTTP to the endpoint. Raises NotFound, Invalid (also without a To
    Email-Id), Forbidden where a saved secret would go elsewhere and the caller may not save systems
    (`may_lend`).
    """
    with site.store.viewing() as session:
        draft = _drafted(session, site, name, body, may_lend=may_lend)
        to = addresses(getattr(draft.options, "to_email", ""))
        if draft.kind in MAIL_KINDS and not to:
            raise Invalid([Fault("/options/toEmail", "is needed: the test mail goes there")])
        letter = _letter(session, draft, to, actor, unsaved=body is not None)
    return _queue(site, letter)


def of_registration(site: Installation, key: str, actor: str, body: RegistrationBody | None) -> int:
    """Queue a test of the registration of `key`, or of the draft `body`; returns the delivery's id.

    It goes to the Recipient Mail of both directions, without CC (product.md 5). Raises NotFound,
    Invalid.
    """
    with site.store.viewing() as session:
        REGISTRATIONS.address(session, key)
        unsaved = body is not None
        if body is None:
            row = REGISTRATIONS.find(session, key)
            if row is None:
                raise REGISTRATIONS.missing(key)
            body = parse(RegistrationBody, REGISTRATIONS.body(session, row))
        integration = INTEGRATIONS.find(session, key)
        assert integration is not None  # noqa: S101 - looked up just before
        system, problem = systems.for_mail(session, body.system)
        if system is None:
            raise Invalid([Fault("/system", problem or "is required")])
        draft = system_draft(session, site, system.name, None)
        letter = _letter(
            session, draft, _recipients(integration, body), actor, unsaved=unsaved,
            prefix=body.forward.subject_prefix, integration=integration,
        )  # fmt: skip
    return _queue(site, letter)


def opened(site: Installation, sealed: str) -> Letter:
    """Return what a test is sent with; raises DecryptionFailed."""
    return Letter(**json.loads(site.vault.open(sealed).reveal()))


def _drafted(
    session: Session, site: Installation, name: str, body: SystemBody | None, *, may_lend: bool
) -> Draft:
    draft = system_draft(session, site, name, body)
    if draft.lent and not may_lend:
        raise Forbidden(
            "A draft that uses the saved password elsewhere needs the scope admin: give the "
            "password, or test the system as it is saved."
        )
    return draft


def _recipients(integration: Integration, body: RegistrationBody) -> list[str]:
    """Return the Recipient Mail of both directions, each address once."""
    found = list(body.forward.recipients)
    if integration.bidirectional and not body.same_for_backward and body.backward is not None:
        found += body.backward.recipients
    return list({address.lower(): address for address in reversed(found)}.values())[::-1]


def _letter(  # noqa: PLR0913 - the parts of a letter, by keyword where they could be mistaken
    session: Session,
    draft: Draft,
    to: Sequence[str],
    actor: str,
    *,
    unsaved: bool,
    prefix: str = "",
    integration: Integration | None = None,
) -> Letter:
    system_id = session.scalar(select(System.id).where(System.name == draft.name))
    return Letter(
        system=draft.name,
        kind=draft.kind,
        options=draft.options.model_dump(mode="json", by_alias=True),
        sealed=dict(draft.sealed),
        to=list(to),
        prefix=prefix,
        integration=integration.name if integration else None,
        integration_id=integration.id if integration else None,
        system_id=system_id or UNSAVED,
        actor=actor,
        unsaved=unsaved,
    )


def _queue(site: Installation, letter: Letter) -> int:
    """Store the test in one durable transaction and wake a worker for it."""
    sealed = site.vault.seal(Secret(json.dumps(asdict(letter))))
    with site.store.writing() as connection:
        test_id = _store(connection, letter, sealed)
    site.alarm.wake([TESTS])
    return test_id


def _store(connection: Connection, letter: Letter, sealed: str) -> int:
    now = utc_now()
    row = fresh(
        now,
        kind=DeliveryKind.TEST,
        system_id=letter.system_id,
        lane_id=None,
        integration_id=letter.integration_id,
        why=Why.TEST,
        why_text=_WHY,
        due_at=now,
        draft=sealed,
    )
    (test_id,) = insert_returning(connection, Delivery.__table__, [row])
    waiting = {"role": "to", "state": RecipientState.PENDING, "code": 0, "text": "", "at": now}
    people = [{"delivery_id": test_id, "address": address, **waiting} for address in letter.to]
    if people:
        connection.execute(DeliveryRecipient.__table__.insert(), people)
    return test_id
