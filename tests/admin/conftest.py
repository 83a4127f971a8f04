"""What the tests of screens share: people of each role."""

from __future__ import annotations

import pytest
from flask import Flask

from app.domain.people import Role
from tests.admin.person import Person


@pytest.fixture
def admin(app: Flask) -> Person:
    """An admin at the browser."""
    return Person(app)


@pytest.fixture
def operator(app: Flask) -> Person:
    """An operator at the browser."""
    return Person(app, Role.OPERATOR)


@pytest.fixture
def viewer(app: Flask) -> Person:
    """A viewer at the browser."""
    return Person(app, Role.VIEWER)
