"""Sending tests: beside the lanes, one attempt each, then delivered, or dead with reason test.

A test changes nothing else: no lane, no counter, no other error (product.md 5; delivery.md).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from threading import BoundedSemaphore

from app import clock
from app.channels import channel
from app.channels.base import ChannelError, Session
from app.domain.kinds import Fail
from app.errors import DecryptionFailed
from app.failpoints import reach
from app.services.deliver.ended import Ended
from app.services.deliver.once import Sent, send_once
from app.services.deliver.trial_letters import written
from app.services.deliver.trial_rows import Trial, begin, end
from app.services.installation import Installation
from app.services.sql import patiently
from app.services.trial import Letter, opened

# A test waits for somebody else's server: tests may not use up the threads that send.
MOST_AT_ONCE = 8
_places = BoundedSemaphore(MOST_AT_ONCE)


log = logging.getLogger(__name__)


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
        return letter, send_once(written(site, trial, letter, options), connect, close)
    finally:
        close()
