"""Systems: what notifications go out through; each kind is described by its channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.channels import CHANNELS, channel
from app.errors import Fault, InUse, Invalid
from app.models import Lane, Registration, RegistrationDirection, System
from app.services import routing, sealing, subscriptions
from app.services.documents import inlined
from app.services.named import (
    NAMED,
    Answered,
    Change,
    Collection,
    Document,
    answered,
    merged,
    unaddressable,
)
from app.services.retry_shape import RetryPolicyBody, policy_of, shown, spelled, stored
from app.services.system_use import HEALTH, health, is_routed, used_by, waiting
from app.shapes import Rule, fault, text

# The kinds whose waiting mail follows the dispatch pass, and which a registration may name.
MAIL_KINDS = ("smtp",)

LONGEST_NAME = 100
Name = Annotated[str, text(LONGEST_NAME, required=True, line=True)]


def _known_kind(value: Any) -> str:
    if not isinstance(value, str) or value not in CHANNELS:
        raise fault(f"must be one of {', '.join(CHANNELS)}")
    return value


Kind = Annotated[str, Rule(_known_kind, {"type": "string", "enum": list(CHANNELS)})]


def _of_kind(part: Literal["options", "secrets"]) -> dict[str, Any]:
    """Return the schema of what the channels describe themselves."""
    schemas = [inlined(getattr(one, part).model_json_schema()) for one in CHANNELS.values()]
    return {"type": "object", "oneOf": schemas}


class SystemBody(Answered):
    """A system; its options and secrets are those of its kind."""

    name: Name | None = Field(None, description=f"May be left out where the path gives it. {NAMED}")
    kind: Kind
    version: Annotated[str, text(50, line=True)] = "N/A"
    status: Literal["running", "paused"] = Field(
        "running", description="paused: what waits is kept and not sent."
    )
    fallback: Name | None = Field(
        None, description="Another system, which is told when this one cannot deliver."
    )
    retry_policy: RetryPolicyBody | None = Field(
        None, description="Of its subscriptions that have none of their own. Mail has none."
    )
    options: Any = Field(json_schema_extra=_of_kind("options"))
    secrets: Any = Field(
        default={},
        validate_default=True,
        description="Write-only. What is left out stays, null clears it; an answer says "
        '{"password": {"set": true, "setAt": …}}, which is ignored in a body.',
        json_schema_extra=_of_kind("secrets"),
    )
    health: Any = answered("object", properties=HEALTH)

    @field_validator("retry_policy", mode="before")
    @classmethod
    def _mail_has_none(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("kind") in MAIL_KINDS:
            raise fault("mail has no retry policy: what waits goes with the next dispatch pass")
        return value

    @field_validator("options")
    @classmethod
    def _options(cls, value: Any, info: ValidationInfo) -> Any:
        kind = info.data.get("kind")
        return channel(kind).options.model_validate(value) if kind else value

    @field_validator("secrets")
    @classmethod
    def _secrets(cls, value: Any, info: ValidationInfo) -> Any:
        kind = info.data.get("kind")
        return sealing.given(channel(kind).secrets, value) if kind else value


class Systems(Collection[System, SystemBody]):
    """Systems by name."""

    kind: ClassVar[str] = "system"
    path: ClassVar[str] = "/systems"
    key: ClassVar[str] = "name"
    renames: ClassVar[bool] = True
    longest: ClassVar[int] = LONGEST_NAME
    shape = SystemBody

    def find(self, session: Session, name: str, *, lock: bool = False) -> System | None:
        """Return the system of `name`."""
        query = select(System).where(System.name == name)
        return session.scalar(query.with_for_update() if lock else query)

    def unusable(self, name: str) -> str | None:
        """Its pages have the name in their addresses."""
        return unaddressable(name)

    def rows(self, session: Session, before: int | None, limit: int) -> Sequence[System]:
        """Return systems, newest first."""
        query = select(System).order_by(System.id.desc()).limit(limit)
        return session.scalars(query if before is None else query.where(System.id < before)).all()

    def body(self, session: Session, row: System) -> Document:
        """Return the system; of its secrets only that they are set, and since when."""
        fallback = session.get(System, row.fallback_id) if row.fallback_id else None
        return {
            "name": row.name,
            "kind": row.kind,
            "version": row.version,
            "status": row.status,
            "fallback": fallback.name if fallback else None,
            "retryPolicy": row.retry_policy,
            "options": row.options,
            "secrets": sealing.shown(row.secrets),
        }

    def extras(self, session: Session, row: System) -> Document:
        """Return its policy with a note, how it does, and what uses it."""
        return {
            "retryPolicy": shown(policy_of(row.retry_policy)),
            "health": health(session, row),
            "usedBy": [vars(use) for use in used_by(session, row)],
        }

    def merge(self, current: Document, changes: Mapping[str, Any]) -> Document:
        """Merge all but the secrets, where null means clear and no current value is shown."""
        rest = {name: value for name, value in changes.items() if name != "secrets"}
        if "retryPolicy" in rest:
            rest["retryPolicy"] = spelled(rest["retryPolicy"])
        given = changes.get("secrets") or {}
        result: Document = merged(current, rest)
        return {**result, "secrets": given}

    def store(self, change: Change, name: str, row: System | None, body: SystemBody) -> System:
        """Check and store; a new mail system gets its lane, an unpaused one is woken.

        The lanes of an HTTP system follow its retry policy, and intake reads the system anew.
        """
        if row is not None and row.kind != body.kind:
            raise Invalid([Fault("/kind", f"is {row.kind} for good: make another system")])
        kept, given, spoken = {} if row is None else row.secrets, body.secrets, channel(body.kind)
        if row is None:
            given, new = sealing.made(spoken, given)
            change.shown.update(new)
        secrets = sealing.seal(change.site.vault, spoken, body.options, given, kept, change.now)
        fallback_id = _fallback(change.session, row, name, body.fallback)
        if row is None:
            row = System(kind=body.kind, created_at=change.now, updated_at=change.now)
            change.session.add(row)
        elif row.status == "paused" and body.status == "running":
            _wake(change, row)
        row.name, row.version, row.status = name, body.version, body.status
        row.fallback_id, row.retry_policy = fallback_id, stored(body.retry_policy)
        row.options, row.secrets = _dumped(body.options), secrets
        change.session.flush()
        if row.kind in MAIL_KINDS:
            _check_addressed(change.session, row)
            subscriptions.give_mail_lane(change, row)
        else:
            subscriptions.follow(change.session, row)
        routing.touch(change.session.connection(), change.now)
        return row

    def remove(self, change: Change, row: System) -> None:
        """Delete a system that nothing uses, with its lanes; raises InUse.

        The start values of integrations that were unregistered from it go with it.
        """
        session = change.session
        found = [*used_by(session, row), *waiting(session, row)]
        if found:
            raise InUse(f"The system {row.name!r} is in use.", found)
        old = select(Registration.id).where(Registration.system_id == row.id)
        settings = RegistrationDirection
        session.execute(delete(settings).where(settings.registration_id.in_(old)))
        session.execute(delete(Registration).where(Registration.system_id == row.id))
        subscriptions.take_lanes(session, row)
        session.delete(row)
        session.flush()
        routing.touch(session.connection(), change.now)


SYSTEMS = Systems()


def for_mail(session: Session, name: str | None) -> tuple[System | None, str | None]:
    """Return the mail system of `name`, or why there is none; (None, None) for no name."""
    if name is None:
        return None, None
    row = SYSTEMS.find(session, name)
    if row is None:
        return None, f"there is no system {name!r}"
    if row.kind not in MAIL_KINDS:
        title = channel(row.kind).title
        return None, f"must be a mail system; {name!r} is a {title} system"
    return row, None


def _fallback(session: Session, row: System | None, name: str, fallback: str | None) -> int | None:
    if fallback is None:
        return None
    found = SYSTEMS.find(session, fallback)
    if found is None:
        raise Invalid([Fault("/fallback", f"there is no system {fallback!r}")])
    if row is not None and found.id == row.id:
        raise Invalid([Fault("/fallback", f"must be another system than {name!r} itself")])
    return found.id


def _dumped(options: BaseModel) -> Document:
    return options.model_dump(mode="json", by_alias=True)


def _check_addressed(session: Session, row: System) -> None:
    """A mail system that stands in a cell needs somebody to write to (product.md 8)."""
    if not row.options.get("toEmail") and is_routed(session, row):
        message = "is required, as the routes name the system: routed mail is written to it"
        raise Invalid([Fault("/options/toEmail", message)])


def _wake(change: Change, row: System) -> None:
    """Let what waited for a paused system go as soon as the change is committed."""
    lanes = change.session.scalars(select(Lane.id).where(Lane.system_id == row.id)).all()
    change.afterwards.append(lambda: change.site.alarm.wake(map(str, lanes)))
