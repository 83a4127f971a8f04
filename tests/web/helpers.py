"""A browser without a window: pages, their forms, and people who sign in."""

from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.domain.people import Role
from app.services import people
from app.services.installation import installation

PASSWORD = "correct horse battery"


def drawable(app: Flask) -> Flask:
    """Let pages be drawn although no assets are built."""
    app.jinja_env.globals.update(asset=lambda name: f"/static/{name}", icon=lambda name: "")
    return app


def add(app: Flask, role: Role = Role.ADMIN, email: str | None = None) -> int:
    """Make a user `<role>@example.com`."""
    site = installation(app)
    email = email or f"{role}@example.com"
    return people.create(site, email=email, password=PASSWORD, role=role, actor="test")


def token(client: FlaskClient, path: str = "/sign-in") -> str:
    """Return the CSRF token of the page's form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found, path
    return found[1]


def sign_in(
    client: FlaskClient, email: str = "admin@example.com", password: str = PASSWORD, **more: str
) -> TestResponse:
    """Fill in the form and send it."""
    values = {"csrf_token": token(client), "email": email, "password": password, **more}
    return client.post("/sign-in", data=values)


def signed_in(app: Flask, role: Role = Role.ADMIN) -> FlaskClient:
    """Return the browser of a new user of that role."""
    add(app, role)
    client = app.test_client()
    assert sign_in(client, f"{role}@example.com").status_code == 303
    return client
