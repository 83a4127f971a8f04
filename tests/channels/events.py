"""Events as the API shows them, for the channels that tell them in words; also random ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from app.channels.notice import FIRING, RESOLVED, TEST, EventPart, Notice
from app.domain.event_kinds import Received, Source
from tests.channels.http_system import AT

LINK = "https://tocsin.example/deliveries/7"
_ALPHABETS = (
    "abc xyz ",
    "<>&|*_~`[]()!@#{}$\\\"'",
    "äß€漢字",
    "😀👩‍👩‍👧🇩🇪",
    "\u202e\u2066\u2028\u200b\u0301",
    "\x00\x01\x1b\x7f\r\n\t",
    "`",
    "<",
    "{",
    "😀",
)
_WHOLE = ("<!channel>", "<@U012AB3CD>", "[x](https://evil.example)", "```", "{{DATE(x)}}", "**b**")


def event(number: Any = 1, trace: Any = None, **changes: Any) -> EventPart:
    """Return an event as it was stored."""
    facts = {
        "id": str(number), "clientId": None, "source": "backups", "severity": "error",
        "severityReceived": "error", "code": None, "title": "Snapshot failed",
        "description": "The snapshot of crm did not end.", "status": "firing",
        "dedupKey": "crm", "node": "db-1", "labels": {"team": "core", "zone": "eu"},
        "link": "https://grafana.example.com/d/1?a=b&c=d", "integration": None,
        "occurredAt": "2026-11-03T10:31:00Z", "receivedAt": "2026-11-03T10:31:02Z",
        "count": 1, "hasTrace": trace is not None, "outcome": "routed",
    }  # fmt: skip
    return EventPart(str(number), json.dumps(facts | changes, ensure_ascii=False), trace)


def notice(*events: EventPart, **changes: Any) -> Notice:
    """Return a notification of `events`, or of one."""
    given = {"id": "msg_1_a", "type": FIRING, "subscription_id": "7", "at": AT, "link": LINK}
    return Notice(**{**given, "events": events or (event(),), **changes})


def greatest(letter: str) -> EventPart:
    """Return an event whose every text is of `letter`, and as long as a report may make it."""
    return event(
        1,
        "\n".join([letter * 500] * 2_000),
        severityReceived="critical",
        title=letter * 300,
        description=letter * 20_000,
        code=letter * 100,
        node=letter * 255,
        labels={f"{at}{letter * 98}": letter * 1_000 for at in range(50)},
        link="https://e.example/" + letter * 1_982,
    )


def random_notices(number: int, seed: int) -> Iterator[Notice]:
    """Yield notifications whose texts are as long and as odd as a report may make them."""
    dice = Random(seed)  # noqa: S311 - the same in every run
    for _ in range(number):
        several = dice.choice((1, 1, 1, 2, 11, 40))
        events = [_random_event(dice, at) for at in range(several)]
        yield notice(*events, type=dice.choice((FIRING, RESOLVED, TEST)))


def random_text(dice: Random, most: int) -> str:
    """Return 1 to `most` characters of one alphabet or of all of them."""
    length = dice.choice((1, dice.randint(1, most), most))
    letters = dice.choice((*_ALPHABETS, "".join(_ALPHABETS)))
    some = "".join(dice.choices(letters, k=60))
    return f"{dice.choice(_WHOLE)}{some * (length // 60 + 1)}"[:length]


def _random_event(dice: Random, number: int) -> EventPart:
    def some(most: int) -> str | None:
        return dice.choice((None, random_text(dice, most), random_text(dice, most)))

    labels = {
        f"{at}{random_text(dice, 98)}": random_text(dice, 1_000)
        for at in range(dice.choice((0, 2, 50)))
    }
    received = dice.choice(list(Received))
    trace = f"{random_text(dice, 5_000)}\n  at x" * dice.choice((1, 20))
    return event(
        number,
        dice.choice((None, trace)),
        source=dice.choice(list(Source)),
        severity="error" if received == "critical" else received,
        severityReceived=received,
        status=dice.choice(("firing", "resolved")),
        title=random_text(dice, 300),
        description=some(20_000),
        code=some(100),
        node=some(255),
        labels=labels,
        link=dice.choice((None, f"https://e.example/{random_text(dice, 1_900)}")),
    )
