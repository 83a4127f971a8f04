"""The registry of endpoints: one declaration makes the view and its part of the OpenAPI document.

    @endpoint("POST", "/systems", scope=Scope.ADMIN, tag="Systems", shape=SystemBody,
              answers={201: SystemDocument}, refusals=(409,))
    def create_system(call: Call, document: Any) -> Reply: ...

What a view takes is read from its signature: the parts of its path by name (`id` is a number, every
other a text), `query` (a Query), and one of
- `body`: a Shape, validated straight from the bytes; `Shape | None` where it may be left out,
- `document`: decoded JSON that a service validates as `shape`,
- `patch`: a merge patch (RFC 7396) as decoded JSON, for a service that applies it to `shape`,
- `raw`: a Raw of one of `types`, which the view reads as `shape`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import BaseModel
from werkzeug.datastructures import Headers

from app.services.api_keys import Caller, Scope
from app.services.installation import Installation
from app.services.paging import Query

PREFIX = "/api/v1"
ROOTS = ("/healthz", "/readyz", "/metrics", "/api", "/in", "/ping")
V = TypeVar("V", bound=Callable[..., Any])


class NoQuery(Query):
    """An endpoint without parameters."""


@dataclass(frozen=True)
class Call:
    """One request as a view sees it.

    `condition` is the check of If-Match, to be called with the current version (None: it does not
    exist) inside the transaction that writes; it raises Stale. None: nothing is asked.
    """

    site: Installation
    caller: Caller
    headers: Headers
    condition: Callable[[str | None], None] | None = None


@dataclass(frozen=True)
class Reply:
    """An answer with more than its document; `status` None: the first one declared.

    `version` goes out as ETag, which the caller may send back as If-Match.
    """

    document: BaseModel | Mapping[str, Any] | None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """One declaration: what Flask routes and what the OpenAPI document says.

    `scope` None: open to everyone. `loopback`: open to callers of this machine. `headers` are the
    headers that the view reads, each with what it means. `direct`: answered before Flask.
    """

    method: str
    path: str
    view: Callable[..., Any]
    scope: Scope | None
    tag: str
    answers: Mapping[int, type[BaseModel] | None]
    refusals: tuple[int, ...]
    loopback: bool
    shape: type[BaseModel] | None
    media_type: str
    headers: Mapping[str, str]
    types: tuple[str, ...]
    direct: bool
    takes: Mapping[str, Any]

    @cached_property
    def name(self) -> str:
        """The operation id: readFailure for read_failure."""
        return re.sub(r"_(.)", lambda found: found[1].upper(), self.view.__name__)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The names of the variable parts of its path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @cached_property
    def rule(self) -> str:
        """Its path as Werkzeug writes it; a name may hold anything, an encoded slash as well."""
        return re.sub(r"{(?!id})(\w+)}", r"<name:\1>", self.path).replace("{id}", "<id>")

    @cached_property
    def body(self) -> type[BaseModel] | None:
        """The shape of its body, or the one that a service validates it as."""
        annotation = self.takes.get("body")
        shapes = [kind for kind in get_args(annotation) if kind is not type(None)]
        return shapes[0] if shapes else annotation or self.shape

    @property
    def is_patch(self) -> bool:
        """Whether its body is a merge patch."""
        return "patch" in self.takes

    @property
    def body_optional(self) -> bool:
        """Whether the body may be left out."""
        return type(None) in get_args(self.takes.get("body"))

    @cached_property
    def query(self) -> type[Query]:
        """The shape of its query string."""
        shape: type[Query] = self.takes.get("query", NoQuery)
        return shape


ENDPOINTS: list[Endpoint] = []


def endpoint(  # noqa: PLR0913 - one declaration, all by keyword
    method: str,
    path: str,
    *,
    scope: Scope | None,
    tag: str,
    answers: Mapping[int, type[BaseModel] | None],
    refusals: tuple[int, ...] = (),
    loopback: bool = False,
    shape: type[BaseModel] | None = None,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
    types: tuple[str, ...] = (),
    direct: bool = False,
) -> Callable[[V], V]:
    """Declare the decorated view as an endpoint; its docstring is its description.

    A path that does not begin with one of ROOTS stands under /api/v1. The view returns the
    document of the first answer, or a Reply, or a Response of its own making.
    """
    full = path if is_ours(path) else PREFIX + path

    def declare(view: V) -> V:
        ENDPOINTS.append(
            Endpoint(
                method=method,
                path=full,
                view=view,
                scope=scope,
                tag=tag,
                answers=answers,
                refusals=refusals,
                loopback=loopback,
                shape=shape,
                media_type=media_type,
                headers=headers or {},
                types=types,
                direct=direct,
                takes=_taken(view),
            )
        )
        return view

    return declare


def is_ours(path: str) -> bool:
    """Whether `path` begins with one of ROOTS, so that its errors are problem+json too."""
    return any(path == root or path.startswith(f"{root}/") for root in ROOTS)


def _taken(view: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(view)
    names = list(inspect.signature(view).parameters)[1:]
    return {name: hints[name] for name in names}
