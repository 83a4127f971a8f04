"""Sending tests: beside the lanes, one attempt each, then delivered, or dead with reason test.

A test changes nothing else: no lane, no counter, no other error (product.md 5; delivery.md).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from app import clock
from app.channels import channel
from app.channels.base import ChannelError, Outgoing, Receipt, Session
from app.clock import to_micros, utc_now
from app.domain.kinds import (
    DeliveryKind,
    DeliveryState,
    EndReason,
    Fail,
    RecipientState,
    Verdict,
)
from app.domain.outcome import settle
from app.errors import DecryptionFailed
from app.failpoints import reach
from app.models import Attempt, Delivery
from app.rendering.mail import Attachment, TestMail, render
from app.services.deliver.effects import store_recipients
from app.services.deliver.ended import Ended, note
from app.services.deliver.once import Sent, send_once
from app.services.installation import Installation
from app.services.processes import dead_owners
from app.services.sql import patiently
from app.services.trial import Letter, opened

# Longer than any attempt (TimeOut is 300 s at the most).
LEASE = timedelta(seconds=345)
_TABLE = Delivery.__table__
_IS_TEST = (_TABLE.c.lane_id.is_(None), _TABLE.c.kind == DeliveryKind.TEST)


@dataclass(frozen=True)
class Trial:
    """A test that is ours to send: its one attempt has begun."""

    id: int
    integration_id: int | None
    token: str
    message_id: str
    draft: str


@dataclass(frozen=True)
class _TestLetter:
    """Implements Letter for a test, which has no attachments."""

    mail: TestMail
    attachments: tuple[Attachment, ...] = ()

    def build(self) -> tuple[str, Outgoing]:
        """Return the subject and the message, as of now."""
        rendered = render(replace(self.mail, now=utc_now()))
        return rendered.subject, Outgoing(self.mail.sender, self.mail.to, rendered.body)

    def noting(self, note: str) -> _TestLetter:
        """Return it as it is: there is nothing to leave out."""
        return self


def run(site: Installation, process_id: int) -> None:
    """Send the tests that wait, one after another; several threads may do so at once."""
    while (trial := _begin(site, process_id)) is not None:
        reach(17)
        began = clock.monotonic()
        letter, sent = _send(site, trial)
        took = round((clock.monotonic() - began) * 1000)
        patiently(partial(_end, site, trial, letter, sent, took))


def end_lost(site: Installation) -> None:
    """End the tests whose worker died in their one attempt, as what became of it is unknown."""
    with site.store.reading() as connection:
        held = connection.execute(
            select(Delivery.id, Delivery.lease_until, Attempt.process_id)
            .join(Attempt, Attempt.delivery_id == Delivery.id)
            .where(*_IS_TEST, Delivery.state == DeliveryState.LEASED)
        ).all()
    dead = dead_owners(site, {row.process_id for row in held if row.process_id is not None})
    lost = [row.id for row in held if row.process_id in dead or _is_over(row.lease_until)]
    if lost:
        with site.store.writing() as connection:
            _end_unknown(connection, lost, utc_now())


def _is_over(until: datetime | None) -> bool:
    return until is None or (not clock.unsteady() and until < utc_now())


def _begin(site: Installation, process_id: int) -> Trial | None:
    """Take the oldest test that waits and write its attempt, in one transaction."""
    with site.store.reading() as connection:
        if connection.scalar(_waiting()) is None:
            return None
    return patiently(partial(_taken, site, process_id))


def _waiting() -> Any:
    query = select(_TABLE.c.id).where(*_IS_TEST, _TABLE.c.state == DeliveryState.PENDING)
    return query.order_by(_TABLE.c.id).limit(1)


def _taken(site: Installation, process_id: int) -> Trial | None:
    now, token = utc_now(), secrets.token_hex(16)
    with site.store.writing(durable=False) as connection:
        test_id = connection.scalar(_waiting().with_for_update(skip_locked=True))
        if test_id is None:
            return None
        message = f"tocsin.{test_id}.{to_micros(now):x}"
        row = connection.execute(
            _TABLE.update()
            .where(_TABLE.c.id == test_id)
            .values(
                state=DeliveryState.LEASED,
                lease_token=token,
                lease_until=now + LEASE,
                started=True,
                attempt_count=1,
                message_id=message,
            )
            .returning(_TABLE.c.integration_id, _TABLE.c.draft)
        ).one()
        connection.execute(
            Attempt.__table__.insert().values(
                delivery_id=test_id, number=1, process_id=process_id, started_at=now, count=1
            )
        )
    return Trial(test_id, row.integration_id, token, message, row.draft or "")


def _send(site: Installation, trial: Trial) -> tuple[Letter | None, Sent]:
    """Send a test by the values of its draft, as any mail is sent."""
    try:
        letter = opened(site, trial.draft)
    except DecryptionFailed as error:
        return None, Sent(ChannelError(str(error), reason=Fail.AUTH_ERROR, endpoint=True))
    spoken = channel(letter.kind)
    options = spoken.options.model_validate(letter.options)
    kept: list[Session] = []

    def connect() -> Session:
        if not kept:
            known = {name: site.vault.open(value) for name, value in letter.sealed.items()}
            kept.append(spoken.connect(options, known))
        return kept[0]

    def close() -> None:
        while kept:
            kept.pop().close()

    try:
        mail = _mail(site, trial, letter, options)
        return letter, send_once(_TestLetter(mail), connect, close)
    finally:
        close()


def _mail(site: Installation, trial: Trial, letter: Letter, options: Any) -> TestMail:
    url = site.settings.public_url
    domain = options.sender_email.rpartition("@")[2]
    return TestMail(
        delivery_id=str(trial.id),
        message_id=f"<{trial.message_id}@{domain}>",
        references=(),
        sender=options.sender_email,
        to=tuple(letter.to),
        cc=(),
        link=f"{url}/deliveries/{trial.id}",
        settings_link=f"{url}/systems/",
        public_url=url,
        now=utc_now(),
        system_name=letter.system,
        server=f"{options.server}:{options.port}",
        integration=letter.integration,
        requested_by=letter.actor,
        unsaved=letter.unsaved,
        prefix=letter.prefix,
    )


def _end(site: Installation, trial: Trial, letter: Letter | None, sent: Sent, took: int) -> None:
    """Store the verdict and delete the draft; nothing, where the test was ended meanwhile."""
    now = utc_now()
    ended = Ended(
        delivery_id=trial.id,
        integration_id=trial.integration_id,
        number=1,
        duration_ms=took,
        outcome=sent.outcome,
        subject=sent.subject,
        request=sent.request,
        roles=dict.fromkeys(letter.to if letter else (), "to"),
    )
    with site.store.writing() as connection:
        delivered = _note(connection, ended, sent.outcome, now)
        mine = (_TABLE.c.id == trial.id, _TABLE.c.lease_token == trial.token)
        values = _final(now, delivered=delivered) | {"subject": sent.subject}
        connection.execute(_TABLE.update().where(*mine).values(values))


def _note(
    connection: Connection, ended: Ended, outcome: Receipt | ChannelError, now: datetime
) -> bool:
    """Write the verdict on the attempt and the recipients; returns whether it is delivered."""
    if isinstance(outcome, ChannelError):
        note(
            connection,
            ended,
            now,
            verdict=Verdict.UNKNOWN if outcome.maybe_sent else Verdict.FAILED,
            reason=outcome.reason,
            status=outcome.status,
            answer=str(outcome),
            transcript=outcome.transcript,
        )
        return False
    said = {verdict.address: verdict.state for verdict in outcome.recipients}
    took = sum(state is RecipientState.ACCEPTED for state in said.values())
    note(
        connection,
        ended,
        now,
        verdict=Verdict.OK if took else Verdict.FAILED,
        reason=None if took else Fail.CLIENT_ERROR,
        status=outcome.status,
        answer=f"{took} of {len(said)} recipients accepted. {outcome.answer}".strip(),
        transcript=outcome.transcript,
    )
    store_recipients(connection, ended, outcome, said, now)
    return settle({}, said).delivered


def _final(now: datetime, *, delivered: bool) -> dict[str, Any]:
    return {
        "state": DeliveryState.DELIVERED if delivered else DeliveryState.DEAD,
        "reason": None if delivered else EndReason.TEST,
        "finished_at": now,
        "started": False,
        "lease_token": None,
        "lease_until": None,
        "draft": None,
    }


def _end_unknown(connection: Connection, lost: Sequence[int], now: datetime) -> None:
    held: ColumnElement[bool] = _TABLE.c.state == DeliveryState.LEASED
    ids = connection.scalars(
        _TABLE.update()
        .where(_TABLE.c.id.in_(lost), held)
        .values(_final(now, delivered=False))
        .returning(_TABLE.c.id)
    ).all()
    attempt = Attempt.__table__
    connection.execute(
        attempt.update()
        .where(attempt.c.delivery_id.in_(ids), attempt.c.verdict.is_(None))
        .values(
            verdict=Verdict.UNKNOWN,
            last_at=now,
            answer="The worker ended in the middle of this attempt; it may have been sent.",
        )
    )
