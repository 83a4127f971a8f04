"""What is particular to one kind of configured thing: systems, integrations, registrations, …

A `Collection` says how its things are read, checked and stored; app/services/configuring.py makes,
replaces, patches and deletes all of them one way.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from urllib.parse import quote

from pydantic import Field
from sqlalchemy.orm import Session

from app.clock import to_micros
from app.errors import Fault, Invalid, NotFound, Use
from app.secrets import Secret
from app.services.installation import Installation
from app.shapes import Shape

Document = dict[str, Any]
BASE = "/api/v1"
MOST_USES = 100
# What a name is that its address can hold, wherever it passes through.
NAMED = (
    "It is not new or -, does not begin with -/ or /, does not end with /, and has no // and no "
    "part . or .. between slashes."
)


def answered(kind: str, *, nullable: bool = False, **schema: Any) -> Any:
    """Return a field that answers add: accepted and ignored in a body (api.md, Configuring)."""
    one: Document = {"type": kind, **schema}
    shown: Document = {"anyOf": [one, {"type": "null"}]} if nullable else one
    return Field(None, json_schema_extra={**shown, "readOnly": True})


def answered_time() -> Any:
    """Return a time that answers add."""
    return answered("string", nullable=True, format="date-time")


_USE: Document = {
    "type": "object",
    "properties": {key: {"type": "string"} for key in ("kind", "name", "url")},
}


class Answered(Shape):
    """The fields that answers add; a body may hold them, as a GET answer put back does."""

    id: Any = answered("string", description="The server's own id.")
    created_at: Any = answered_time()
    updated_at: Any = answered_time()
    health: Any = answered("object", nullable=True)
    used_by: Any = answered("array", items=_USE)


class Row(Protocol):
    """What every configured thing has."""

    id: Any
    created_at: Any
    updated_at: Any


B = TypeVar("B", bound=Shape)
R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Saved:
    """A thing as it is answered, its version (for If-Match), and whether it was made just now."""

    document: Document
    version: str
    created: bool = False

    def showing(self, made: Mapping[str, Secret]) -> Saved:
        """Return it with secrets that were made just now as `value`: no other answer has them."""
        if not made:
            return self
        secrets = {
            name: one | ({"value": made[name].reveal()} if name in made else {})
            for name, one in self.document["secrets"].items()
        }
        return replace(self, document={**self.document, "secrets": secrets})


@dataclass(frozen=True)
class Change:
    """One change under way: its transaction, who makes it, and what follows the commit.

    `shown`: secrets that were made for it, by name; its answer shows them, and no other one does.
    """

    site: Installation
    session: Session
    actor: str
    now: datetime
    afterwards: list[Callable[[], object]] = field(default_factory=list)
    shown: dict[str, Secret] = field(default_factory=dict)


class Collection(ABC, Generic[R, B]):
    """One kind of named thing: its path in the API, the field that names one, its body."""

    kind: ClassVar[str]
    path: ClassVar[str]
    key: ClassVar[str]  # the field that repeats the name of the path
    # What the audit log calls making, changing and taking away.
    actions: ClassVar[tuple[str, str, str]] = ("create", "update", "delete")
    renames: ClassVar[bool] = False
    longest: ClassVar[int] = 255  # characters of a name
    shape: type[B]

    @abstractmethod
    def find(self, session: Session, name: str, *, lock: bool = False) -> R | None:
        """Return the row of `name`; `lock`: nobody else changes it before the commit."""

    @abstractmethod
    def rows(self, session: Session, before: int | None, limit: int) -> Sequence[R]:
        """Return at most `limit` rows with an id below `before`, newest first."""

    @abstractmethod
    def body(self, session: Session, row: R) -> Document:
        """Return what a PUT of the thing as it is would say."""

    @abstractmethod
    def extras(self, session: Session, row: R) -> Document:
        """Return what answers add besides id and times."""

    @abstractmethod
    def store(self, change: Change, name: str, row: R | None, body: B) -> R:
        """Check `body` against what else is there and store it as `name`, flushed.

        `row` None: it is made. Raises Invalid, with every fault.
        """

    @abstractmethod
    def remove(self, change: Change, row: R) -> None:
        """Take the thing away; raises InUse."""

    def merge(self, current: Document, changes: Mapping[str, Any]) -> Document:
        """Return the body that `changes` make of `current`."""
        result: Document = merged(current, changes)
        return result

    def address(self, session: Session, name: str) -> None:
        """Check that a thing of `name` can be made by its path; raises NotFound."""

    def check_new(self, name: str) -> None:
        """Check that addresses can hold a name that nothing has yet; raises Invalid.

        What has another one since before there was this rule keeps it.
        """
        problem = self.unusable(name)
        if problem:
            raise Invalid([Fault(f"/{self.key}", problem)])

    def unusable(self, _name: str) -> str | None:
        """Return why nothing new may be called so, or None."""
        return None

    def missing(self, name: str) -> NotFound:
        """Return the error of a name that is not there."""
        return NotFound(f"There is no {self.kind} {name!r}.")


def unaddressable(name: str) -> str | None:
    """Return why no thing may be called `name`, or None.

    Beside names stand the addresses `new` and `-/…`; browsers resolve dots, and proxies slashes.
    """
    if name in {"new", "-"} or name.startswith("-/"):
        return f"must be another name: {name.partition('/')[0]!r} is an address of its own"
    if name.startswith("/") or name.endswith("/") or "//" in name:
        return "must not begin or end with / and not hold //"
    return dotted(name)


def dotted(name: str) -> str | None:
    """Return why the API cannot address a thing of `name`, or None: clients resolve dots."""
    if {".", ".."} & set(name.split("/")):
        return "must not be . or .. and not have such a part between slashes"
    return None


def version(row: Row) -> str:
    """Return what changes with every change of the thing."""
    return f"{row.id}-{to_micros(row.updated_at)}"


def digest(document: Document) -> str:
    """Return a version of what has no row of its own: it changes with the document."""
    said = json.dumps(document, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def merged(current: Any, changes: Any) -> Any:
    """Return `current` with `changes` merged into it (RFC 7396, section 2)."""
    if not isinstance(changes, Mapping):
        return changes
    result = dict(current) if isinstance(current, Mapping) else {}
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def path_to(path: str, name: str | None = None) -> str:
    """Return the path of a collection, or of a thing in it, its name URL-encoded."""
    return BASE + path + ("" if name is None else "/" + quote(name, safe=""))


def uses(kind: str, path: str, names: Sequence[str], total: int) -> list[Use]:
    """Return a line for each of `names`, and one for those beyond; `total` counts all."""
    found = [Use(kind, name, path_to(path, name)) for name in names[:MOST_USES]]
    if total > len(found):
        found.append(Use(kind, f"{total - len(found):,} more", path_to(path)))
    return found


def moment(at: datetime | None) -> str | None:
    """Return a time as answers show it: RFC 3339 in UTC."""
    if at is None:
        return None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
