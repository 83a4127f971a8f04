"""Lists as declarations: what a look at one asks and says."""

from __future__ import annotations

from app.pages.lists import Column, Listing
from app.services.documents import Page
from app.services.paging import PageQuery

LISTING = Listing(columns=(Column("Number"),))


def _total(args: dict[str, str], cursor: str | None) -> int:
    view = LISTING.view(args, "/numbers/", PageQuery)
    page: Page[int] = Page.model_construct(items=[1, 2, 3], next=cursor)
    return view.total(page, lambda _query: 99)


def test_the_rows_are_counted_only_where_one_page_does_not_hold_all() -> None:
    assert _total({}, None) == 3
    assert _total({}, "more") == 99
    assert _total({"cursor": "bjAuMA"}, None) == 99
