"""System Configuration: the list of systems, and what belongs to one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import request

from app.channels import channel
from app.domain.people import Role
from app.errors import Fault, Invalid
from app.pages.fields import quoted
from app.pages.forms import sentence
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import Answer, Screen, back, post, route, unsure
from app.services import configuring, preferences, trial
from app.services.reading import attempts, audit, deliveries, delivery_words
from app.services.reading import lanes as read_lanes
from app.services.reading.audit import AuditQuery
from app.services.reading.deliveries import DeliveryQuery
from app.services.reading.lanes import LaneQuery
from app.services.systems import MAIL_KINDS, SYSTEMS, SystemBody
from app.shapes import parse

MOST = 1000
RECENT = Listing(
    columns=(
        Column("Made"),
        Column("What"),
        Column("State"),
        Column("Answer"),
        Column("Took", "num"),
    ),
    empty=Empty("Nothing was sent through it yet", icon="mail"),
    noun="delivery",
    nouns="deliveries",
    per_page=20,
)
HISTORY = Listing(
    columns=(Column("When"), Column("Who"), Column("What"), Column("Changes")),
    empty=Empty("No changes are known", "They are kept for a year.", "history"),
    noun="change",
    nouns="changes",
    per_page=20,
)


class Systems(Screen):
    """The list, and the tabs of a system besides its settings."""

    title, path, icon, section = "System Configuration", "/systems/", "server", "Configuration"

    @route("/")
    def index(self) -> str:
        """Show every system, the built-in one last."""
        items, _ = configuring.page(SYSTEMS, self.site, MOST, None)
        return self.page(
            "admin/systems.html",
            systems=sorted(items, key=lambda one: one["name"].lower()),
            titles={one["kind"]: channel(one["kind"]).title for one in items},
            wishes=preferences.get(self.site).document,
            endpoint=endpoint,
            uses=uses,
        )

    @route("/-/used/<name:name>")
    def used(self, name: str) -> str:
        """Show what uses a system."""
        return self._tab("admin/system_used.html", name, "used")

    @route("/-/deliveries/<name:name>")
    def recent(self, name: str) -> str:
        """Show the deliveries through a system, newest first."""
        path = f"{self.path}-/deliveries/{quoted(name)}"
        view = RECENT.view(request.args, path, DeliveryQuery, {"system": name})
        page = deliveries.page(self.site, view.query)
        last = attempts.last(self.site, [one.id for one in page.items])
        return self._tab(
            "admin/system_deliveries.html",
            name,
            "deliveries",
            view=view,
            page=page,
            last=last,
            total=None,
            words=delivery_words,
        )

    @route("/-/history/<name:name>")
    def history(self, name: str) -> str:
        """Show who changed what of a system."""
        path = f"{self.path}-/history/{quoted(name)}"
        view = HISTORY.view(request.args, path, AuditQuery, {"kind": "system", "name": name})
        page = audit.page(self.site, view.query)
        return self._tab(
            "admin/system_history.html", name, "history", view=view, page=page, total=None
        )

    @post("/-/test/<name:name>", Role.OPERATOR)
    def test(self, name: str) -> Answer:
        """Send a test mail by the saved settings, and show how it goes.

        It goes to the To Email-Id; where there is none, to the address given or to the visitor.
        """
        url = f"{self.path}{quoted(name)}"
        document = configuring.get(SYSTEMS, self.site, name).document
        body = None
        try:
            if document["kind"] in MAIL_KINDS and not document["options"]["toEmail"]:
                to = request.form.get("to", "").strip() or self.visitor.email
                options = {**document["options"], "toEmail": to}
                body = parse(SystemBody, {**document, "options": options})
            # May lend: only the recipient is another one, the password goes where it always does.
            number = trial.of_system(self.site, name, self.actor, body, may_lend=True)
        except Invalid as error:
            return self.done(url, f"The test mail was not sent. {_told(error.faults)}", "warning")
        return self.done(f"/tests/{number}?{urlencode({'back': url})}", "Sent to the queue.")

    @post("/-/pause/<name:name>")
    def pause(self, name: str) -> Answer:
        """Keep what is for the system, or let it go again."""
        status = request.form.get("status", "")
        configuring.patch(SYSTEMS, self.site, self.actor, name, {"status": status})
        said = "is paused: what is for it is kept." if status == "paused" else "is running."
        return self.done(back(f"{self.path}{quoted(name)}"), f"{name} {said}")

    @post("/-/delete/<name:name>")
    def delete(self, name: str) -> Answer:
        """Delete a system that nothing uses."""
        asked = unsure(f"The system {name} will be deleted.", "Delete")
        if asked:
            return asked
        configuring.delete(SYSTEMS, self.site, self.actor, name)
        return self.done(self.path, f"The system {name} was deleted.")

    def _tab(self, template: str, name: str, tab: str, **values: Any) -> str:
        document = configuring.get(SYSTEMS, self.site, name).document
        return self.page(
            template,
            system=document,
            title=channel(document["kind"]).title,
            lanes=read_lanes.page(self.site, parse(LaneQuery, {"system": name})).items,
            tab=tab,
            **values,
        )


def endpoint(system: dict[str, Any]) -> str:
    """Return where a system is, without its secrets."""
    options = system["options"]
    if system["kind"] == "smtp":
        how = {"none": "not encrypted", "starttls": "STARTTLS", "tls": "TLS"}
        return f"{options['server']}:{options['port']}, {how[options['encryption']]}"
    said = options.get("url") or options.get("instance")
    # The URL of a chat is its secret.
    return str(said or ("–" if system["kind"] == "pagerduty" else "a secret URL"))


def uses(system: dict[str, Any]) -> str:
    """Return what uses a system, counted, in words; nothing: an empty text."""
    counted: Counter[str] = Counter()
    others = []
    for use in system["usedBy"]:
        if use["kind"] == "registration":
            rest = use["name"].removesuffix(" more").replace(",", "")
            counted["registration"] += int(rest) if use["url"].endswith("/registrations") else 1
        elif use["kind"] == "route":
            counted["route"] += 1
        elif use["kind"] == "system":
            others.append(f"fallback of {use['name']}")
        elif use["kind"] == "settings":
            others.append("Tocsin")
    numbers = (f"{n:,} {what}{'' if n == 1 else 's'}" for what, n in sorted(counted.items()))
    return ", ".join((*numbers, *others))


def _told(faults: Sequence[Fault]) -> str:
    named = {"/options/toEmail": "To Email-Id"}
    return " ".join(sentence(f"{named.get(f.pointer, f.pointer)} {f.message}") for f in faults)


SCREENS = (Systems,)
