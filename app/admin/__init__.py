"""The screens of the administration, one module each; importing one is enough to have it."""

from __future__ import annotations

from importlib import import_module

from flask import Flask
from flask_admin import Admin
from flask_admin.theme import Bootstrap4Theme

from app.pages import shell
from app.pages.screen import Screen

# In the order of the navigation; the first is the index.
MODULES = (
    "overview",
    "integrations",
    "registrations",
    "bulk",
    "global_failures",
    "processing_failures",
    "failure_help",
    "routing",
    "deliveries",
    "events",
    "systems",
    "system_form",
    "system_secret",
    "tocsin_system",
    "schedules",
    "users",
    "api_keys",
    "audit_log",
    "about",
    "jobs",
    "tests_shown",
    "saved_views",
)


def register(app: Flask) -> None:
    """Add every screen to `app`."""
    screens = [one() for name in MODULES for one in import_module(f"{__name__}.{name}").SCREENS]
    admin = Admin(
        app, name="Tocsin", url="/", index_view=screens[0], theme=Bootstrap4Theme(), endpoint="top"
    )
    for one in screens[1:]:
        admin.add_view(one)
    shell.bind(app, admin)


__all__ = ["Screen", "register"]
