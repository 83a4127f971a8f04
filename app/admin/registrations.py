"""Configure Failure Notification of one integration: a page, and the same as a dialog (S1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import request
from werkzeug.wrappers import Response

from app.domain.people import Role
from app.errors import Conflict, Fault, Invalid, Stale
from app.pages import registration_form as shape
from app.pages.forms import ABSENT, Form, seen, unchanged
from app.pages.screen import UNPROCESSABLE, Answer, Screen, back, go, post, route, unsure
from app.rendering.registration_words import registration_sentence
from app.services import configuring, restoring, trial
from app.services.configuring import Condition
from app.services.named import merged
from app.services.reading import deliveries, integration_of
from app.services.reading.deliveries import DeliveryWithAttempts
from app.services.reading.integration_of import Found
from app.services.registration_shape import RegistrationBody
from app.services.registrations import REGISTRATIONS
from app.shapes import parse

_NOT_TYPED = {"csrf_token", "sure", "back"}


class Registrations(Screen):
    """The form of a registration, its test, and taking it away with an undo."""

    title, path, icon, shown = "Configure Failure Notification", "/integrations/", "bell", False

    @route("/<int:integration_id>/notification")
    def edit(self, integration_id: int) -> str:
        """Show the form: as saved, as it was before unregistering, or as typed before."""
        found = integration_of.of(self.site, integration_id)
        form = self._saved(found)
        if request.args.get("typed"):
            form = shape.typed_again(form, request.args)
        return self._form(found, form)

    @post("/<int:integration_id>/notification", Role.OPERATOR)
    def save(self, integration_id: int) -> Answer:
        """Register the integration, or change its registration."""
        found = integration_of.of(self.site, integration_id)
        condition = _unchanged(found)

        def work(body: RegistrationBody) -> Any:
            site, actor, key = self.site, self.actor, found.key
            return configuring.replace(REGISTRATIONS, site, actor, key, body, condition)

        saved, form = self._tried(found, work, condition)
        if saved is None:
            return self._form(found, form), UNPROCESSABLE
        said = "saved" if found.registered else "registered"
        url = back(f"{self.path}{integration_id}")
        return self.done(url, f"Failure notification of {found.name} was {said}.")

    @post("/<int:integration_id>/notification/test", Role.OPERATOR)
    def test(self, integration_id: int) -> Answer:
        """Send a test mail by what is typed, saved or not; the typed values stay."""
        found = integration_of.of(self.site, integration_id)

        def work(body: RegistrationBody) -> int:
            return trial.of_registration(self.site, found.key, self.actor, body)

        delivery_id, form = self._tried(found, work)
        if delivery_id is None:
            return self._form(found, form), UNPROCESSABLE
        form = shape.typed_again(form, request.form)
        return self._form(found, form, test=deliveries.one(self.site, delivery_id))

    @post("/<int:integration_id>/notification/reset", Role.OPERATOR)
    def reset(self, integration_id: int) -> Answer:
        """Show the form as it is saved; in a dialog it stays there."""
        if "X-Fragment" not in request.headers:
            return go(f"{self.path}{integration_id}/notification")
        found = integration_of.of(self.site, integration_id)
        return self._form(found, self._saved(found), clean=True)

    @post("/<int:integration_id>/notification/system", Role.ADMIN)
    def system(self, integration_id: int) -> Response:
        """Go to make a mail system, and come back with what is typed (it stands in the URL)."""
        typed = {n: v for n, v in request.form.items() if n not in _NOT_TYPED and n != "system"}
        here = f"{self.path}{integration_id}/notification?{urlencode(typed | {'typed': 'yes'})}"
        return go(f"/systems/new?{urlencode({'kind': 'smtp', 'back': here})}")

    @post("/<int:integration_id>/notification/unregister", Role.OPERATOR)
    def unregister(self, integration_id: int) -> Answer:
        """Stop the notifications of an integration; what waits is cancelled."""
        found = integration_of.of(self.site, integration_id)
        question = f"No failure of {found.name} will be mailed any more. What waits is cancelled."
        asked = unsure(question, "Unregister")
        if asked:
            return asked
        configuring.delete(REGISTRATIONS, self.site, self.actor, found.key)
        said = f"{found.name} is not registered any more. Undo brings its settings and mail back."
        return self.done(f"{self.path}{integration_id}", said, "warning")

    @post("/<int:integration_id>/notification/restore", Role.OPERATOR)
    def restore(self, integration_id: int) -> Response:
        """Undo unregistering: the settings as they were, and what it cancelled is due again."""
        found = integration_of.of(self.site, integration_id)
        restoring.one(self.site, self.actor, found.key)
        return self.done(f"{self.path}{integration_id}", f"{found.name} is registered again.")

    def _saved(self, found: Found) -> Form:
        empty = shape.form_of(_directions(found))
        systems = integration_of.mail_systems(self.site)
        return shape.filled(empty, found.registered or found.former, systems)

    def _tried(
        self,
        found: Found,
        work: Callable[[RegistrationBody], Any],
        condition: Condition | None = None,
    ) -> tuple[Any | None, Form]:
        """Return what `work` returns, or None and the form with what was refused.

        `condition` is asked before the values are looked at, too: the form may lack a direction.
        """
        form, faults = self._saved(found), list[Fault]()
        try:
            if condition is not None:
                condition(found.registration_version)
            # What the form hides stays as it is.
            current = found.registered or found.former or {}
            typed = merged(current, shape.read(form, request.form, merging=True))
            return work(parse(RegistrationBody, typed)), form
        except Invalid as error:
            faults.extend(error.faults)
        except (Conflict, Stale) as error:
            faults.append(Fault("", str(error)))
        return None, shape.typed_again(form, request.form).with_faults(faults)

    def _form(
        self,
        found: Found,
        form: Form,
        test: DeliveryWithAttempts | None = None,
        *,
        clean: bool = False,
    ) -> str:
        return self.page(
            "admin/registration.html",
            found=found,
            form=form,
            directions=_directions(found),
            routes=_routes(found.document),
            sentence=registration_sentence(found.registered) if found.registered else None,
            systems=form["/system"].choices,
            test=test,
            clean=clean,
            version=seen(form, {} if clean else request.values, _version(found)),
            back=back(self.path),
        )


def _version(found: Found) -> str:
    """Return the version of what the form shows: the registration, and the directions."""
    return f"{found.registration_version or ABSENT}/{len(_directions(found))}"


def _unchanged(found: Found) -> Condition:
    """Return the condition that nobody has saved since the form was made; it raises Stale."""
    check = unchanged(request.form)
    return lambda version: check(_version(replace(found, registration_version=version)))


def _directions(found: Found) -> tuple[str, ...]:
    return (shape.FORWARD, shape.BACKWARD) if found.bidirectional else (shape.FORWARD,)


def _routes(document: Mapping[str, Any]) -> dict[str, str]:
    """Return each direction as the subjects of its mails say it."""
    ends = [document["system1"], document["system2"]]
    if not all(ends):
        return dict.fromkeys((shape.FORWARD, shape.BACKWARD), document["name"])
    return {shape.FORWARD: " → ".join(ends), shape.BACKWARD: " → ".join(reversed(ends))}


SCREENS = (Registrations,)
