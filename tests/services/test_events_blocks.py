"""Ids taken before their rows: nobody else gets them, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import delete, insert

from app.clock import utc_now
from app.models import Event, RouteRevision
from app.services import blocks
from app.services.installation import Installation

TABLE: Any = RouteRevision.__table__


def add(site: Installation, number: int) -> list[int]:
    """Insert rows with ids of a block; returns the ids."""
    now = utc_now()
    with site.store.writing() as connection:
        ids = blocks.take(connection, TABLE, number)
        rows = [{"id": one, "made_at": now, "actor": "a test", "document": {}} for one in ids]
        connection.execute(insert(TABLE), rows)
    return list(ids)


def test_a_block_of_a_table_without_rows_begins_with_1(site: Installation) -> None:
    assert add(site, 3) == [1, 2, 3]
    assert add(site, 2) == [4, 5]


def test_ids_that_the_database_gives_go_on_behind_a_block(site: Installation) -> None:
    add(site, 3)
    row = {"made_at": utc_now(), "actor": "a test", "document": {}}
    with site.store.writing() as connection:
        made = connection.scalar(insert(TABLE).values(row).returning(TABLE.c.id))
    assert made == 4
    assert add(site, 1) == [5]


def test_an_id_is_never_given_again(site: Installation) -> None:
    add(site, 3)
    with site.store.writing() as connection:
        connection.execute(delete(TABLE))
    assert add(site, 1) == [4]


def test_no_ids_are_taken_for_nothing(site: Installation) -> None:
    with site.store.writing() as connection:
        assert list(blocks.take(connection, Event.__table__, 0)) == []


def test_blocks_that_are_taken_at_once_do_not_overlap(site: Installation) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: add(site, 20), range(24)))

    assert all(ids == sorted(ids) for ids in taken)
    assert len({one for ids in taken for one in ids}) == 480
