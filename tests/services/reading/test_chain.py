"""Not getting failure mails? The first broken link is the one that is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.clock import utc_now
from app.errors import NotFound
from app.services import configuring, preferences
from app.services.installation import Installation
from app.services.reading import chain
from app.services.systems import SYSTEMS
from tests.services.makers import ACTOR, put_integration, put_system, register, set_up, unregister
from tests.services.spine import report


def _broken(site: Installation) -> str | None:
    link = chain.first_broken(chain.walk(site, "jira", utc_now()))
    return link.title if link else None


def _nobody_is_registered(site: Installation) -> None:
    report(site, message="no")
    unregister(site)


def _direction_is_off(site: Installation) -> None:
    off = {"status": "inactive"}
    put_integration(site, forward=off, backward=off)


def _paused(site: Installation) -> None:
    register(site, forward={"recipients": ["ops@corp.example"], "global": {"immediately": True}})
    report(site, message="no")
    configuring.patch(SYSTEMS, site, ACTOR, "Mail", {"status": "paused"})


def _all_paused(site: Installation) -> None:
    register(site, forward={"recipients": ["ops@corp.example"], "global": {"immediately": True}})
    report(site, message="no")
    preferences.patch(site, ACTOR, {"paused": True})


@pytest.mark.parametrize(
    ("make", "title"),
    [
        (lambda site: None, "A failure was reported"),
        (_direction_is_off, "The integration is active"),
        (_nobody_is_registered, "Failure notification is registered"),
        (lambda site: report(site, message="no"), "A mail was decided"),
        (_paused, "The email server is not paused"),
        (_all_paused, "The Post Failure Notification job runs"),
    ],
)
def test_the_first_broken_link_is_named(
    site: Installation, make: Callable[[Installation], Any], title: str
) -> None:
    set_up(site)

    make(site)

    assert _broken(site) == title


def test_a_failure_below_the_threshold_says_how_far_it_is(site: Installation) -> None:
    set_up(site)
    report(site, message="no")

    link = chain.first_broken(chain.walk(site, "jira", utc_now()))

    assert link is not None
    assert "1 of 3" in link.text


def test_every_link_says_where_it_is_mended(site: Installation) -> None:
    set_up(site)

    assert all(
        link.url and link.url.startswith("/") for link in chain.walk(site, "jira", utc_now())
    )


def test_an_unknown_integration_is_said_to_be_unknown(site: Installation) -> None:
    put_system(site)

    with pytest.raises(NotFound):
        chain.walk(site, "nobody", utc_now())
