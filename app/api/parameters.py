"""Parameters of requests: query strings, path parts and If-Match; each fault is named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError

from app.api.problems import Refused
from app.errors import Fault, Invalid, NotFound, Stale
from app.services.paging import MAX_ID, Query
from app.shapes import faults, line_break, unstorable

MAX_PARAMETERS = 50
MAX_PART = 255
Q = TypeVar("Q", bound=Query)


def parse_query(shape: type[Q], raw: bytes) -> Q:
    """Return the query string as `shape`; raises Invalid for unknown, doubled and wrong ones."""
    pairs = _pairs(raw)
    times = Counter(name for name, _ in pairs)
    found = [Fault(f"/{name}", "is given more than once") for name in times if times[name] > 1]
    try:
        query = shape.model_validate(dict(pairs))
    except ValidationError as error:
        raise Invalid([*found, *map(_as_parameter, faults(error))]) from error
    if found:
        raise Invalid(found)
    return query


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    if not raw:
        return []
    try:
        return parse_qsl(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except UnicodeDecodeError as error:
        raise Refused(400, "The query string is not UTF-8.") from error
    except ValueError as error:
        raise Refused(400, f"There are more than {MAX_PARAMETERS} parameters.") from error


def _as_parameter(found: Fault) -> Fault:
    message = found.message.replace("a field of this body", "a parameter of this address")
    return Fault(found.pointer, message)


def number(_name: str, value: str) -> int:
    """Return an id of the path; raises NotFound, as what is no id names nothing."""
    if not re.fullmatch(r"\d{1,19}", value, re.ASCII) or int(value) > MAX_ID:
        raise NotFound("There is nothing with this id.")
    return int(value)


def part(name: str, value: str) -> str:
    """Return a key or name of the path; raises Invalid, as for the same text in a body."""
    problem = unstorable(value) or line_break(value)
    if "\ufffd" in value:
        problem = "must be UTF-8"
    if not value.strip() or len(value) > MAX_PART:
        problem = f"must have 1 to {MAX_PART} characters, and not only blanks"
    if problem:
        raise Invalid([Fault(f"/{name}", problem)])
    return value


def condition(if_match: str | None) -> Callable[[str | None], None] | None:
    """Return the check that If-Match asks for (RFC 9110, 13.1.1), or None where it asks nothing.

    It raises Stale unless the version it is given is one of those named; for None, a thing that
    does not exist, it always does.
    """
    if if_match is None:
        return None
    tags = {tag.strip() for tag in if_match.split(",")}

    def check(version: str | None) -> None:
        if version is None or not tags & {"*", entity_tag(version)}:
            raise Stale("It was changed since it was read: read it again, then change that.")

    return check


def entity_tag(version: str) -> str:
    """Return `version` as a strong entity tag."""
    return f'"{version}"'
