"""Pages around the administration: signing in and out, the first admin, one's own account."""

from __future__ import annotations

from flask import Flask

from app.web import account, signing


def register(app: Flask) -> None:
    """Add the pages to `app`."""
    app.register_blueprint(signing.pages)
    app.register_blueprint(account.pages)
