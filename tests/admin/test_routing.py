"""The routing screen: matrix, review, one save, retry policies, preview, lint, catalogue."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from sqlalchemy import select

from app.models import Audit
from app.services import routes
from app.services.installation import Installation
from tests.admin.person import Person, words
from tests.services.event_makers import system, take


@pytest.fixture
def two(site: Installation) -> None:
    """Two webhooks; the first one gets the errors of metrics."""
    system(site, "Chat")
    system(site, "Pager")
    cell = {"source": "metrics", "severity": "error", "systems": ["Chat"]}
    routes.replace(site, "test", {"cells": [cell], "subscriptions": []})


def cells(site: Installation) -> dict[tuple[str, str], Any]:
    """Return the cells that say something, as (systems, override)."""
    found = routes.get(site).document["cells"]
    return {
        (one["source"], one["severity"]): (one["systems"], one["override"])
        for one in found
        if one["systems"] or one["override"]
    }


def draft(page: str) -> dict[str, str]:
    """Return what the review carries on to the save."""
    fields = dict(re.findall(r'name="(draft|seen-version)" value="([^"]*)"', page))
    return {name: html.unescape(value) for name, value in fields.items()}


def audited(site: Installation) -> int:
    """Return how many changes of the routes stand in the audit log."""
    with site.store.reading() as connection:
        query = select(Audit.id).where(Audit.subject_kind == "routes")
        return len(connection.scalars(query).all())


@pytest.mark.usefixtures("two")
def test_own_and_inherited_systems_holes_and_purpose_are_shown_apart(
    site: Installation, admin: Person
) -> None:
    cells = [
        {"source": "metrics", "severity": "error", "systems": ["Chat"]},
        {"source": "global", "severity": "error", "systems": ["Pager"]},
        {"source": "nodes", "severity": "error", "systems": [], "override": True},
    ]
    routes.replace(site, "test", {"cells": cells, "subscriptions": []})

    page = admin.text("/routing/")

    assert "Chat Pager (Global)" in page
    assert "nobody, on purpose" in page
    assert "Notifications about the alerts on metrics." in page


@pytest.mark.usefixtures("two")
def test_changes_are_reviewed_and_saved_at_once_with_one_entry(
    site: Installation, admin: Person
) -> None:
    before = audited(site)
    typed = {
        "cell.metrics.error": "Pager",
        "cell.backups.warning": "Chat",
        "override.backups.warning": "yes",
    }

    review = admin.post("/routing/review", **typed)

    said = words(review)
    assert "Metrics / error added Pager removed Chat" in said
    assert "Backups / warning added Chat override" in said
    assert cells(site) == {("metrics", "error"): (["Chat"], False)}
    assert audited(site) == before

    saved = admin.post("/routing/save", **draft(review.text))

    assert saved.status_code == 303
    assert cells(site) == {
        ("metrics", "error"): (["Pager"], False),
        ("backups", "warning"): (["Chat"], True),
    }
    assert audited(site) == before + 1


@pytest.mark.usefixtures("two")
def test_nothing_changed_is_said_and_not_saved(site: Installation, admin: Person) -> None:
    before = audited(site)

    answer = admin.post("/routing/review", **{"cell.metrics.error": "Chat"})

    assert answer.status_code == 303
    assert "Nothing was changed." in admin.text("/routing/")
    assert audited(site) == before


@pytest.mark.usefixtures("two")
def test_a_draft_that_is_refused_names_the_cell_and_keeps_its_ticks(
    site: Installation, admin: Person
) -> None:
    system(site, "Office mail", kind="smtp")
    typed = {"cell.metrics.error": "Office mail", "override.nodes.info": "yes"}

    refused = admin.post("/routing/review", **typed)

    assert refused.status_code == 422
    assert "Metrics / error: " in words(refused)
    ticked = re.findall(r'name="([^"]+)" value="([^"]+)" data-was="off" checked', refused.text)
    assert ticked == [("cell.metrics.error", "Office mail"), ("override.nodes.info", "yes")]


@pytest.mark.usefixtures("two")
def test_a_draft_that_somebody_overtook_is_refused(site: Installation, admin: Person) -> None:
    carried = draft(admin.post("/routing/review", **{"cell.nodes.info": "Chat"}).text)
    routes.patch(site, "other", {"cells": []})

    refused = admin.post("/routing/save", **carried)

    assert refused.status_code == 422
    assert cells(site) == {}


def test_what_was_sent_and_would_be_sent_stand_in_the_review(
    site: Installation, admin: Person, two: None
) -> None:
    take(site, {"title": "Disk /var is full"})

    review = words(admin.post("/routing/review", **{"cell.metrics.error": "Pager"}))

    assert "Disk /var is full (Metrics / error): Chat → Pager" in review


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("answer", ["send", "cancel"])
def test_what_waits_for_a_system_that_leaves_is_sent_or_cancelled(
    site: Installation, admin: Person, answer: str
) -> None:
    take(site)
    review = admin.post("/routing/review", **{"cell.nodes.info": "Chat"})
    assert "What waits for a system" in words(review)

    admin.post("/routing/save", **draft(review.text), waiting=answer)

    told = {"send": "left to be sent", "cancel": "was cancelled"}[answer]
    assert told in admin.text("/routing/")


@pytest.mark.usefixtures("two")
def test_the_preview_names_the_systems_and_their_cells(admin: Person) -> None:
    page = admin.text("/routing/?source=metrics&severity=critical&integration=jira&labels=a%3Db")

    assert "Goes to Chat (Metrics / error)." in page
    assert "Goes to nobody" in admin.text("/routing/?source=nodes&severity=info")


@pytest.mark.usefixtures("two")
def test_a_wrong_preview_is_told(admin: Person) -> None:
    assert "Severity must be" in admin.text("/routing/?source=nodes&severity=fatal")


@pytest.mark.usefixtures("two")
def test_lint_and_catalogue_stand_below(admin: Person) -> None:
    page = admin.text("/routing/")

    assert "repair.segment_timed_out" in page
    assert "warning" in page


@pytest.mark.usefixtures("two")
def test_a_retry_policy_of_row_and_system_is_chosen_and_given_back(
    site: Installation, admin: Person
) -> None:
    url = "/routing/-/policy/metrics/Chat"
    assert "the default" in admin.text(url)

    always = {"retryPolicy__policy": "Always", "retryPolicy__retryDelay": "30"}
    assert admin.post(url, **always).status_code == 303
    assert "every 30 s, for 3 days" in admin.text("/routing/")

    assert admin.post(url, retryPolicy__policy="").status_code == 303
    (one,) = routes.get(site).document["subscriptions"]
    assert one["retryPolicy"] is None


def test_always_on_a_remote_row_is_refused_with_the_reason(
    site: Installation, admin: Person
) -> None:
    system(site, "Chat")
    cell = {"source": "backups", "severity": "error", "systems": ["Chat"]}
    routes.replace(site, "test", {"cells": [cell], "subscriptions": []})
    typed = {"retryPolicy__policy": "Always", "retryPolicy__retryDelay": "30"}

    refused = admin.post("/routing/-/policy/backups/Chat", **typed)

    assert refused.status_code == 422
    assert "Always" in words(refused)


@pytest.mark.usefixtures("two")
def test_others_than_admins_look_and_change_nothing(site: Installation, operator: Person) -> None:
    assert 'name="cell.' not in operator.get("/routing/").text
    assert operator.post("/routing/review", **{"cell.nodes.info": "Chat"}).status_code == 403
    assert cells(site) == {("metrics", "error"): (["Chat"], False)}
