"""The set-up checklist of the Overview: what is left until somebody is told of a failure."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, select

from app.domain.kinds import DeliveryState
from app.models import IS_TEST, Delivery, Integration, Registration, System
from app.services.installation import Installation


@dataclass(frozen=True)
class Step:
    """One step, where it is done, and what it is for."""

    title: str
    done: bool
    url: str
    help: str


def steps(site: Installation) -> list[Step]:
    """Return the steps in their order; none is left to show when all are done."""
    test = (IS_TEST, Delivery.state == DeliveryState.DELIVERED)
    there = (
        exists().where(System.kind == "smtp"),
        exists().where(*test),
        exists().where(Integration.id.is_not(None)),
        exists().where(Registration.active),
    )
    with site.store.reading() as connection:
        mail, tested, reported, registered = (connection.scalar(select(one)) for one in there)
    return [
        Step("Create the administrator", True, "/users/", "Whoever reads this has signed in."),
        Step("Connect a mail server", bool(mail), "/systems/new", "Mails go out through it."),
        Step("Send a test mail", bool(tested), "/systems/", "Shows that mail arrives."),
        Step("Report a first failure", bool(reported), "/", "Run the curl line of this page."),
        Step(
            "Register failure notification",
            bool(registered),
            "/integrations/?show=unregistered",
            "Says who is told, and when.",
        ),
    ]
