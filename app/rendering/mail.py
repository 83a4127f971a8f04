"""A mail, ready to be sent: subject, text and HTML in one message."""

from __future__ import annotations

from dataclasses import dataclass

from app.rendering.event_mail import event_page, event_subject
from app.rendering.failures import failure_page
from app.rendering.mime import Attachment, Head, build
from app.rendering.notices import notice
from app.rendering.page import render_page
from app.rendering.subject import subject
from app.rendering.told import (
    EventLine,
    EventMail,
    FailureLine,
    FailureMail,
    FallbackMail,
    InactivityMail,
    Mail,
    RecoveryMail,
    TestMail,
)

__all__ = [
    "Attachment",
    "EventLine",
    "EventMail",
    "FailureLine",
    "FailureMail",
    "FallbackMail",
    "InactivityMail",
    "Mail",
    "RecoveryMail",
    "Rendered",
    "TestMail",
    "render",
]


@dataclass(frozen=True)
class Rendered:
    """A mail ready to be sent."""

    subject: str
    body: bytes


def render(mail: Mail, attachments: tuple[Attachment, ...] = ()) -> Rendered:
    """Return `mail` as bytes for DATA; the same mail gives the same bytes.

    Attachments are traces: they go only with a mail about failures that includes traces, and it
    says that they are there. No text in a mail makes this raise; an address that could end its
    header does (Invalid).
    """
    files: tuple[Attachment, ...] = ()
    if isinstance(mail, FailureMail):
        files = attachments if mail.include_trace else ()
        title = subject(mail)
        text, html = failure_page(mail, attached=bool(files))
    elif isinstance(mail, EventMail):
        title, (text, html) = event_subject(mail), event_page(mail)
    else:
        title, page = notice(mail)
        text, html = render_page("notice", page, mail)
    return Rendered(title, build(_head(mail, title), text, html, files))


def _head(mail: Mail, title: str) -> Head:
    return Head(
        sender=mail.sender,
        to=mail.to,
        cc=mail.cc,
        subject=title,
        now=mail.now,
        message_id=mail.message_id,
        references=mail.references,
        delivery_id=mail.delivery_id,
    )
