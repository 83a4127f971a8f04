"""The subject: the most important first, never a second line."""

from __future__ import annotations

import pytest

from app.domain.kinds import Direction, Why
from app.rendering.subject import LONGEST, subject
from app.rendering.told import FailureMail
from tests.rendering.samples import NOW, bug, digest, failing, line

TWELVE = tuple(bug(number) for number in range(12))


@pytest.mark.parametrize(
    ("mail", "told"),
    [
        (
            failing(integration="Jira to ServiceNow"),
            "[PROD] Jira → ServiceNow failing: AUTH_401 Login refused (3 in a row)",
        ),
        (
            failing(),
            "[PROD] Jira → ServiceNow failing: AUTH_401 Login refused (3 in a row) · Orders EU",
        ),
        (
            failing(system1="", system2=""),
            "[PROD] Orders EU failing: AUTH_401 Login refused (3 in a row)",
        ),
        (
            failing(direction=Direction.BACKWARD, occurrences=1, prefix=""),
            "ServiceNow → Jira failing: AUTH_401 Login refused · Orders EU",
        ),
        (
            failing(why=Why.NOT_ACCESSIBLE, failures=(line(accessible=False, project="WEB"),)),
            "[PROD] Jira → ServiceNow cannot reach project WEB: AUTH_401 Login refused"
            " (3 in a row) · Orders EU",
        ),
        (
            failing(recovered_at=NOW, occurrences=None),
            "[PROD] Jira → ServiceNow failed, works again: AUTH_401 Login refused · Orders EU",
        ),
        (
            failing(failures=(line(), line(error_code="HTTP_503")), total=9, occurrences=12),
            "[PROD] Jira → ServiceNow failing: AUTH_401 Login refused and 8 more errors"
            " (12 in a row) · Orders EU",
        ),
        (
            failing(failures=(line(message="AUTH_401: no"),), occurrences=None),
            "[PROD] Jira → ServiceNow failing: AUTH_401: no · Orders EU",
        ),
        (
            failing(failures=(line(error_code=None, message=""),), occurrences=None),
            "[PROD] Jira → ServiceNow failing · Orders EU",
        ),
        (
            digest(bug(7)),
            "[PROD] Jira → ServiceNow: Bug WEB-7 failed to synchronise:"
            " FIELD_REQUIRED Login refused · Orders EU",
        ),
        (
            digest(*TWELVE),
            "[PROD] Jira → ServiceNow: 12 entities failed to synchronise:"
            " FIELD_REQUIRED · Orders EU",
        ),
        (
            digest(*TWELVE, bug(13, error_code="OTHER")),
            "[PROD] Jira → ServiceNow: 13 entities failed to synchronise · Orders EU",
        ),
        (
            digest(bug(1), bug(1, error_code="A"), bug(2, error_code="B")),
            "[PROD] Jira → ServiceNow: 2 entities failed to synchronise · Orders EU",
        ),
        (
            digest(*TWELVE, total=1347),
            "[PROD] Jira → ServiceNow: 1,347 entities failed to synchronise · Orders EU",
        ),
        (
            digest(bug(1), bug(1, error_code="A"), bug(2), total=900),
            "[PROD] Jira → ServiceNow: at least 2 entities failed to synchronise · Orders EU",
        ),
    ],
)
def test_the_subject_says_where_what_and_how_often(mail: FailureMail, told: str) -> None:
    assert subject(mail) == told


def test_forty_characters_name_the_route_and_that_it_fails() -> None:
    assert subject(failing())[:40].startswith("[PROD] Jira → ServiceNow failing: ")


def test_a_long_message_is_cut_at_a_word_and_keeps_the_count_and_the_name() -> None:
    mail = failing(failures=(line(message="word " * 800),))
    told = subject(mail).removeprefix("[PROD] ")
    assert len(told) <= LONGEST
    assert told.endswith("word… (3 in a row) · Orders EU")


@pytest.mark.parametrize(
    "long",
    [
        failing(failures=(line(message="x" * 4_000),)),
        failing(system1="A" * 300, system2="B" * 300, integration="C" * 300),
        failing(failures=(line(error_code="E" * 900, message="m"),)),
        digest(bug(1, entity_type="T" * 500, entity_id="I" * 500)),
        digest(bug(1, error_code="E" * 900), bug(2, error_code="E" * 900)),
    ],
)
def test_the_subject_is_short_and_says_that_it_was_cut(long: FailureMail) -> None:
    told = subject(long).removeprefix("[PROD] ")
    assert len(told) <= LONGEST
    assert "…" in told
