"""Bodies that hold one thing or several: an object, an array, or NDJSON, one object a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from app.api import bodies
from app.api.bodies import Raw
from app.api.problems import Refused
from app.errors import Fault, Invalid
from app.shapes import faults

MOST_FAULTS = 100
S = TypeVar("S", bound=BaseModel)


class Several(Generic[S]):
    """Reads bodies of one `shape` or up to `most` of it, in one pass from the bytes."""

    def __init__(self, shape: type[S], most: int) -> None:
        self._shape, self._most = shape, most
        bounded: Any = Annotated[list[shape], Field(min_length=1, max_length=most)]  # type: ignore[valid-type]
        self._array: TypeAdapter[list[S]] = TypeAdapter(bounded)

    def parse(self, raw: Raw) -> S | list[S]:
        """Return the one of an object, or all of an array or of lines.

        A pointer begins with the place, from 0 on; of NDJSON that is the place among the lines that
        are not blank. Raises Invalid with the first 100 faults, Refused (400) if it is no JSON.
        """
        if raw.lines:
            return self._of_lines(raw.data)
        if raw.data.lstrip()[:1] == b"[":
            return self._of_array(raw.data)
        return bodies.parse(self._shape, raw.data)

    def _of_array(self, data: bytes) -> list[S]:
        try:
            return self._array.validate_json(data)
        except ValidationError as error:
            if bodies.is_malformed(error):
                bodies.refuse_malformed(data, error)
            raise Invalid(_first(faults(error))) from error

    def _of_lines(self, data: bytes) -> list[S]:
        """Read the lines as the array that they would be.

        No object may reach over a line: with a line break between them, no text can, and otherwise
        the number of objects, or what each line begins and ends with, is another one.
        """
        lines = [line for line in map(bytes.strip, data.split(b"\n")) if line]
        if all(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
            found = self._of_joined(lines)
            if found is not None and len(found) == len(lines):
                return found
        _refuse_line(lines)
        raise Refused(400, "The body is not NDJSON: one object a line.")

    def _of_joined(self, lines: Sequence[bytes]) -> list[S] | None:
        """Return what the lines hold, None where one of them is malformed."""
        whole = b"[" + b",\n".join(lines) + b"]"
        try:
            return self._array.validate_json(whole)
        except ValidationError as error:
            if bodies.is_malformed(error):
                return None
            raise Invalid(_first(faults(error))) from error


def _refuse_line(lines: Sequence[bytes]) -> None:
    """Raise what is wrong with the first line that is no JSON, and where it is."""
    for place, line in enumerate(lines):
        try:
            bodies.decode(line)
        except Invalid as error:
            found = [Fault(f"/{place}{one.pointer}", one.message) for one in error.faults]
            raise Invalid(_first(found)) from error
        except Refused as error:
            raise Refused(400, f"Line {place}, counted from 0: {error}") from error


def _first(found: Sequence[Fault]) -> Sequence[Fault]:
    return found[:MOST_FAULTS]
