"""The shell around every page: navigation, top bar, banners, helpers of all templates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask, request
from flask_admin import Admin

from app.clock import utc_now
from app.domain.event_kinds import Row
from app.domain.people import Role
from app.domain.routing import TITLES
from app.pages import tests, times
from app.pages.access import API, maybe_visitor
from app.pages.lists import counted
from app.pages.screen import Screen
from app.services import saved_views
from app.services.installation import installation
from app.services.reading import dispatch_status


@dataclass(frozen=True)
class Place:
    """One entry of the navigation."""

    title: str
    url: str
    icon: str
    active: bool


def bind(app: Flask, admin: Admin) -> None:
    """Give every template what the shell shows; `admin` holds the screens."""
    app.context_processor(partial(_context, admin))
    app.jinja_env.globals.update(
        length=times.length, counted=counted, test_shown=tests.shown, row_title=row_title
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def _context(admin: Admin) -> dict[str, Any]:
    if (request.endpoint or "").startswith(API):
        return {}
    who = maybe_visitor()
    now, zone = utc_now(), who.zone if who else "UTC"
    shared: dict[str, Any] = {
        "who": who,
        "theme": who.theme if who else request.cookies.get("theme", "auto"),
        "when": lambda at: times.shown(at, zone, now),
        "exact": lambda at: times.exact(times.moment(at), zone),
        "may": lambda role: who is not None and who.may(Role(role)),
    }
    if who is not None:
        site = installation()
        shared["environment"] = site.settings.environment
        shared["navigation"] = partial(navigation, admin)
        shared["saved_views"] = partial(saved_views.of, site, who.user_id)
        shared["dispatch"] = dispatch_status.read(site, now)
    return shared


def navigation(admin: Admin) -> list[tuple[str | None, Sequence[Place]]]:
    """Return the menu that Flask-Admin keeps, as sections of places that the visitor may see."""
    sections: dict[str | None, list[Place]] = {}
    for view in _views(admin):
        if view.is_visible() and view.is_accessible():
            active = _is_here(view.path)
            sections.setdefault(view.section, []).append(
                Place(view.title, view.path, view.icon, active)
            )
    return list(sections.items())


def _views(admin: Admin) -> Iterator[Screen]:
    """Yield the screens in the order of the menu."""
    for item in admin.menu():
        entries = item.get_children() if item.is_category() else [item]
        for entry in entries:
            view = getattr(entry, "_view", None)
            if isinstance(view, Screen):
                yield view


def _is_here(path: str) -> bool:
    return request.path == path if path == "/" else request.path.startswith(path)


def row_title(row: str) -> str:
    """Return a row of the routing matrix as people know it."""
    return TITLES[Row(row)]
