"""Sending tests: beside the lanes, one attempt each, then delivered, or dead with reason test.

A test changes nothing else: no lane, no counter, no other error (product.md 5; delivery.md).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import quote

from app import clock
from app.channels import channel
from app.channels.base import ChannelError, Outgoing, Session
from app.clock import utc_now
from app.domain.kinds import Fail
from app.errors import DecryptionFailed
from app.failpoints import reach
from app.rendering.mail import Attachment, TestMail, render
from app.services.deliver.ended import Ended
from app.services.deliver.once import Sent, envelope, send_once
from app.services.deliver.trial_rows import Trial, begin, end
from app.services.installation import Installation
from app.services.sql import patiently
from app.services.trial import Letter, opened

# A test waits for somebody else's server: tests may not use up the threads that send.
MOST_AT_ONCE = 8
_places = BoundedSemaphore(MOST_AT_ONCE)


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _TestLetter:
    """Implements Letter for a test, which has no attachments."""

    mail: TestMail
    attachments: tuple[Attachment, ...] = ()

    def build(self) -> tuple[str, Outgoing]:
        """Return the subject and the message, as of now."""
        rendered = render(replace(self.mail, now=utc_now()))
        return rendered.subject, Outgoing(self.mail.sender, self.mail.to, rendered.body)

    def request(self, message: Outgoing) -> str:
        """Return one line about the envelope."""
        return envelope(message)

    def noting(self, note: str) -> _TestLetter:
        """Return it as it is: there is nothing to leave out."""
        return self


def run(site: Installation, process_id: int, goes_on: Callable[[], bool] = lambda: True) -> None:
    """Send the tests that wait, one after another; a few threads of a process may do so at once.

    Where all places are taken, those who hold them send what is left, or the sweep does.
    """
    if not _places.acquire(blocking=False):
        return
    try:
        while goes_on() and (trial := begin(site, process_id)) is not None:
            reach(17)
            patiently(partial(end, site, trial, attempt(site, trial)))
    finally:
        _places.release()


def attempt(site: Installation, trial: Trial) -> Ended:
    """Make the one attempt of a test; never raises for what a draft or a server does."""
    began = clock.monotonic()
    letter: Letter | None = None
    try:
        letter, sent = _send(site, trial)
    except Exception as error:
        log.exception("test %s cannot be sent", trial.id)
        text = f"The test cannot be made of its draft ({type(error).__name__}); see the log."
        sent = Sent(ChannelError(text, reason=Fail.TEMPLATE, endpoint=False, permanent=True))
    took = round((clock.monotonic() - began) * 1000)
    return Ended(
        delivery_id=trial.id,
        integration_id=trial.integration_id,
        number=1,
        duration_ms=took,
        outcome=sent.outcome,
        subject=sent.subject,
        request=sent.request,
        roles=dict.fromkeys(letter.to if letter else (), "to"),
    )


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
    page = settings = f"/systems/{quote(letter.system, safe='')}"
    if letter.integration_id is not None:
        page = f"/integrations/{letter.integration_id}"
        settings = f"{page}/notification"
    return TestMail(
        delivery_id=str(trial.id),
        message_id=f"<{trial.message_id}@{domain}>",
        references=(),
        sender=options.sender_email,
        to=tuple(letter.to),
        cc=(),
        link=f"{url}{page}",
        settings_link=f"{url}{settings}",
        public_url=url,
        now=utc_now(),
        system_name=letter.system,
        server=f"{options.server}:{options.port}",
        integration=letter.integration,
        requested_by=letter.actor,
        unsaved=letter.unsaved,
        prefix=letter.prefix,
    )
