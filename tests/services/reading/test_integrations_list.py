"""The list of integrations: filters, order, pages both ways, and how each direction does."""

from __future__ import annotations

import pytest

from app.clock import utc_now
from app.services import integrations
from app.services.installation import Installation
from app.services.paging import Count
from app.services.reading import integrations_list
from app.services.reading.integrations_list import IntegrationQuery
from app.shapes import parse
from tests.services.makers import ACTOR, put_integration, put_system, register
from tests.services.spine import report
from tests.simulated import Simulated


def query(**fields: str) -> IntegrationQuery:
    return parse(IntegrationQuery, fields)


def keys(site: Installation, **fields: str) -> list[str]:
    return [row.key for row in integrations_list.page(site, query(**fields)).items]


def make(site: Installation) -> None:
    put_system(site)
    for key, name in (("b", "beta"), ("a", "Alpha"), ("c", "Gamma"), ("d", "delta")):
        put_integration(site, key, name=name)
    register(site, "a")
    off = {"status": "inactive"}
    put_integration(site, "d", name="delta", forward=off, backward=off)
    report(site, "b", kind="processing", entityId="1", message="no")


@pytest.mark.parametrize(
    ("show", "found"),
    [
        ("all", ["a", "b", "d", "c"]),
        ("unregistered", ["b", "d", "c"]),
        ("failing", ["b"]),
        ("inactive", ["d"]),
        ("silent", []),
    ],
)
def test_each_chip_finds_its_own_by_name(site: Installation, show: str, found: list[str]) -> None:
    make(site)

    assert keys(site, show=show) == found
    assert integrations_list.count(site, query(show=show)) == Count(len(found))
    assert integrations_list.keys(site, query(show=show)) == found


def test_pages_go_both_ways(site: Installation) -> None:
    make(site)
    first = integrations_list.page(site, query(limit="2"))
    assert (first.newer, first.next is None) == (None, False)

    second = integrations_list.page(site, query(limit="2", cursor=first.next or ""))
    assert [row.key for row in second.items] == ["d", "c"]
    assert second.next is None

    again = integrations_list.page(site, query(limit="2", cursor=second.newer or ""))
    assert [row.key for row in again.items] == ["a", "b"]


def test_a_page_after_one_that_was_deleted_begins_anew(site: Installation) -> None:
    make(site)
    first = integrations_list.page(site, query(limit="2"))
    integrations.delete(site, ACTOR, "b")

    assert keys(site, limit="2", cursor=first.next or "") == ["a", "d"]


def test_what_is_typed_is_literal(site: Installation) -> None:
    make(site)

    assert keys(site, q="ALPH") == ["a"]
    assert keys(site, q="%") == []


def test_a_row_tells_registration_and_health(site: Installation) -> None:
    make(site)
    report(site, "a")

    alpha, beta = integrations_list.page(site, query(limit="2")).items

    assert (alpha.registered, alpha.system, alpha.recipients) == (
        True,
        "Mail",
        ["ops@corp.example"],
    )
    assert [(one.failures, one.open) for one in alpha.directions] == [(1, 0), (0, 0)]
    assert [(one.failures, one.open) for one in beta.directions] == [(0, 1), (0, 0)]
    assert not beta.directions[0].healthy


def test_silence_beyond_the_limit_is_found(site: Installation, simulated: Simulated) -> None:
    make(site)
    once = {"recipients": ["ops@corp.example"], "global": {"noActivityMinutes": 15}}
    register(site, "a", forward=once)
    simulated.passes(minutes=16)

    assert keys(site, show="silent") == ["a"]
    row = integrations_list.page(site, query(show="silent")).items[0]
    assert row.directions[0].silent_since is not None
    assert row.directions[0].silent_since < utc_now()
