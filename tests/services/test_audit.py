"""The audit log: in the transaction of its change, with secrets masked whoever calls."""

from __future__ import annotations

import pytest

from app.services import audit
from app.services.installation import Installation
from tests.services.makers import ACTOR, audited


def test_secrets_are_masked_whatever_is_handed_in(site: Installation) -> None:
    document = {"name": "Mail", "secrets": {"password": "clear text", "token": None}}
    with site.store.writing() as connection:
        audit.record(connection, ACTOR, "create", "system", "Mail", None, document)
    (row,) = audited(site)
    assert row.after == {"name": "Mail", "secrets": {"password": "***"}}


def test_a_row_stands_or_falls_with_its_transaction(site: Installation) -> None:
    with pytest.raises(RuntimeError), site.store.writing() as connection:
        audit.record(connection, ACTOR, "create", "system", "Mail", None, {})
        raise RuntimeError("the change failed")
    assert audited(site) == []


def test_a_long_name_is_cut_rather_than_lost(site: Installation) -> None:
    with site.store.writing() as connection:
        audit.record(connection, "a" * 500, "create", "integration", "k" * 500, None, {})
    (row,) = audited(site)
    assert (len(row.actor), len(row.subject_name)) == (200, 255)
