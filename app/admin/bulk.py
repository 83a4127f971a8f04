"""What is done with many integrations at once: registering, activating, inactivating (S1)."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request
from werkzeug.wrappers import Response

from app.domain.kinds import JobKind
from app.domain.people import Role
from app.errors import Fault, Invalid
from app.pages import registration_form as shape
from app.pages.forms import Form
from app.pages.screen import UNPROCESSABLE, Answer, Screen, back, post, unsure
from app.services import activating, bulk
from app.services.bulk_shape import MOST_KEYS, BulkBody
from app.services.reading import integration_of, integrations_list
from app.services.reading.integrations_list import IntegrationQuery
from app.shapes import parse

LIST = "/integrations/"
_REGISTRATION = "/registration"
_KINDS = {"activate": JobKind.ACTIVATE, "inactivate": JobKind.INACTIVATE}
_FORM = (shape.FORWARD,)


class Bulk(Screen):
    """The pages behind the bulk bar of the list of integrations."""

    title, path, icon, shown = "Integrations", "/integrations/bulk", "list-details", False

    @post("/", Role.OPERATOR)
    def ask(self) -> Answer:
        """Show the one form of all that are selected, with what it will do."""
        keys = self._selected()
        return self._form(keys, self._empty()) if keys else self._nothing()

    @post("/register", Role.OPERATOR)
    def register(self) -> Answer:
        """Register those of the selection that are not registered."""
        keys, form = self._selected(), self._empty()
        if not keys:
            return self._nothing()
        asked = {"integrations": keys, "registration": shape.read(form, request.form)}
        try:
            job_id = bulk.register(self.site, self.actor, parse(BulkBody, asked))
        except Invalid as error:
            form = shape.typed_again(form, request.form).with_faults(_own(error))
            return self._form(keys, form), UNPROCESSABLE
        return self.done(f"/jobs/{job_id}", "The bulk registration was asked for.", "info")

    @post("/activate")
    def activate(self) -> Answer:
        """Activate all directions of the selection."""
        return self._switch("activate", "Their failures are told from now on.")

    @post("/inactivate")
    def inactivate(self) -> Answer:
        """Inactivate all directions of the selection."""
        return self._switch("inactivate", "Their failures are stored and not told.")

    def _switch(self, action: str, effect: str) -> Answer:
        keys = self._selected()
        if not keys:
            return self._nothing()
        number = f"{len(keys):,} integration{'' if len(keys) == 1 else 's'}"
        asked = unsure(f"{number} selected: all directions. {effect}", action.capitalize())
        if asked:
            return asked
        job_id = activating.start(self.site, self.actor, _KINDS[action], keys)
        return self.done(
            f"/jobs/{job_id}", f"{action.capitalize()} {number} was asked for.", "info"
        )

    def _nothing(self) -> Response:
        return self.done(back(LIST), "Select at least one integration first.", "warning")

    def _selected(self) -> list[str]:
        """Return the keys of the rows, or of all that match the filter of the list."""
        if not request.form.get("every"):
            return list(dict.fromkeys(request.form.getlist("row")))[:MOST_KEYS]
        wanted = {name: request.form[name] for name in ("show", "q") if request.form.get(name)}
        return integrations_list.keys(self.site, parse(IntegrationQuery, wanted), MOST_KEYS)

    def _empty(self) -> Form:
        systems = integration_of.mail_systems(self.site)
        return shape.filled(shape.form_of(_FORM, bulk=True), None, systems)

    def _form(self, keys: Sequence[str], form: Form) -> str:
        preview = integration_of.preview(self.site, keys)
        return self.page(
            "admin/bulk_form.html",
            form=form,
            preview=preview,
            systems=form["/system"].choices,
            sent=_again(),
            back=back(LIST),
        )


def _again() -> Sequence[tuple[str, str]]:
    """Return the selection as hidden fields; of all that match, the filter."""
    names = ("every", "show", "q") if request.form.get("every") else ("row",)
    return [(name, value) for name in names for value in request.form.getlist(name)]


def _own(error: Invalid) -> list[Fault]:
    """Return the faults as those of the form, whose fields stand beside the integrations."""
    return [Fault(one.pointer.removeprefix(_REGISTRATION), one.message) for one in error.faults]


SCREENS = (Bulk,)
