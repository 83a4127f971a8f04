"""The mails about silence, recovery, tests, failing systems and events: what each says to whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from app.domain.kinds import Direction
from app.errors import Invalid
from app.rendering.mail import Attachment, Mail, render
from app.rendering.subject import LONGEST
from tests.rendering.samples import (
    HOSTILE,
    NOW,
    STARTED,
    Opened,
    over,
    recovered,
    routed,
    silent,
    standing_in,
    trial,
)

AGAIN = NOW - timedelta(minutes=4)
EARLIER = STARTED - timedelta(days=3)
BAD, GOOD, PLAIN = "#d63939", "#2fb344", "#066fd1"
ROUTE = "Jira → ServiceNow"
Make = Callable[..., Mail]

EVERY = [
    silent(),
    silent(last_activity_at=None),
    silent(recovered_at=AGAIN),
    recovered(),
    recovered(was_silent=True, occurrences=None, error=None),
    trial(),
    trial(unsaved=True),
    trial(integration=None),
    trial(integration=None, unsaved=True),
    standing_in(),
    standing_in(waiting=0),
    standing_in(recovered_at=AGAIN),
    routed(),
    routed(description=None, node=None, labels={}, reported_link=None),
    over(),
]
FIELDS: list[tuple[Make, str]] = [
    *((silent, name) for name in ("integration", "system1", "system2", "prefix", "why_text")),
    *((recovered, name) for name in ("integration", "system1", "system2", "prefix", "error")),
    *((trial, name) for name in ("integration", "system_name", "server", "requested_by", "prefix")),
    *((standing_in, name) for name in ("failing_system", "reason")),
    *((routed, name) for name in ("title", "node", "description", "reported_link", "why_text")),
    *((over, name) for name in ("title", "node")),
    *((make, "delivery_id") for make in (silent, recovered, trial, standing_in, routed)),
]


def both(mail: Mail) -> tuple[str, str]:
    """Return the text and the words of the HTML, each with its lines joined."""
    opened = Opened(mail)
    return " ".join(opened.text.split()), " ".join(opened.page.words.split())


@pytest.mark.parametrize(
    ("mail", "told"),
    [
        (silent(), f"[PROD] {ROUTE}: no activity for 2 hours 14 minutes · Orders EU"),
        (
            silent(direction=Direction.BACKWARD, prefix="", integration="ServiceNow to Jira"),
            "ServiceNow → Jira: no activity for 2 hours 14 minutes",
        ),
        (
            silent(recovered_at=AGAIN),
            f"[PROD] {ROUTE} was silent for 2 hours 10 minutes, works again · Orders EU",
        ),
        (recovered(), f"[PROD] {ROUTE} works again after 2 hours 10 minutes · Orders EU"),
        (trial(), "[PROD] Test mail for Orders EU: nothing has failed"),
        (trial(prefix=""), "Test mail for Orders EU: nothing has failed"),
        (
            trial(prefix="", integration=None),
            "Test mail through Office mail: nothing has failed",
        ),
        (
            standing_in(),
            "Office mail cannot deliver since 08:32 UTC, 14 waiting:"
            " Connection refused by smtp.example.org:587",
        ),
        (
            standing_in(since=NOW - timedelta(days=1), waiting=1_204, reason="Login refused."),
            "Office mail cannot deliver since 2 Nov, 10:46 UTC, 1,204 waiting: Login refused",
        ),
        (
            standing_in(waiting=0, reason=""),
            "Office mail cannot deliver since 08:32 UTC",
        ),
        (
            standing_in(recovered_at=AGAIN, reason="Login refused."),
            "Office mail could not deliver, works again: Login refused",
        ),
    ],
)
def test_the_subject_says_the_most_important_first(mail: Mail, told: str) -> None:
    assert render(mail).subject == told


@pytest.mark.parametrize("mail", EVERY)
def test_the_colour_says_whether_somebody_must_act(mail: Mail) -> None:
    colour = re.search("border-top:4px solid (#[0-9a-f]{6})", Opened(mail).html)
    assert colour
    subject = render(mail).subject
    good = "works again" in subject or "Resolved" in subject
    expected = PLAIN if "Test" in subject else GOOD if good else BAD
    assert colour[1] == expected


@pytest.mark.parametrize("mail", EVERY)
def test_each_mail_links_to_its_page_and_its_settings_and_nowhere_else(mail: Mail) -> None:
    opened = Opened(mail)
    assert opened.page.values("href") == [mail.link, mail.settings_link]
    for link in (mail.link, mail.settings_link, mail.public_url):
        assert re.search(rf"(^|\s){re.escape(link)}$", opened.text, re.MULTILINE)


@pytest.mark.parametrize(
    ("mail", "button", "settings"),
    [
        (silent(), "See the integration in Tocsin", "Change or stop these mails"),
        (recovered(), "See the integration in Tocsin", "Change or stop these mails"),
        (trial(), "See the integration in Tocsin", "Change these settings"),
        (trial(integration=None), "See the system in Tocsin", "Change this system"),
        (standing_in(), "See what waits in Tocsin", "Change this fallback"),
        (standing_in(waiting=0), "See the system in Tocsin", "Change this fallback"),
        (routed(), "See the event in Tocsin", "Change the routing"),
    ],
)
def test_the_words_of_a_link_say_where_it_leads(mail: Mail, button: str, settings: str) -> None:
    opened = Opened(mail)
    assert f"{button}:\n{mail.link}\n" in opened.text
    assert f"{settings}:\n{mail.settings_link}\n" in opened.text
    for words in (button, settings):
        assert words in opened.page.words


# Silence.


def test_silence_is_told_with_the_last_activity_the_limit_and_what_it_may_mean() -> None:
    for told in both(silent()):
        assert "The job may have stopped, or it runs and its reports do not reach Tocsin." in told
        assert "3 Nov 2026, 08:32 UTC (2 hours 14 minutes ago)" in told
        assert "Orders EU, forward direction" in told
        assert "No activity for longer than 2 hours." in told
        assert re.search("Limit:? 2 hours ", told)


@pytest.mark.parametrize(
    ("last", "told"), [(None, "none so far"), (EARLIER, "31 Oct 2026, 08:32 UTC")]
)
def test_a_clock_that_started_later_is_told_beside_the_last_activity(last: None, told: str) -> None:
    for said in both(silent(last_activity_at=last)):
        assert re.search(f"Last activity:? {told}", said)
        assert re.search(r"Watched since:? 3 Nov 2026, 08:32 UTC \(2 hours 14 minutes\)", said)


@pytest.mark.parametrize("last", [None, STARTED, EARLIER])
def test_a_silence_that_is_over_says_since_when_it_works_again(last: None) -> None:
    for told in both(silent(last_activity_at=last, recovered_at=AGAIN)):
        assert "Works again since 3 Nov 2026, 10:42 UTC." in told
        assert re.search(r"Silent from:? 3 Nov 2026, 08:32 UTC \(2 hours 10 minutes\)", told)
        assert "may have stopped" not in told
        assert "Last activity" not in told


# Recovery.


def test_recovery_is_told_with_what_is_over_and_since_when() -> None:
    for told in both(recovered()):
        assert "Works again since 3 Nov 2026, 10:42 UTC." in told
        assert re.search(r"Failed from:? 3 Nov 2026, 08:32 UTC \(2 hours 10 minutes\)", told)
        assert re.search("In a row:? 7 failures", told)
        assert re.search("Last error:? AUTH_401 Login refused", told)


def test_the_end_of_a_silence_is_told_without_failures() -> None:
    for told in both(recovered(was_silent=True, occurrences=4, error=None)):
        assert re.search(r"Silent from:? 3 Nov 2026, 08:32 UTC \(2 hours 10 minutes\)", told)
        assert not re.search("In a row|Last error|Failed", told)


def test_recovery_joins_the_thread_of_the_mails_before_it() -> None:
    message = Opened(recovered()).message
    assert message["In-Reply-To"] == message["References"] == "<4710@tocsin.example.org>"


# Tests.


def test_a_test_says_that_nothing_failed_what_its_arrival_means_and_who_asked_for_it() -> None:
    for told in both(trial()):
        assert "This is a test. Nothing has failed, and nothing needs to be done." in told
        assert "mail about Orders EU will reach you the same way." in told
        assert "Office mail (smtp.example.org:587)" in told
        assert re.search("Asked for by:? alice@example.org", told)
        assert re.search("Sent at:? 3 Nov 2026, 10:46:05 UTC", told)
        assert "saved" not in told


def test_a_test_of_a_system_speaks_of_no_integration() -> None:
    system = "https://tocsin.example.org/systems/3"
    for told in both(trial(integration=None, link=system, settings_link=system)):
        assert "what Tocsin sends you through Office mail will reach you the same way." in told
        assert "ntegration" not in told


@pytest.mark.parametrize(
    ("integration", "tested"), [("Orders EU", "registration"), (None, "system")]
)
def test_a_test_of_unsaved_values_says_that_they_do_not_count_yet(
    integration: str | None, tested: str
) -> None:
    for told in both(trial(integration=integration, unsaved=True)):
        assert f"once the {tested} is saved as it was tested." in told
        assert "Until then, mail goes out as before." in told


# A system that cannot deliver.


def test_a_failing_system_is_told_with_what_it_means_the_error_and_what_waits() -> None:
    for told in both(standing_in()):
        assert "Office mail cannot deliver since 08:32 UTC, 14 waiting" in told
        assert "Until it works again, nobody is told anything through Office mail." in told
        assert "587. Is the server running, and is the port right?" in told
        assert re.search(r"Failing since:? 3 Nov 2026, 08:32 UTC \(2 hours 14 minutes\)", told)
        assert re.search("Waiting:? 14 notifications", told)
        assert "It comes through the system that is the fallback of Office mail." in told


def test_a_system_that_works_again_is_told_with_its_outage() -> None:
    for told in both(standing_in(recovered_at=AGAIN, waiting=0)):
        assert "Works again since 3 Nov 2026, 10:42 UTC." in told
        assert re.search(r"Failed from:? 3 Nov 2026, 08:32 UTC \(2 hours 10 minutes\)", told)
        assert re.search("Waiting:? nothing", told)
        assert "nobody" not in told


# All of them.


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(("make", "field"), FIELDS)
def test_no_text_breaks_a_mail(make: Make, field: str, text: str) -> None:
    opened = Opened(make(**{field: text, "notes": (text,), "references": (text,)}))
    assert set(opened.page.elements) <= set(Opened(recovered()).page.elements)
    assert "onerror" not in dict(opened.page.attributes)
    assert len(opened.page.values("href")) == 2
    for told in (opened.text, opened.page.words):
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202d\u202e]", told)
    assert opened.names.count("Subject") == 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", str(opened.message["Subject"]))
    assert "\n" not in opened.rendered.subject


BREAKOUTS = [
    "x\r\nBcc: evil@example.net",
    "x\nBcc: evil@example.net",
    "x\r\n\r\n<script>alert(1)</script>",
    "x\u2028Bcc: evil@example.net",
    "=?utf-8?q?x=0D=0ABcc:_evil@example.net?=",
    "x" * 70 + "\r\n Bcc: evil@example.net",
]


@pytest.mark.parametrize("text", BREAKOUTS)
@pytest.mark.parametrize(("make", "field"), FIELDS)
def test_no_text_reaches_a_header_as_anything_but_text(make: Make, field: str, text: str) -> None:
    opened = Opened(make(**{field: text}))
    assert opened.names == Opened(make()).names
    assert opened.message["Bcc"] is None
    body = opened.body
    assert body.isascii()
    assert max(map(len, body.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("field", ["to", "cc", "sender"])
@pytest.mark.parametrize("make", [silent, recovered, trial, standing_in, routed])
def test_an_address_that_could_end_its_header_is_refused(make: Make, field: str) -> None:
    address = "ops@example.org\r\nBcc: evil@example.net"
    with pytest.raises(Invalid) as refused:
        render(make(**{field: address if field == "sender" else (address,)}))
    assert refused.value.faults[0].pointer == f"/{field}"


@pytest.mark.parametrize("mail", EVERY)
def test_these_mails_carry_no_trace_whatever_is_given(mail: Mail) -> None:
    rendered = render(mail, (Attachment("traces.pdf", b"%PDF-1.7"),))
    assert rendered == render(mail)
    assert "trace" not in Opened(mail).seen


@pytest.mark.parametrize("mail", EVERY)
def test_our_own_prose_has_at_most_72_columns(mail: Mail) -> None:
    assert max(map(len, Opened(mail).text.splitlines())) <= 72


@pytest.mark.parametrize(
    "mail",
    [
        silent(system1="A" * 300, system2="B" * 300, integration="C" * 300),
        recovered(system1="A b " * 99, system2="B" * 300, integration="C" * 300),
        trial(integration="I" * 300),
        trial(integration=None, system_name="S s " * 99),
        standing_in(failing_system="S" * 300, reason="r" * 5_000, waiting=10**9),
        routed(title="T" * 300, node="N" * 255),
        over(title="T t " * 75),
    ],
)
def test_a_long_subject_is_cut_and_says_so(mail: Mail) -> None:
    told = render(mail).subject.removeprefix("[PROD] ")
    assert len(told) <= LONGEST
    assert "…" in told


def test_a_long_error_is_cut_and_says_so() -> None:
    for mail in (recovered(error="e" * 5_000), standing_in(reason="e" * 5_000)):
        told = re.findall("e{500,}…?", Opened(mail).text)
        assert told == ["e" * 999 + "…"]


@pytest.mark.parametrize(
    ("mail", "shown"),
    [
        (silent(), "Orders EU: last activity 3 Nov 2026, 08:32 UTC"),
        (silent(last_activity_at=None), "Orders EU: no activity so far"),
        (recovered(), "Orders EU: AUTH_401 Login refused"),
        (trial(), "Nothing has failed, and nothing needs to be done."),
        (standing_in(), "Until it works again, nobody is told anything through Office mail."),
        (routed(), "98 % of /var are used. Writes fail from 100 % on."),
        (routed(description=None), "The cell Metrics / error names it."),
    ],
)
def test_the_list_of_mails_shows_what_the_subject_does_not_say(mail: Mail, shown: str) -> None:
    hidden = re.search('<div style="display:none[^>]*>(.*?)</div>', Opened(mail).html)
    assert hidden
    assert hidden[1] == shown
