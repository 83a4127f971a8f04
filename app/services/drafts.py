"""Drafts: a system as it is saved, or as somebody is about to save it, to be tried out unsaved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

from app.channels import channel
from app.clock import utc_now
from app.errors import Fault, Invalid
from app.models import System
from app.secrets import Secret
from app.services import sealing
from app.services.installation import Installation
from app.services.systems import LONGEST_NAME, SYSTEMS, SystemBody
from app.shapes import parse, text


@dataclass(frozen=True)
class Draft:
    """A system that could be saved as it is: `options` are validated, `sealed` the secrets by name.

    `lent`: a saved secret would be used with other options than those it was saved with, so that
    whoever wrote the draft says where it goes; only who may save systems may ask for that.
    """

    name: str
    kind: str
    options: BaseModel
    sealed: Mapping[str, str]
    lent: bool = False

    def secrets(self, site: Installation) -> dict[str, Secret]:
        """Return the secrets; raises DecryptionFailed."""
        return {name: site.vault.open(value) for name, value in self.sealed.items()}


def system_draft(session: Session, site: Installation, name: str, body: SystemBody | None) -> Draft:
    """Return the system `name` as `body` would make it, without saving; None: as it is saved.

    A secret that `body` leaves out is the saved one, where there is a system of that name and
    kind. Its fallback and a new name are not looked at. Reads only. Raises NotFound where there is
    neither a body nor a system, Invalid with every fault that saving would have (also of a saved
    secret that cannot be decrypted).
    """
    if body is not None:
        _check_name(name)
    row = SYSTEMS.find(session, name)
    if body is None:
        if row is None:
            raise SYSTEMS.missing(name)
        body = parse(SystemBody, SYSTEMS.body(session, row))
    kept = row.secrets if row is not None and row.kind == body.kind else {}
    spoken = channel(body.kind)
    stored = sealing.seal(site.vault, spoken, body.options, body.secrets, kept, utc_now())
    sealed = {secret: one["sealed"] for secret, one in stored.items()}
    return Draft(name, body.kind, body.options, sealed, _lent(row, body, stored.keys()))


def _lent(row: System | None, body: SystemBody, used: Iterable[str]) -> bool:
    if row is None or body.options.model_dump(mode="json", by_alias=True) == row.options:
        return False
    fields = type(body.secrets).model_fields.items()
    left_out = {f.alias or n for n, f in fields if n not in body.secrets.model_fields_set}
    return bool(left_out.intersection(used))


def _check_name(name: str) -> None:
    """Check a name that comes from a path, as no shape has seen it."""
    try:
        text(LONGEST_NAME, required=True, line=True).check(name)
    except PydanticCustomError as error:
        raise Invalid([Fault("/name", error.message())]) from error
