"""The sentence that sums up a registration, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from app.rendering.registration_words import registration_sentence, silence


def document(**fields: Any) -> dict[str, Any]:
    return {"sameForBackward": True, "tellRecovery": False, "forward": direction(), **fields}


def direction(
    *, processing: dict[str, Any] | None = None, to: str = "ops@x.org", **block: Any
) -> dict[str, Any]:
    rules = {"enabled": True, "noActivityMinutes": None, "immediately": False, "failureCount": 3}
    others = {"enabled": True, "beforeMaxRetries": False, "recipients": None, "cc": None}
    return {
        "recipients": to.split(),
        "global": rules | block,
        "processing": others | (processing or {}),
    }


_LATE = " Processing failures follow once their retries are used up."
THIRD = "Mails ops@x.org at the third failure in a row"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            document(forward=direction(noActivityMinutes=360)),
            f"{THIRD}, at once when the project cannot be reached, "
            f"and when nothing happened for 6 hours.{_LATE}",
        ),
        (
            document(),
            f"{THIRD} and at once when the project cannot be reached.{_LATE}",
        ),
        (
            document(forward=direction(immediately=True), tellRecovery=True),
            "Mails ops@x.org at each failure of the job at once and when it works again." + _LATE,
        ),
        (
            document(
                forward=direction(
                    to="a@x.org b@x.org c@x.org", immediately=True, processing={"enabled": False}
                )
            ),
            "Mails a@x.org and 2 others at each failure of the job at once. "
            "Processing failures are not mailed.",
        ),
        (
            document(
                forward=direction(
                    immediately=True,
                    processing={"beforeMaxRetries": True, "recipients": ["p@x.org"]},
                )
            ),
            "Mails ops@x.org at each failure of the job at once. "
            "Processing failures go to p@x.org before their retries are used up.",
        ),
        (
            document(forward=direction(enabled=False)),
            "Mails ops@x.org processing failures once their retries are used up; "
            "failures of the job are not mailed.",
        ),
        (
            document(
                sameForBackward=False,
                forward=direction(immediately=True),
                backward=direction(enabled=False, to="b@x.org"),
            ),
            f"Forward: Mails ops@x.org at each failure of the job at once.{_LATE} "
            "Backward: Mails b@x.org processing failures once their retries are used up; "
            "failures of the job are not mailed.",
        ),
    ],
)
def test_a_registration_is_summed_up_in_plain_words(
    settings: dict[str, Any], sentence: str
) -> None:
    assert registration_sentence(settings) == sentence


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(None, "Off"), (1, "1 minute"), (95, "95 minutes"), (60, "1 hour"), (2880, "2 days")],
)
def test_a_silence_is_said_in_its_largest_whole_unit(minutes: int | None, words: str) -> None:
    assert silence(minutes) == words
