"""What a test says: a mail to its people, or a message of type test to an HTTP endpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from app.channels import channel
from app.channels.base import Outgoing
from app.channels.notice import TEST, EventPart, Notice
from app.clock import utc_now
from app.domain.event_kinds import EventOutcome, EventStatus, Received, Severity, Source
from app.rendering.mail import Attachment, TestMail, render
from app.services.deliver.once import Letter, envelope
from app.services.deliver.trial_rows import Trial
from app.services.installation import Installation
from app.services.named import moment
from app.services.systems import MAIL_KINDS
from app.services.trial import Letter as Wanted


@dataclass(frozen=True)
class _Mail:
    """Implements Letter for a test by mail, which has no attachments."""

    mail: TestMail
    attachments: tuple[Attachment, ...] = ()

    def build(self) -> tuple[str, Outgoing]:
        """Return the subject and the message, as of now."""
        rendered = render(replace(self.mail, now=utc_now()))
        return rendered.subject, Outgoing(self.mail.sender, self.mail.to, rendered.body)

    def request(self, message: Outgoing) -> str:
        """Return one line about the envelope."""
        return envelope(message)

    def noting(self, note: str) -> _Mail:
        """Return it as it is: there is nothing to leave out."""
        return self


@dataclass(frozen=True)
class _Post:
    """Implements Letter for a test over HTTP."""

    notice: Notice
    channel: Any
    options: Any
    subject: str
    attachments: tuple[Attachment, ...] = ()

    def build(self) -> tuple[str, Notice]:
        """Return the subject and the message."""
        return self.subject, self.notice

    def request(self, message: Notice) -> str:
        """Return one line about the request, without secrets."""
        return str(self.channel.describe(self.options, message))

    def noting(self, note: str) -> _Post:
        """Return it as it is: there is nothing to leave out."""
        return self


def written(site: Installation, trial: Trial, wanted: Wanted, options: Any) -> Letter:
    """Return what a test says, through the channel that it is for."""
    if wanted.kind in MAIL_KINDS:
        return _Mail(_mail(site, trial, wanted, options))
    subject = f"Test of {wanted.system}: nothing has failed"
    return _Post(_notice(site, trial, wanted, subject), channel(wanted.kind), options, subject)


def _notice(site: Installation, trial: Trial, wanted: Wanted, subject: str) -> Notice:
    url, now = site.settings.public_url, utc_now()
    return Notice(
        id=f"msg_{trial.message_id}",
        type=TEST,
        subscription_id="test",
        at=now,
        events=(EventPart("test", json.dumps(_event(now, wanted, subject), ensure_ascii=False)),),
        link=f"{url}/systems/{quote(wanted.system, safe='')}",
    )


def _event(now: Any, wanted: Wanted, subject: str) -> dict[str, Any]:
    """Return an event as the API shows one, which never happened."""
    at = moment(now)
    nothing = (
        "clientId", "code", "dedupKey", "node", "link", "integration", "direction", "failure",
    )  # fmt: skip
    return {
        "id": "test",
        **dict.fromkeys(nothing),
        "source": str(Source.METRICS),
        "severity": str(Severity.INFO),
        "severityReceived": str(Received.INFO),
        "title": subject,
        "description": f"A test that {wanted.actor} asked for. Nothing has failed.",
        "status": str(EventStatus.FIRING),
        "labels": {},
        "occurredAt": at,
        "receivedAt": at,
        "count": 1,
        "hasTrace": False,
        "outcome": str(EventOutcome.ROUTED),
    }


def _mail(site: Installation, trial: Trial, wanted: Wanted, options: Any) -> TestMail:
    url = site.settings.public_url
    domain = options.sender_email.rpartition("@")[2]
    page = settings = f"/systems/{quote(wanted.system, safe='')}"
    if wanted.integration_id is not None:
        page = f"/integrations/{wanted.integration_id}"
        settings = f"{page}/notification"
    return TestMail(
        delivery_id=str(trial.id),
        message_id=f"<{trial.message_id}@{domain}>",
        references=(),
        sender=options.sender_email,
        to=tuple(wanted.to),
        cc=(),
        link=f"{url}{page}",
        settings_link=f"{url}{settings}",
        public_url=url,
        now=utc_now(),
        system_name=wanted.system,
        server=f"{options.server}:{options.port}",
        integration=wanted.integration,
        requested_by=wanted.actor,
        unsaved=wanted.unsaved,
        prefix=wanted.prefix,
    )
