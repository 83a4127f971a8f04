"""All doubles on loopback, to try Tocsin with: `make doubles`; Ctrl-C ends them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import ClassVar, Protocol

from tests.servers.doubles.pagerduty import PagerDuty
from tests.servers.doubles.servicenow import ServiceNow
from tests.servers.doubles.sinks import MailServer, WebhookSink
from tests.servers.doubles.slack import Slack
from tests.servers.doubles.teams import Teams


class Shown(Protocol):
    """A double as this module needs it."""

    title: ClassVar[str]

    @property
    def form(self) -> Mapping[str, str]:
        """What to type into the form."""


class Made(Protocol):
    """How a double is made."""

    def __call__(self, *, heard: Callable[[str], None]) -> AbstractContextManager[Shown]:
        """Return a double that hands each message to `heard`, as one line."""


DOUBLES: tuple[Made, ...] = (
    Slack,
    Teams,
    PagerDuty,
    ServiceNow,
    WebhookSink,
    MailServer,
)


def said(line: str) -> None:
    """Print one line at once, whatever it holds."""
    print("".join(one if one.isprintable() else " " for one in line), flush=True)


def main() -> None:
    """Serve until Ctrl-C or SIGTERM; prints what to type into the forms, then what arrives."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with ExitStack() as running:
        for double in DOUBLES:
            one = running.enter_context(double(heard=said))
            for field, value in one.form.items():
                said(f"{one.title}, {field}: {value}")
        said("Tocsin reaches them with TOCSIN_OUTBOUND_ALLOW=127.0.0.0/8. Ctrl-C ends them.")
        ended.wait()


if __name__ == "__main__":
    main()
