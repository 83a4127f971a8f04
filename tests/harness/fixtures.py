"""Fixtures of tests over real processes; a conftest imports those that it wants."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.harness.mails import Post, post_office
from tests.harness.product import Product

NewDatabase = Callable[[Path], Mapping[str, str]]


@pytest.fixture
def installed(new_database: NewDatabase) -> Iterator[Product]:
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


@pytest.fixture
def product(installed: Product) -> Product:
    """A running product, without a dispatch pass by itself."""
    installed.start()
    installed.api.set(postNotificationSchedule="On Demand")
    return installed


@pytest.fixture
def post() -> Iterator[Post]:
    """A mail server that takes everything."""
    with post_office() as office:
        yield office
