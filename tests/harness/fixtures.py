"""Fixtures of tests over real processes; a conftest imports those that it wants."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.mails import Post, post_office
from tests.harness.product import Product

NewDatabase = Callable[[Path], Mapping[str, str]]
ON_DEMAND = "On Demand"


@contextmanager
def installation(new_database: NewDatabase) -> Iterator[Product]:
    """A fresh installation that has not been started."""
    # Not tmp_path: the path of a unix socket has at most 107 bytes.
    parent = Path(tempfile.mkdtemp(prefix="tcs-"))
    product = Product(parent / "d", new_database(parent / "d"))
    try:
        yield product
    finally:
        product.clean_up()
        if product.output_file.exists():
            print(product.output)  # pytest shows it when the test fails
        shutil.rmtree(parent, ignore_errors=True)


def calm(product: Product) -> Product:
    """Start a product, without a dispatch pass by itself."""
    product.start()
    product.api.set(postNotificationSchedule=ON_DEMAND)
    return product


@pytest.fixture
def installed(new_database: NewDatabase) -> Iterator[Product]:
    """A fresh installation that has not been started."""
    with installation(new_database) as product:
        yield product


@pytest.fixture
def product(installed: Product) -> Product:
    """A running product of the test's own, without a dispatch pass by itself."""
    return calm(installed)


@pytest.fixture
def post() -> Iterator[Post]:
    """A mail server that takes everything."""
    with post_office() as office:
        yield office
