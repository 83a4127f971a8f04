"""What stands in the database of a product, where no answer of its API tells it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg

from tests.harness.product import Product


def select(product: Product, query: str) -> list[Any]:
    """Return the rows of a query that both databases understand."""
    url = product.environ.get("TOCSIN_DATABASE_URL")
    if url:
        with psycopg.connect(url) as connection:
            return connection.execute(query.encode()).fetchall()
    path = product.data / "tocsin.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as found:
        return found.execute(query).fetchall()
