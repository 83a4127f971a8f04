"""Shapes of input: the strict base of every body and form, its types, and faults in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from app.errors import Fault, Invalid

S = TypeVar("S", bound=BaseModel)
MOST_FAULTS = 10_000
_BESIDE = "beside"


class Shape(BaseModel):
    """A frozen, strict body: camelCase outside, unknown fields refused by name."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
        regex_engine="python-re",
    )


def fault(message: str) -> PydanticCustomError:
    """Return an error whose message goes to the sender as it stands."""
    return PydanticCustomError("fault", "{message}", {"message": message})


def beside(messages: Mapping[str, str]) -> ValidationError:
    """Return the error of a field's check that finds faults of the fields beside it, by name."""
    kinds = {
        name: PydanticCustomError(_BESIDE, "{message}", {"message": message})
        for name, message in messages.items()
    }
    found = [InitErrorDetails(type=kind, loc=(name,), input=None) for name, kind in kinds.items()]
    return ValidationError.from_exception_data(_BESIDE, found)


@dataclass(frozen=True, eq=False)
class Rule:
    """A check with its JSON schema, for `Annotated[int, whole(1, 9)]` or alone as a type."""

    check: Callable[[Any], Any]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self.schema)


def whole(low: int, high: int) -> Any:
    """Return the type of a whole number from `low` to `high`, both named when it is wrong."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise fault(f"must be a whole number from {low:,} to {high:,}")
        return value

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Rule(check, schema)


def number(low: float, high: float) -> Any:
    """Return the type of a finite number from `low` to `high`, decimals allowed."""

    def check(value: Any) -> float:
        ok = isinstance(value, int | float) and not isinstance(value, bool)
        if not ok or not low <= value <= high:
            raise fault(f"must be a number from {low:g} to {high:g}")
        return float(value)

    schema = {"type": "number", "minimum": low, "maximum": high}
    return Rule(check, schema)


def text(longest: int, *, required: bool = False, line: bool = False) -> Any:
    """Return the type of a text: at most `longest` characters, no NUL; `line`: no line break."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise fault("must be a text")
        if len(value) > longest:
            raise fault(f"must have at most {longest:,} characters, has {len(value):,}")
        if required and not value.strip():
            raise fault("must not be empty")
        problem = unstorable(value) or (line_break(value) if line else None)
        if problem:
            raise fault(problem)
        return value

    schema = {"type": "string", "maxLength": longest, "minLength": 1 if required else 0}
    return Rule(check, schema)


def unstorable(value: str) -> str | None:
    """Return why no database can hold `value`, or None."""
    if "\x00" in value:
        return "must not contain NUL characters"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must not contain lone surrogates"
    return None


def line_break(value: str) -> str | None:
    """Return why `value` is not one line (it may reach a mail header), or None."""
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]", value):
        return "must be one line, without line breaks or control characters"
    return None


def _moment(value: Any) -> datetime:
    """Parse RFC 3339 with an offset; the year 1 to 9999 minus a day at each end."""
    if isinstance(value, datetime):
        moment = value
    else:
        if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", value):
            raise fault("must be a time as in 2026-11-03T10:31:00Z")
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise fault(f"must be a time as in 2026-11-03T10:31:00Z: {error}") from error
    if moment.tzinfo is None:
        raise fault("must carry an offset, such as Z or +01:00")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as error:
        raise fault("must be a time from 1970 to 9998") from error
    if not datetime(1970, 1, 1, tzinfo=UTC) <= moment <= datetime(9998, 1, 1, tzinfo=UTC):
        raise fault("must be a time from 1970 to 9998")
    return moment


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "missing": lambda _: "is required",
    "extra_forbidden": lambda _: "is not a field of this body",
    "bool_type": lambda _: "must be true or false",
    "string_type": lambda _: "must be a text",
    "list_type": lambda _: "must be a list",
    "dict_type": lambda _: "must be an object",
    "model_type": lambda _: "must be an object",
    "model_attributes_type": lambda _: "must be an object",
    "literal_error": lambda context: f"must be {context.get('expected', 'another value')}",
    "enum": lambda context: f"must be {context.get('expected', 'another value')}",
    "json_invalid": lambda context: f"is not JSON: {context.get('error', '')}",
    "string_unicode": lambda _: "must not contain lone surrogates",
    "string_too_short": lambda _: "must not be empty",
    "string_too_long": lambda context: (
        f"must have at most {context['max_length']:,} characters, has {context['length']:,}"
    ),
    "too_short": lambda _: "must not be empty",
    "too_long": lambda context: f"must have at most {context['max_length']:,} entries",
}


def faults(error: ValidationError, base: str = "") -> list[Fault]:
    """Return every fault of a body in plain words, each with its JSON pointer under `base`.

    Of what can only be hostile, that it has too many: 8 MiB of unknown fields would take 10 s.
    """
    found = []
    if error.error_count() > MOST_FAULTS:
        return [Fault(base, f"has {error.error_count():,} faults, too many to be named")]
    for item in error.errors(include_url=False):
        pointer = base + "".join(f"/{_escaped(part)}" for part in _outside(item))
        sentence = _SENTENCES.get(item["type"])
        message = sentence(_context(item)) if sentence else item["msg"]
        found.append(Fault(pointer, message))
    return found


def _context(item: Any) -> dict[str, Any]:
    context: dict[str, Any] = dict(item.get("ctx") or {})
    if isinstance(item["input"], str):
        context["length"] = len(item["input"])
    return context


def _outside(item: Any) -> tuple[str | int, ...]:
    """Return the path as the sender knows it: a checked default comes with the inner name."""
    path: tuple[str | int, ...] = item["loc"]
    if item["type"] == _BESIDE:
        return (*path[:-2], path[-1])
    if item["type"] == "fault" and path and isinstance(path[0], str):
        return (to_camel(path[0]), *path[1:])
    return path


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def parse(shape: type[S], value: Any, base: str = "") -> S:
    """Return `value` (already decoded JSON) as `shape`; raises Invalid with every fault."""
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        raise Invalid(faults(error, base)) from error
