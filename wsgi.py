"""The application for any WSGI server, a debugger or the `flask` command."""

from __future__ import annotations

from app import create_app

app = create_app()
