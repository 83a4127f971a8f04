"""Bodies of requests: bounded, JSON in UTF-8, validated once by pydantic straight from the bytes.

Where a key of an object is doubled, the last one counts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from app.api.problems import Refused
from app.errors import Fault, Invalid
from app.shapes import faults, unstorable

MAX_BODY = 8 * 1024 * 1024
JSON = ("application/json",)
PATCH = ("application/merge-patch+json", "application/json")
NDJSON = "application/x-ndjson"
S = TypeVar("S", bound=BaseModel)

_TOO_LARGE = "The body is larger than 8 MiB (8,388,608 bytes)."


@dataclass(frozen=True)
class Raw:
    """A body as it came; `lines`: it is NDJSON."""

    data: bytes
    lines: bool


def raw(request: Request, types: tuple[str, ...]) -> Raw:
    """Return a body of one of `types` that nobody has looked at; raises Refused."""
    return Raw(read(request, types), request.mimetype == NDJSON)


def read(request: Request, types: tuple[str, ...]) -> bytes:
    """Return the body; raises Refused (415, 413, 400). At most 8 MiB and a chunk are read."""
    _check_type(request, types)
    if (request.content_length or 0) > MAX_BODY:
        raise Refused(413, _TOO_LARGE)
    request.max_content_length = MAX_BODY
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise Refused(413, _TOO_LARGE) from error
    except ClientDisconnected as error:
        raise Refused(400, "The body ended before its Content-Length.") from error


def _check_type(request: Request, types: tuple[str, ...]) -> None:
    if request.mimetype not in types:
        given = request.mimetype or "none"
        raise Refused(415, f"The content type must be {' or '.join(types)}, not {given}.")
    charset = request.mimetype_params.get("charset", "utf-8")
    if charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Refused(415, f"The body must be UTF-8, not {charset}.")
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise Refused(415, f"The body must come as it is, not encoded as {encoding}.")


def parse(shape: type[S], raw: bytes) -> S:
    """Return `raw` as `shape`; raises Invalid with every fault, Refused (400) if it is no JSON."""
    try:
        return shape.model_validate_json(raw)
    except ValidationError as error:
        if is_malformed(error):
            refuse_malformed(raw, error)
        raise Invalid(faults(error)) from error


def is_malformed(error: ValidationError) -> bool:
    """Whether the body is no JSON at all."""
    if error.error_count() > 1:
        return False
    return error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid"


def decode(raw: bytes) -> Any:
    """Return `raw` as plain values; raises Refused (400), Invalid where no database can hold it."""
    try:
        value = json.loads(raw.decode(), parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The body is not JSON in UTF-8: {_plain(error)}") from error
    if found := list(_unstorable(value, "")):
        raise Invalid(found)
    return value


def refuse_malformed(raw: bytes, error: ValidationError) -> NoReturn:
    """Name the field of a lone surrogate, which pydantic calls malformed; else the place."""
    decode(raw)
    place = error.errors(include_url=False)[0].get("ctx", {}).get("error", "")
    raise Refused(400, f"The body is not JSON in UTF-8: {place}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _plain(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return "too deep" if isinstance(error, RecursionError) else str(error)


def _unstorable(value: Any, pointer: str) -> Iterator[Fault]:
    """Yield a fault for each text that holds a NUL or a lone surrogate."""
    if isinstance(value, str):
        if problem := unstorable(value):
            yield Fault(pointer, problem)
    elif isinstance(value, dict):
        for name, item in value.items():
            if problem := unstorable(name):
                yield Fault(pointer, f"a field name {problem}")
            else:
                part = name.replace("~", "~0").replace("/", "~1")
                yield from _unstorable(item, f"{pointer}/{part}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unstorable(item, f"{pointer}/{index}")
