"""The signing secret of a system: rotated, shown once, and the overlap of the old one ended."""

from __future__ import annotations

from app.errors import Conflict
from app.pages.fields import quoted
from app.pages.screen import Answer, Screen, post, unsure
from app.services import configuring, rotation
from app.services.systems import SYSTEMS


class SystemSecret(Screen):
    """What is done with the signing secret of one system."""

    title, path, shown = "System Configuration", "/systems/", False

    @post("/-/rotate/<name:name>")
    def rotate(self, name: str) -> Answer:
        """Make a new signing secret, and show it once; the one before signs as well."""
        asked = unsure("A new signing secret is made; the old one signs as well.", "Rotate")
        if asked:
            return asked
        url = f"{self.path}{quoted(name)}"
        try:
            made = rotation.rotate(self.site, name, self.actor)
        except Conflict as error:
            return self.done(url, str(error), "warning")
        return self.page(
            "admin/system_secret.html",
            name=name,
            secret=made.reveal(),
            url=url,
            done=url,
            rotated=True,
        )

    @post("/-/end-overlap/<name:name>")
    def end_overlap(self, name: str) -> Answer:
        """Let the signing secret before the last one sign no more."""
        asked = unsure("Receivers that only know the old secret refuse from now on.", "End it")
        if asked:
            return asked
        changes = {"secrets": {rotation.PREVIOUS: None}}
        configuring.patch(SYSTEMS, self.site, self.actor, name, changes)
        url = f"{self.path}{quoted(name)}"
        return self.done(url, f"The old signing secret of {name} signs no more.")


SCREENS = (SystemSecret,)
