"""The command line: `flask tocsin …`."""

from __future__ import annotations

from flask import Flask
from flask.cli import AppGroup

group = AppGroup("tocsin", help="Work on this installation of Tocsin.")


def register(app: Flask) -> None:
    """Add the commands to `app`."""
    app.cli.add_command(group)
