"""The secrets of a system: taken from a body, encrypted at rest, and never shown again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from app.channels.base import Channel
from app.errors import DecryptionFailed, Fault, Invalid
from app.secrets import Secret, Vault
from app.services.named import Document, moment

# {name: {"sealed": encrypted, "setAt": time}}, as the table has it.
Stored = Mapping[str, Mapping[str, str]]


def given(shape: type[BaseModel], value: Any) -> BaseModel:
    """Return the secrets of a body as `shape`; raises ValidationError.

    What an answer says of a secret ({"set": …}) counts as left out, so that it can be put back.
    """
    if isinstance(value, Mapping):
        value = {name: one for name, one in value.items() if not _is_answer(one)}
    return shape.model_validate(value)


def _is_answer(value: Any) -> bool:
    return isinstance(value, Mapping) and "set" in value


def made(channel: Channel, secrets: BaseModel) -> tuple[BaseModel, dict[str, Secret]]:
    """Return the secrets of a new system, with those that its channel makes where none is given.

    Also the made ones alone, by the name that answers use.
    """
    generated = getattr(channel, "generated", {})
    fields = type(secrets).model_fields
    new = {name: make() for name, make in generated.items() if name not in secrets.model_fields_set}
    named = {fields[name].alias or name: secret for name, secret in new.items()}
    return secrets.model_copy(update=new), named


def shown(stored: Stored) -> Document:
    """Return what answers say of secrets."""
    return {name: {"set": True, "setAt": one["setAt"]} for name, one in stored.items()}


def seal(  # noqa: PLR0913, PLR0917 - a body's two parts, and what they meet
    vault: Vault,
    channel: Channel,
    options: BaseModel,
    secrets: BaseModel,
    stored: Stored,
    now: datetime,
) -> dict[str, dict[str, str]]:
    """Return what is to be stored, checked by the channel together with `options`.

    A secret that `secrets` leaves out stays, null or an empty text clears it, and one whose field
    the options hide is neither taken nor kept. The same secret again changes nothing. Raises
    Invalid.
    """
    result: dict[str, dict[str, str]] = {}
    opened: dict[str, Secret] = {}
    for name, is_given, value in _fields(options, secrets):
        before = stored.get(name)
        if not is_given and before:
            opened[name], result[name] = _open(vault, name, before), dict(before)
        elif value:
            opened[name] = value
            result[name] = _kept(vault, value, before) or {
                "sealed": vault.seal(value),
                "setAt": str(moment(now)),
            }
    channel.check(options, opened)
    return result


def _fields(options: BaseModel, secrets: BaseModel) -> Iterator[tuple[str, bool, Secret | None]]:
    """Yield name, whether it was given, and value of each secret that the options ask for."""
    chosen = options.model_dump(by_alias=True)
    for name, field in type(secrets).model_fields.items():
        extra = field.json_schema_extra
        rule = extra.get("shownWhen", {}) if isinstance(extra, dict) else {}
        wanted: Any = rule
        if all(chosen.get(option) in values for option, values in wanted.items()):
            yield field.alias or name, name in secrets.model_fields_set, getattr(secrets, name)


def _open(vault: Vault, name: str, stored: Mapping[str, str]) -> Secret:
    try:
        return vault.open(stored["sealed"])
    except DecryptionFailed as error:
        raise Invalid([Fault(f"/secrets/{name}", str(error))]) from error


def _kept(vault: Vault, value: Secret, stored: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return what is stored already where it is the same secret."""
    if stored is None:
        return None
    try:
        same = vault.open(stored["sealed"]) == value
    except DecryptionFailed:
        return None
    return dict(stored) if same else None
