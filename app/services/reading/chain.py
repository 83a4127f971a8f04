"""Not getting failure mails? The chain from report to mailbox, live (S1; product.md 3 to 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import Connection, func, select

from app.domain.kinds import DeliveryState, Direction, FailureState, LaneState, RecipientState
from app.errors import NotFound
from app.models import (
    Delivery,
    DeliveryRecipient,
    Failure,
    Integration,
    IntegrationDirection,
    Lane,
    Registration,
    System,
)
from app.services import health, standing
from app.services.installation import Installation
from app.services.reading import delivery_words, dispatch_status
from app.services.registrations import own

OPEN_CAP = 100
_NAMES = {Direction.FORWARD: "Forward", Direction.BACKWARD: "Backward"}


@dataclass(frozen=True)
class Link:
    """One link of the chain; `ok` None: there is nothing to tell of it yet.

    `url` is where it is mended, or where more of it stands.
    """

    title: str
    ok: bool | None
    text: str
    url: str | None = None


@dataclass(frozen=True)
class _Asked:
    """What is asked about: the integration, and where its screens are."""

    id: int
    name: str
    page: str
    form: str
    failures: str


def walk(site: Installation, integration_key: str, now: datetime) -> list[Link]:
    """Return every link in order; raises NotFound for an integration that nobody reported."""
    with site.store.reading() as connection:
        query = select(Integration).where(Integration.key == integration_key)
        row = connection.execute(query.with_only_columns(Integration.id, Integration.name)).first()
        if row is None:
            raise NotFound(f"There is no integration {integration_key!r}.")
        page = f"/integrations/{row.id}"
        listed = f"/failures/global/?{urlencode({'integration': integration_key})}"
        asked = _Asked(row.id, row.name, page, f"{page}/notification", listed)
        links = list(_links(connection, asked))
    status, ready = dispatch_status.read(site, now), health.readiness(site)
    return [*links[:-1], *_running(status, ready), links[-1]]


def first_broken(links: Sequence[Link]) -> Link | None:
    """Return the first link that does not hold, or None."""
    return next((link for link in links if link.ok is False), None)


def _links(connection: Connection, asked: _Asked) -> Iterator[Link]:
    wanted = (IntegrationDirection.direction, IntegrationDirection.active)
    here = IntegrationDirection.integration_id == asked.id
    directions = connection.execute(standing.directions(*wanted).where(here)).all()
    yield _active(directions, asked)
    yield _reported(connection, asked)
    registered = [row for row in directions if row.system_id is not None]
    yield _registered(registered, asked)
    yield _enabled(registered, asked)
    yield _decided(connection, asked)
    yield from _system(connection, asked)
    yield _delivered(connection, asked)


def _active(directions: Sequence[Any], asked: _Asked) -> Link:
    off = [_NAMES[row.direction] for row in directions if not row.active]
    title = "The integration is active"
    if not off:
        return Link(title, True, "Failures and silence of every direction count.", asked.page)
    said = f"{' and '.join(off)} is inactive: its failures are stored and not told. Activate it."
    return Link(title, len(off) < len(directions), said, asked.page)


def _reported(connection: Connection, asked: _Asked) -> Link:
    mine = (Failure.integration_id == asked.id, Failure.direction_id.is_not(None))
    last = connection.scalar(
        select(Failure.last_logged_at)
        .where(*mine)
        .order_by(Failure.last_logged_at.desc(), Failure.id.desc())
        .limit(1)
    )
    title = "A failure was reported"
    if last is None:
        said = "Nothing was reported as failed: look whether the job reports to this server."
        return Link(title, False, said, asked.failures)
    found = select(Failure.id).where(*mine, Failure.state == FailureState.OPEN).limit(OPEN_CAP + 1)
    number = connection.scalar(select(func.count()).select_from(found.subquery())) or 0
    shown = f"more than {OPEN_CAP}" if number > OPEN_CAP else f"{number}"
    return Link(title, True, f"The last one on {_said(last)}; {shown} open.", asked.failures)


def _registered(registered: Sequence[Any], asked: _Asked) -> Link:
    title = "Failure notification is registered"
    if registered:
        said = f"Since {_said(registered[0].registered_at)}; what was before is not told."
        return Link(title, True, said, asked.form)
    said = "It is not registered, so nobody is told. Configure Failure Notification."
    return Link(title, False, said, asked.form)


def _enabled(registered: Sequence[Any], asked: _Asked) -> Link:
    title = "Notification is enabled"
    if not registered:
        return Link(title, None, "There is no registration.", asked.form)
    off = [
        f"{kind} ({_NAMES[row.direction].lower()})"
        for row in registered
        for kind, on in (("global", row.global_enabled), ("processing", row.processing_enabled))
        if not on
    ]
    if not off:
        return Link(title, True, "For global and processing failures.", asked.form)
    return Link(title, True, f"Off for {', '.join(off)}: those are not told.", asked.form)


def _decided(connection: Connection, asked: _Asked) -> Link:
    """Tell of the failure that was reported last, in the words of its stored decision."""
    title = "A mail was decided"
    row = connection.execute(
        select(Failure.decision, Failure.id, Failure.kind)
        .where(Failure.integration_id == asked.id, Failure.direction_id.is_not(None))
        .order_by(Failure.last_logged_at.desc(), Failure.id.desc())
        .limit(1)
    ).first()
    if row is None or row.decision is None:
        return Link(title, None, "Nothing was to be decided yet.", asked.failures)
    outcome, text = row.decision["outcome"], row.decision["text"]
    url = f"/failures/{row.kind}/{row.id}"
    if outcome == "send":
        return Link(title, True, text, url)
    return Link(title, False, f"The last failure is not told (yet): {text}", url)


def _system(connection: Connection, asked: _Asked) -> Iterator[Link]:
    mine = (Registration.integration_id == asked.id, Registration.active)
    row = connection.execute(
        select(System.name, System.status, Lane.state, Lane.error_text, Lane.id)
        .join_from(Registration, System, System.id == Registration.system_id)
        .outerjoin(Lane, (Lane.system_id == System.id) & Lane.row.is_(None))
        .where(*mine)
    ).first()
    running, flows = "The email server is not paused", "The email server takes mail"
    if row is None:
        yield Link(running, None, "There is no registration.", asked.form)
        yield Link(flows, None, "There is no registration.", asked.form)
        return
    url = f"/systems/{quote(row.name, safe='')}"
    paused = row.status == "paused"
    said = "is paused: mail is kept and not sent. Resume it." if paused else "is running."
    yield Link(running, not paused, f"{row.name} {said}", url)
    if row.state in {None, LaneState.NORMAL, LaneState.FLUSHING}:
        yield Link(flows, True, "Nothing is known against it.", url)
        return
    yield Link(flows, False, f"{row.name} does not take mail: {row.error_text or 'no reason'}", url)


def _running(status: dispatch_status.Status, ready: health.Readiness) -> Iterator[Link]:
    title = "The Post Failure Notification job runs"
    yield Link(title, status.ok and not status.paused, f"{_capital(status.text)}.", "/schedules/")
    for name, role in (("worker", "A worker sends"), ("scheduler", "The scheduler is alive")):
        check = ready.checks[name]
        yield Link(role, check.ok, f"{_capital(check.text)}.", "/about/")


def _delivered(connection: Connection, asked: _Asked) -> Link:
    title = "The last mail arrived at the server of the recipients"
    row = connection.execute(
        select(Delivery.id, Delivery.state, Delivery.reason, Delivery.created_at)
        .where(own(Delivery.integration_id == asked.id))
        .order_by(Delivery.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return Link(title, None, "No mail was made for this integration yet.", "/deliveries/")
    url, said = f"/deliveries/{row.id}", delivery_words.WORDS[row.state]
    who = DeliveryRecipient
    refused = connection.execute(
        select(who.address, who.text)
        .where(who.delivery_id == row.id, who.state == RecipientState.REJECTED)
        .limit(3)
    ).all()
    if refused:
        named = "; ".join(f"{one.address}: {one.text}" for one in refused)
        return Link(title, False, f"Refused for good: {named}. Mend the address.", url)
    if row.state is DeliveryState.DELIVERED:
        help_ = "If it is in no mailbox, look for it as spam, or ask who runs the mail server."
        return Link(title, True, f"Accepted, made on {_said(row.created_at)}. {help_}", url)
    if row.reason is not None:
        said = f"{said}: {delivery_words.REASONS[row.reason]}"
    waits = row.state in {DeliveryState.PENDING, DeliveryState.LEASED}
    return Link(title, None if waits else False, f"{said}.", url)


def _said(moment: datetime) -> str:
    return moment.strftime("%-d %b %Y at %H:%M UTC")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
