"""The HTTP interface."""

from __future__ import annotations

from importlib import import_module

from flask import Flask

from app.api import serving

# The modules that declare endpoints; importing one is enough.
MODULES = (
    "acting",
    "bulk",
    "catalogue",
    "checking",
    "docs",
    "events",
    "health",
    "integrations",
    "jobs",
    "reading",
    "registrations",
    "reporting",
    "routes",
    "routing",
    "schedules",
    "settings",
    "systems",
    "testing",
)


def register(app: Flask) -> None:
    """Add the endpoints to `app`."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")
    serving.bind(app)
