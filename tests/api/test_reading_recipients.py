"""Whom a delivery goes to: what was said of each, and who has still to be asked."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from app.models import Registration
from app.services.installation import Installation
from tests.api import rows
from tests.api.helpers import reported


def _one(client: FlaskClient, delivery: int) -> dict[str, Any]:
    return dict(client.get(f"/api/v1/deliveries/{delivery}").get_json())


def _registered(site: Installation, **forward: Any) -> tuple[int, int]:
    mail, erp = rows.system(site), rows.integration(site)
    settings = {"recipients": ["a@example.org", "b@example.org"], "cc": ["c@example.org"]}
    rows.registration(site, erp, mail, **{**settings, **forward})
    return mail, erp


def _people(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["address"], one["role"], one["state"]) for one in document["recipients"]]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_who_was_not_asked_yet_is_read_from_the_registration_as_pending(
    client: FlaskClient, site: Installation, direction: str
) -> None:
    mail, erp = _registered(site)
    delivery = rows.delivery(site, mail, integration_id=erp, direction=direction)
    rows.recipient(site, delivery, "b@example.org", state="deferred", code=450, text="Later")
    document = _one(client, delivery)
    assert _people(document) == [
        ("b@example.org", "to", "deferred"),
        ("a@example.org", "to", "pending"),
        ("c@example.org", "cc", "pending"),
    ]
    assert document["recipients"][0]["code"] == 450
    assert document["recipients"][1] == {
        "address": "a@example.org", "role": "to", "state": "pending", "code": None, "text": None
    }  # fmt: skip


def test_a_digest_names_the_recipients_of_processing_failures(
    client: FlaskClient, site: Installation
) -> None:
    mail, erp = _registered(site, processing_recipients=["p@example.org"], processing_cc=[])
    delivery = rows.delivery(site, mail, integration_id=erp, kind="digest")
    assert _people(_one(client, delivery)) == [("p@example.org", "to", "pending")]


@pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
def test_of_a_final_delivery_only_those_who_were_asked_are_named(
    client: FlaskClient, site: Installation, state: str
) -> None:
    mail, erp = _registered(site)
    delivery = rows.delivery(site, mail, integration_id=erp, state=state)
    rows.recipient(site, delivery, "old@example.org")
    assert _people(_one(client, delivery)) == [("old@example.org", "to", "accepted")]


def test_an_unregistered_integration_has_nobody_to_ask(
    client: FlaskClient, site: Installation
) -> None:
    mail, erp = _registered(site)
    delivery = rows.delivery(site, mail, integration_id=erp)
    with site.store.writing() as connection:
        connection.execute(update(Registration).values(active=False))
    assert _people(_one(client, delivery)) == []


def test_a_reported_failure_leads_to_its_delivery(client: FlaskClient, site: Installation) -> None:
    mail = rows.system(site)
    rows.lane(site, mail)
    rows.registration(site, rows.integration(site), mail, immediately=True)
    failure = reported(client)
    listed = client.get(f"/api/v1/deliveries?failure={failure}").get_json()["items"]
    (delivery,) = (int(item["id"]) for item in listed)
    document = _one(client, delivery)
    assert document["failures"] == [failure]
    assert document["dueAt"] is not None
    assert _people(document) == [("ops@example.org", "to", "pending")]
