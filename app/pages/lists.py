"""Lists as declarations: columns, filters in the URL with chips, a keyset pager, a capped count.

    LISTING = Listing(
        columns=(Column("Integration"), Column("Error count", "text-end")),
        filters=(Choice("direction", "Direction", DIRECTIONS), Text("errorCode", "Error code")),
        empty=Empty("No failures", "Nothing has failed …"),
    )
    view = LISTING.view(request.args, shape=FailureQuery, fixed={"kind": "global"})
    page = failures.page(site, view.query)

The rows are drawn by the block `row` of a template that extends shell/list.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from app.errors import Fault, Invalid
from app.pages.filters import Filter
from app.pages.forms import sentence
from app.services.documents import Page
from app.services.paging import Count, PageQuery
from app.shapes import parse

Q = TypeVar("Q", bound=PageQuery)
PER_PAGE = 50
# So many filters are always in sight; the others can be shown.
FIRST = 4


@dataclass(frozen=True)
class Column:
    """One column: its heading and the classes of its heading; `sort`: its name in `sort=`."""

    title: str
    classes: str = ""
    hidden_title: bool = False


@dataclass(frozen=True)
class Empty:
    """What stands where nothing is: never for a filter that finds nothing, which says so itself."""

    title: str
    text: str = ""
    icon: str = "circle-check"
    link: tuple[str, str] | None = None  # label and URL


@dataclass(frozen=True)
class Chip:
    """A filter that is on, in words, and the URL without it."""

    text: str
    without: str


@dataclass(frozen=True)
class View(Generic[Q]):
    """One look at a list: the query that the URL means, and all that its page links to.

    `problems` says what of the URL was not understood; that part is left out of the query.
    """

    listing: Listing
    args: Mapping[str, str]
    query: Q
    chips: Sequence[Chip]
    problems: Sequence[str]
    path: str

    @property
    def filtered(self) -> bool:
        """Whether any filter is on."""
        return bool(self.chips)

    def filtered_by(self, filters: Sequence[Filter]) -> bool:
        """Whether one of these is on."""
        return any(name in self.args for one in filters for name in one.names)

    def url(self, **changes: str | None) -> str:
        """Return the URL of this look with `changes`; the place in the list is left out."""
        kept = {name: value for name, value in self.args.items() if name != "cursor"}
        return self._url({**kept, **changes})

    def at(self, cursor: str | None) -> str:
        """Return the URL of the page at `cursor`."""
        return self._url({**self.args, "cursor": cursor})

    @property
    def newest(self) -> str:
        """The URL of the first page."""
        return self.at(None)

    @property
    def saved_as(self) -> str:
        """What of this look a saved view keeps."""
        return self.listing.own(self.args)

    @property
    def paged(self) -> bool:
        """Whether this is not the first page."""
        return "cursor" in self.args

    def total(self, page: Page[Any], count: Callable[[Q], Count]) -> Count:
        """Return the capped count of the list, which need not be asked where one page holds all."""
        whole = not self.paged and page.next is None
        return Count(len(page.items)) if whole else count(self.query)

    @property
    def cleared(self) -> str:
        """The URL without any filter."""
        names = {name for one in self.listing.filters for name in one.names}
        return self.url(**dict.fromkeys(names))

    def _url(self, args: Mapping[str, str | None]) -> str:
        query = urlencode({name: value for name, value in args.items() if value})
        return f"{self.path}?{query}" if query else self.path


@dataclass(frozen=True)
class Listing:
    """A list as a screen declares it; `noun` is one of its rows, `nouns` several."""

    columns: Sequence[Column]
    filters: Sequence[Filter] = ()
    empty: Empty = Empty("Nothing here yet")
    noun: str = "row"
    nouns: str = "rows"
    per_page: int = PER_PAGE
    # Parameters of the screen itself, such as a tab: kept in every link and not a filter.
    kept: Sequence[str] = field(default=())

    def view(
        self,
        args: Mapping[str, str],
        path: str,
        shape: type[Q],
        fixed: Mapping[str, str] | None = None,
    ) -> View[Q]:
        """Return the look that `args`, the URL's parameters, ask for.

        `fixed` are parameters of the query that the screen sets. Never raises: what is not
        understood is told in `problems`.
        """
        known = {name: value for name, value in args.items() if value and self._knows(name)}
        wanted: dict[str, str] = {"limit": str(self.per_page)}
        problems: list[str] = []
        for one in self.filters:
            try:
                wanted |= one.read(known)
            except Invalid as error:
                problems += [sentence(f"{one.title} {fault.message}") for fault in error.faults]
                known = {name: value for name, value in known.items() if name not in one.names}
        if "cursor" in known:
            wanted["cursor"] = known["cursor"]
        query = self._parsed(shape, wanted | dict(fixed or {}), problems)
        view = View(self, known, query, (), tuple(problems), path)
        return replace(view, chips=tuple(self._chips(view)))

    @property
    def first_filters(self) -> Sequence[Filter]:
        """The filters that are always in sight."""
        return self._shown[:FIRST] if len(self._shown) > FIRST + 1 else self._shown

    @property
    def more_filters(self) -> Sequence[Filter]:
        """The filters behind *More filters*."""
        return self._shown[len(self.first_filters) :]

    @property
    def hidden_names(self) -> Sequence[str]:
        """The parameters of its URL that nobody types."""
        hidden = [one for one in self.filters if one.kind == "hidden"]
        return (*self.kept, *(name for one in hidden for name in one.names))

    @property
    def _shown(self) -> Sequence[Filter]:
        return [one for one in self.filters if one.kind != "hidden"]

    @property
    def names(self) -> Sequence[str]:
        """Every parameter of its URL but the place in the list."""
        return (*(name for one in self.filters for name in one.names), *self.kept)

    def own(self, args: Mapping[str, str]) -> str:
        """Return what of `args` is the list's own as a query string, always in one order."""
        return urlencode([(name, args[name]) for name in self.names if args.get(name)])

    def _knows(self, name: str) -> bool:
        return name == "cursor" or name in self.names

    def _parsed(self, shape: type[Q], wanted: dict[str, Any], problems: list[str]) -> Q:
        """Return the query; a parameter with a fault is left out of it, and told."""
        try:
            return parse(shape, wanted)
        except Invalid as error:
            bad = {fault.pointer.strip("/").split("/")[0] for fault in error.faults}
            problems += [self._told(fault) for fault in error.faults]
            rest = {name: value for name, value in wanted.items() if name not in bad}
            return parse(shape, rest) if len(rest) < len(wanted) else parse(shape, {})

    def _told(self, fault: Fault) -> str:
        name = fault.pointer.strip("/")
        title = next((one.title for one in self.filters if name in one.names), name)
        return sentence(f"{title} {fault.message}")

    def _chips(self, view: View[Any]) -> list[Chip]:
        found = []
        for one in self.filters:
            text = one.chip(view.args)
            if text:
                found.append(Chip(text, view.url(**dict.fromkeys(one.names))))
        return found


def counted(count: Count, listing: Listing) -> str:
    """Return a capped count in words: 1 failure, 312 failures, 10,000+ failures."""
    if count.more:
        return f"{count.number:,}+ {listing.nouns}"
    return f"{count.number:,} {listing.noun if count.number == 1 else listing.nouns}"
