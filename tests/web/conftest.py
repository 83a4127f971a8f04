"""What the tests of pages share."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.web.helpers import drawable


@pytest.fixture
def pages(app: Flask) -> Flask:
    """The application, whose pages can be drawn."""
    return drawable(app)
