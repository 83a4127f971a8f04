"""Shapes of answers: the base of every document that the API gives, its types, and its pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer, PrivateAttr
from pydantic.alias_generators import to_camel

T = TypeVar("T")

# The server's own ids are numbers inside and opaque strings outside (api.md).
IdText = Annotated[int, PlainSerializer(str, return_type=str)]


class Document(BaseModel):
    """A frozen answer, made by field name: camelCase outside, times in UTC with Z."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=False,
        serialize_by_alias=True,
        frozen=True,
    )


class Page(Document, Generic[T]):
    """One page of a list, newest first; `next` is the cursor of the following one, or null."""

    items: list[T]
    next: str | None = None
    _newer: str | None = PrivateAttr(default=None)

    @property
    def newer(self) -> str | None:
        """The cursor of the page before, for the screens; None: this is the first one."""
        return self._newer

    def beside(self, newer: str | None) -> Page[T]:
        """Note the cursor of the page before, which is no part of the answer; returns itself."""
        self._newer = newer
        return self

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name the page of a shape so that it can be read in the API's description."""
        return f"{params[0].__name__}Page"


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON schema with the shapes that it refers to in their places."""
    defs = schema.get("$defs", {})

    def walk(node: Any) -> Any:
        if isinstance(node, Mapping):
            if "$ref" in node:
                return walk(defs[str(node["$ref"]).rpartition("/")[2]])
            return {name: walk(part) for name, part in node.items() if name != "$defs"}
        return [walk(part) for part in node] if isinstance(node, list) else node

    found: dict[str, Any] = walk(schema)
    return found
