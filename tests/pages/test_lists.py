"""Lists as declarations: what a look at one asks and says."""

from __future__ import annotations

from app.pages.lists import Column, Listing, counted
from app.services.documents import Page
from app.services.paging import Count, PageQuery

LISTING = Listing(columns=(Column("Number"),))


def _total(args: dict[str, str], cursor: str | None) -> Count:
    view = LISTING.view(args, "/numbers/", PageQuery)
    page: Page[int] = Page.model_construct(items=[1, 2, 3], next=cursor)
    return view.total(page, lambda _query: Count(99))


def test_the_rows_are_counted_only_where_one_page_does_not_hold_all() -> None:
    assert _total({}, None) == Count(3)
    assert _total({}, "more") == Count(99)
    assert _total({"cursor": "bjAuMA"}, None) == Count(99)


def test_a_count_is_told_in_words() -> None:
    told = [counted(one, LISTING) for one in (Count(1), Count(1312), Count(1312, more=True))]
    assert told == ["1 row", "1,312 rows", "1,312+ rows"]
