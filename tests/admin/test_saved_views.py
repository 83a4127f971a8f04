"""Saved views: each user's own names for looks at the lists."""

from __future__ import annotations

import html
import re

import pytest
from flask import Flask

from app.domain.people import Role
from app.errors import Conflict, Invalid
from app.models import SavedView, User
from app.services import people, saved_views
from app.services.installation import Installation
from tests.admin.person import Person, words
from tests.services.makers import put_integration
from tests.services.spine import rows

XSS = "<script>alert(1)</script>"
FAILING = {"list": "/integrations/", "query": "show=failing&cursor=x&foreign=1"}


def saved(site: Installation) -> list[tuple[str, str, str]]:
    return [(row.path, row.name, row.query) for row in rows(site, SavedView)]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/integrations/", "q=a&show=silent"),
        ("/failures/global/", "state=open&errorType=other"),
        ("/failures/processing/", "errorCode=A+%26+B"),
        ("/deliveries/", "state=pending&period=days&n=7"),
        ("/audit-log/", "kind=system"),
    ],
)
def test_every_list_with_filters_offers_to_save_them_and_shows_what_was_saved(
    admin: Person, path: str, query: str
) -> None:
    assert "Save this view" not in admin.text(path)
    page = admin.get(f"{path}?{query}").text
    found = re.search(r'href="(/views/new[^"]*)"', page)
    assert found
    form = admin.get(html.unescape(found[1])).text
    sent = dict(re.findall(r'type="hidden" name="(list|query)" value="([^"]*)"', form))

    answer = admin.post("/views/new", name="Mine", **{k: html.unescape(v) for k, v in sent.items()})

    assert answer.headers["Location"] == f"{path}?{query}"
    assert "The view Mine was saved." in admin.text(f"{path}?{query}")
    assert "Save this view" not in admin.text(f"{path}?{query}")
    assert f'href="{html.escape(f"{path}?{query}")}"' in admin.get(path).text


def test_a_view_keeps_the_filters_of_its_list_and_nothing_else(
    site: Installation, viewer: Person
) -> None:
    assert "was saved" in viewer.done("/views/new", name=" Failing ", **FAILING)

    assert saved(site) == [("/integrations/", "Failing", "show=failing")]
    for place in ("/nowhere/", "/systems/", "//evil.example/", "/audit-log/", ""):
        answer = viewer.post("/views/new", name="x", list=place, query="kind=system")
        assert answer.status_code == 404, place
    assert len(saved(site)) == 1


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("", "show=failing", "Name is required."),
        ("x" * 61, "show=failing", "at most 60 characters"),
        ("two\nlines", "show=failing", "one line"),
        ("Taken", "show=failing", "You have a view 'Taken' of this list already"),
        ("x", "foreign=1", "No filter is on"),
        ("x", f"q={'x' * 2000}", "more than 2,000 characters"),
    ],
    ids=["none", "long", "lines", "twin", "nothing", "much"],
)
def test_what_cannot_be_saved_says_why_and_keeps_what_was_typed(
    site: Installation, admin: Person, name: str, query: str, said: str
) -> None:
    admin.done("/views/new", name="Taken", **FAILING)

    answer = admin.post("/views/new", name=name, list="/integrations/", query=query)

    assert answer.status_code == 422
    assert said in words(answer)
    assert f'value="{name}"' in answer.text
    assert len(saved(site)) == 1


def test_the_same_name_may_stand_for_another_list_and_for_another_user(
    site: Installation, admin: Person, viewer: Person
) -> None:
    for person, place in (
        (admin, "/integrations/"),
        (admin, "/deliveries/"),
        (viewer, "/integrations/"),
    ):
        person.done("/views/new", name="Mine", list=place, query="q=a&system=b")

    assert len(saved(site)) == 3


def test_views_are_seen_and_deleted_by_their_user_alone_after_asking(
    site: Installation, admin: Person, viewer: Person
) -> None:
    put_integration(site)
    admin.done("/views/new", name=XSS, **FAILING)

    assert XSS not in viewer.text("/integrations/")
    assert viewer.post("/views/1/delete", sure="yes").status_code == 404
    page = admin.get("/integrations/").text
    assert XSS not in page
    assert 'aria-label="Delete the view &lt;script&gt;' in page
    assert "will be deleted" in words(admin.post("/views/1/delete", back="/integrations/?q=a"))
    assert len(saved(site)) == 1
    answer = admin.post("/views/1/delete", back="/integrations/?q=a", sure="yes")
    assert answer.headers["Location"] == "/integrations/?q=a"
    assert saved(site) == []
    assert admin.post("/views/1/delete", sure="yes").status_code == 404


def test_a_user_has_fifty_views_at_most_and_they_go_with_the_user(
    app: Flask, site: Installation, admin: Person
) -> None:
    Person(app, Role.VIEWER)
    user = next(one.id for one in rows(site, User) if one.role is Role.VIEWER)
    keep = {"path": "/integrations/", "query": "q=a"}
    for number in range(saved_views.MOST):
        saved_views.save(site, user, name=str(number), **keep)

    with pytest.raises(Conflict, match="50 saved views"):
        saved_views.save(site, user, name="more", **keep)
    admin.done("/views/new", name="Of another", **FAILING)
    people.remove(site, user, actor="test")

    assert [name for _, name, _ in saved(site)] == ["Of another"]


def test_a_name_that_no_database_can_hold_is_refused(site: Installation, admin: Person) -> None:
    user = rows(site, User)[0].id

    with pytest.raises(Invalid):
        saved_views.save(site, user, path="/integrations/", name="a\0b", query="q=a")
