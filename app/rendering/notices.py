"""The mails beside those about failures: silence, recovery, test, and a system that cannot deliver.

Each has its subject and its page; all pages go into one template.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.domain import silence
from app.rendering.page import Page
from app.rendering.subject import LONGEST_NAME, composed, own_name, route
from app.rendering.told import DirectionMail, FallbackMail, InactivityMail, RecoveryMail, TestMail
from app.words import clock, count, cut, label, moment, one_line, span

_LONGEST_ERROR = 1_000
_INTEGRATION = "See the integration in Tocsin"
_SYSTEM = "See the system in Tocsin"
_NOTHING_FAILED = "Nothing has failed, and nothing needs to be done."

_Notice = InactivityMail | RecoveryMail | TestMail | FallbackMail


def notice(mail: _Notice) -> tuple[str, Page]:
    """Return the subject and the page of `mail`."""
    match mail:
        case InactivityMail():
            return _inactivity(mail)
        case RecoveryMail():
            return _recovery(mail)
        case TestMail():
            return _test(mail)
        case FallbackMail():
            return _fallback(mail)


def _inactivity(mail: InactivityMail) -> tuple[str, Page]:
    over, last = mail.recovered_at, mail.last_activity_at
    length = span((over or mail.now) - mail.silent_since)
    told = f"was silent for {length}, works again"
    headline = f"{route(mail)} {told}" if over else f"{route(mail)}: no activity for {length}"
    before = f"last activity {moment(last)}" if last else "no activity so far"
    page = Page(
        headline=headline,
        tone="good" if over else "bad",
        preheader=label(f"{mail.integration}: {before}"),
        again=moment(over) if over else "",
        says=() if over else (_SILENT,),
        facts=(*_silence(mail), *_origin(mail)),
        button=_INTEGRATION,
    )
    return composed(mail.prefix, headline, tail=own_name(mail)), page


_SILENT = "The job may have stopped, or it runs and its reports do not reach Tocsin."


def _silence(mail: InactivityMail) -> Iterator[tuple[str, str]]:
    start, last = mail.silent_since, mail.last_activity_at
    if mail.recovered_at:
        yield "Silent from", f"{moment(start)} ({span(mail.recovered_at - start)})"
    elif last == start:
        yield "Last activity", f"{moment(start)} ({span(mail.now - start)} ago)"
    else:
        yield "Last activity", moment(last) if last else "none so far"
        yield "Watched since", f"{moment(start)} ({span(mail.now - start)})"
    yield "Limit", silence.minutes(mail.limit_minutes)


def _recovery(mail: RecoveryMail) -> tuple[str, Page]:
    length = span(mail.recovered_at - mail.since)
    headline = f"{route(mail)} works again after {length}"
    error = cut(label(mail.error or ""), _LONGEST_ERROR)
    facts = [
        ("Silent from" if mail.was_silent else "Failed from", f"{moment(mail.since)} ({length})")
    ]
    if mail.occurrences and not mail.was_silent:
        facts.append(("In a row", count(mail.occurrences, "failure")))
    if error:
        facts.append(("Last error", error))
    page = Page(
        headline=headline,
        tone="good",
        preheader=label(f"{mail.integration}: {error or mail.why_text}"),
        again=moment(mail.recovered_at),
        facts=(*facts, *_origin(mail)),
        button=_INTEGRATION,
    )
    return composed(mail.prefix, headline, tail=own_name(mail)), page


def _origin(mail: DirectionMail) -> Iterator[tuple[str, str]]:
    yield "Integration", f"{label(mail.integration)}, {mail.direction} direction"
    yield "Why this mail", label(mail.why_text)


def _test(mail: TestMail) -> tuple[str, Page]:
    of_system = mail.integration is None
    tested = f"through {_name(mail.system_name)}" if of_system else f"for {_name(mail.integration)}"
    headline = f"Test mail {tested}: nothing has failed"
    page = Page(
        headline=headline,
        tone="plain",
        preheader=_NOTHING_FAILED,
        says=(f"This is a test. {_NOTHING_FAILED}", _meaning(mail)),
        facts=tuple(_tried(mail)),
        button=_SYSTEM if of_system else _INTEGRATION,
        settings="Change this system" if of_system else "Change these settings",
    )
    return composed(mail.prefix, headline), page


def _meaning(mail: TestMail) -> str:
    """Return what it means that this mail has arrived."""
    if mail.integration is None:
        real, tested = f"what Tocsin sends you through {_name(mail.system_name)}", "system"
    else:
        real, tested = f"mail about {_name(mail.integration)}", "registration"
    if not mail.unsaved:
        return f"It has reached you, so {real} will reach you the same way."
    return (
        f"It has reached you, so {real} will reach you the same way once the {tested} is saved"
        " as it was tested. Until then, mail goes out as before."
    )


def _tried(mail: TestMail) -> Iterator[tuple[str, str]]:
    yield "Sent through", f"{label(mail.system_name)} ({label(mail.server)})"
    if mail.integration is not None:
        yield "Integration", label(mail.integration)
    yield "Asked for by", label(mail.requested_by)
    yield "Sent at", moment(mail.now, seconds=True)


def _fallback(mail: FallbackMail) -> tuple[str, Page]:
    name, over = _name(mail.failing_system), mail.recovered_at
    waiting = f", {mail.waiting:,} waiting" if mail.waiting else ""
    failing = f"{name} cannot deliver since {clock(mail.since, mail.now)}{waiting}"
    headline = f"{name} could not deliver, works again" if over else failing
    alone = f"Until it works again, nobody is told anything through {name}."
    page = Page(
        headline=headline,
        tone="good" if over else "bad",
        preheader=label(mail.reason) if over else alone,
        again=moment(over) if over else "",
        says=() if over else (alone,),
        facts=tuple(_outage(mail)),
        button="See what waits in Tocsin" if mail.waiting else _SYSTEM,
        settings="Change this fallback",
    )
    first_sentence = one_line(mail.reason).split(". ")[0].rstrip(".")
    return composed("", headline, first_sentence), page


def _outage(mail: FallbackMail) -> Iterator[tuple[str, str]]:
    yield "Last error", cut(label(mail.reason), _LONGEST_ERROR)
    length = span((mail.recovered_at or mail.now) - mail.since)
    yield (
        "Failed from" if mail.recovered_at else "Failing since",
        f"{moment(mail.since)} ({length})",
    )
    yield "Waiting", count(mail.waiting, "notification") if mail.waiting else "nothing"
    name = label(mail.failing_system)
    yield "Why this mail", f"It comes through the system that is the fallback of {name}."


def _name(name: str | None) -> str:
    return cut(one_line(name or ""), LONGEST_NAME)
