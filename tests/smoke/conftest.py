"""The fixtures of the stories: one product per database for all that do not end it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ADMIN_KEY, DATABASES
from tests.harness.client import Api
from tests.harness.fixtures import NewDatabase, calm, installation, post, product
from tests.harness.product import Product

__all__ = ["post", "product"]


@pytest.fixture
def installed(new_database: NewDatabase) -> Iterator[Product]:
    """A fresh installation that has not been started."""
    with installation(new_database) as made:
        yield made


@pytest.fixture(scope="session", params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on; of the session, so that its tests come together."""
    return str(request.param)


@pytest.fixture(scope="session")
def running(database: str, request: pytest.FixtureRequest) -> Iterator[Product]:
    """The product that the stories share, started as its users start it.

    Each uses names of its own, and the pass is on demand.
    """

    def new_database(directory: Path) -> dict[str, str]:
        environ = {"TOCSIN_DATA_DIR": str(directory), "TOCSIN_API_KEY": ADMIN_KEY}
        if database == "postgresql":
            environ["TOCSIN_DATABASE_URL"] = request.getfixturevalue("postgresql").new()
        return environ

    with installation(new_database) as made:
        made.cold = True
        yield calm(made)
        assert made.flask("tocsin", "check") == "0 violations\n"


@pytest.fixture
def api(running: Product) -> Api:
    """A client of the shared product."""
    return running.api
