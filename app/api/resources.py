"""Resources: the endpoints of a collection (list, POST, GET, PUT, PATCH, DELETE) from one line.

    resource(SYSTEMS, noun="system", tag="Systems", scope=Scope.ADMIN)

The version is that of what is configured: how a thing does (`health`, counters) is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from app.api.endpoints import Call, Reply, endpoint
from app.services import configuring
from app.services.api_keys import Scope
from app.services.configuring import Condition
from app.services.documents import Page
from app.services.installation import Installation
from app.services.named import Collection, Saved, path_to
from app.services.paging import PageQuery


class Remove(Protocol):
    """A deletion that needs more than one transaction."""

    def __call__(
        self, site: Installation, actor: str, name: str, condition: Condition | None, /
    ) -> None: ...


def resource(
    coll: Collection[Any, Any],
    *,
    tag: str,
    scope: Scope,
    makes: bool = True,
    remove: Remove | None = None,
) -> None:
    """Declare the endpoints of `coll`; reading needs `read`, the rest needs `scope`.

    `makes`: whether POST makes new ones. `remove` replaces the deletion in one transaction.
    """
    views = [_list(coll, tag), _read(coll, tag), _replace(coll, tag, scope)]
    views += [_patch(coll, tag, scope), _delete(coll, tag, scope, remove)]
    if makes:
        views.append(_make(coll, tag, scope))
    for declare in views:
        declare()


def reply(saved: Saved, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a thing with its version, which goes out as ETag."""
    return Reply(saved.document, status, headers or {}, saved.version)


Declare = Callable[[], object]


def _named(view: Callable[..., Reply], name: str, summary: str) -> Callable[..., Reply]:
    view.__name__, view.__doc__ = name, summary
    return view


def _list(coll: Collection[Any, Any], tag: str) -> Declare:
    def view(call: Call, query: PageQuery) -> Reply:
        items, following = configuring.page(coll, call.site, query.limit, query.cursor)
        return Reply({"items": items, "next": following})

    named = _named(view, f"list_{coll.kind}s", f"List the {coll.kind}s, newest first.")
    page = Page[coll.shape]  # type: ignore[name-defined]
    return lambda: endpoint("GET", coll.path, scope=Scope.READ, tag=tag, answers={200: page})(named)


def _read(coll: Collection[Any, Any], tag: str) -> Declare:
    def view(call: Call, name: str) -> Reply:
        return reply(configuring.get(coll, call.site, name))

    named = _named(view, f"read_{coll.kind}", f"Read one {coll.kind}.")
    answers = {200: coll.shape}
    return lambda: endpoint("GET", _one(coll), scope=Scope.READ, tag=tag, answers=answers)(named)


def _make(coll: Collection[Any, Any], tag: str, scope: Scope) -> Declare:
    def view(call: Call, body: Any) -> Reply:
        saved = configuring.create(coll, call.site, call.caller.actor, body)
        location = path_to(coll.path, saved.document[coll.key])
        return reply(saved, 201, {"Location": location})

    view.__annotations__["body"] = coll.shape
    named = _named(view, f"make_{coll.kind}", f"Make a {coll.kind}; 409 where it is there already.")
    answers = {201: coll.shape}
    return lambda: endpoint(
        "POST", coll.path, scope=scope, tag=tag, answers=answers, refusals=(409,)
    )(named)


def _replace(coll: Collection[Any, Any], tag: str, scope: Scope) -> Declare:
    def view(call: Call, name: str, body: Any) -> Reply:
        actor, check = call.caller.actor, call.condition
        saved = configuring.replace(coll, call.site, actor, name, body, check)
        if not saved.created:
            return reply(saved)
        return reply(saved, 201, {"Location": path_to(coll.path, name)})

    view.__annotations__["body"] = coll.shape
    named = _named(view, f"put_{coll.kind}", f"Make a {coll.kind}, or replace it.")
    answers = {200: coll.shape, 201: coll.shape}
    return lambda: endpoint(
        "PUT", _one(coll), scope=scope, tag=tag, answers=answers, refusals=(404, 409, 412)
    )(named)


def _patch(coll: Collection[Any, Any], tag: str, scope: Scope) -> Declare:
    def view(call: Call, name: str, patch: Mapping[str, Any]) -> Reply:
        actor, check = call.caller.actor, call.condition
        return reply(configuring.patch(coll, call.site, actor, name, patch, check))

    named = _named(view, f"patch_{coll.kind}", f"Change some fields of a {coll.kind}.")
    answers, refusals = {200: coll.shape}, (404, 409, 412)
    return lambda: endpoint(
        "PATCH",
        _one(coll),
        scope=scope,
        tag=tag,
        answers=answers,
        refusals=refusals,
        shape=coll.shape,
    )(named)


def _delete(coll: Collection[Any, Any], tag: str, scope: Scope, remove: Remove | None) -> Declare:
    def view(call: Call, name: str) -> Reply:
        actor, check = call.caller.actor, call.condition
        if remove is not None:
            remove(call.site, actor, name, check)
        else:
            configuring.delete(coll, call.site, actor, name, check)
        return Reply(None)

    verb = coll.actions[2].capitalize()
    named = _named(view, f"delete_{coll.kind}", f"{verb} the {coll.kind}; 409 while it is in use.")
    return lambda: endpoint(
        "DELETE", _one(coll), scope=scope, tag=tag, answers={204: None}, refusals=(404, 409, 412)
    )(named)


def _one(coll: Collection[Any, Any]) -> str:
    return f"{coll.path}/{{name}}"
