"""Saved views: everybody gives names to looks at the lists, and finds them there again."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from flask import request

from app.domain.people import Role
from app.errors import NotFound
from app.pages.fields import Field
from app.pages.forms import Form, tried
from app.pages.screen import UNPROCESSABLE, Answer, Screen, back, post, route, unsure
from app.services import saved_views
from app.services.saved_views import LONGEST_NAME


@cache
def _empty_form() -> Form:
    name = Field("/name", "Name", "text", required=True, longest=LONGEST_NAME)
    return Form.made(name)


class SavedViews(Screen):
    """Saving a look at a list, and deleting one; the lists show them."""

    title, path, icon, shown = "Save this view", "/views/", "bookmark", False

    @route("/new")
    def new(self) -> str:
        """Show the form for the filters that the address carries."""
        return self._form(_empty_form())

    @post("/new", Role.VIEWER)
    def create(self) -> Answer:
        """Save the filters of a list under a name."""
        place, query = self._look()

        def work() -> Any:
            name = request.form.get("name", "").strip()
            return saved_views.save(
                self.site, self.visitor.user_id, path=place.path, name=name, query=query
            )

        saved, form = tried(_empty_form(), request.form, work)
        if saved is None:
            return self._form(form), UNPROCESSABLE
        found = saved_views.one(self.site, self.visitor.user_id, saved)
        return self.done(found.url, f"The view {found.name} was saved.")

    @post("/<int:number>/delete", Role.VIEWER)
    def delete(self, number: int) -> Answer:
        """Delete a view of one's own."""
        found = saved_views.one(self.site, self.visitor.user_id, number)
        asked = unsure(f"The saved view {found.name} will be deleted.", "Delete")
        if asked:
            return asked
        saved_views.remove(self.site, self.visitor.user_id, number)
        return self.done(back(found.path), f"The view {found.name} was deleted.")

    def _form(self, form: Form) -> str:
        place, query = self._look()
        url = f"{place.path}?{query}" if query else place.path
        return self.page("admin/saved_view_form.html", form=form, place=place, query=query, url=url)

    def _look(self) -> tuple[Screen, str]:
        """Return the screen of the list, and its own of the query string; raises NotFound."""
        wanted = request.values.get("list", "")
        for one in self.admin._views:
            if isinstance(one, Screen) and one.listing is not None and one.path == wanted:
                if not one.is_accessible():
                    break
                typed = dict(parse_qsl(request.values.get("query", "")))
                return one, one.listing.own(typed)
        raise NotFound("There is no such list whose filters can be saved.")


SCREENS = (SavedViews,)
