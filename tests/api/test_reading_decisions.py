"""Why a failure was told, or was not."""

from __future__ import annotations

from flask.testing import FlaskClient

from app.services.installation import Installation
from tests.api import rows
from tests.api.helpers import reported


def test_decisions_say_by_which_registration_and_keep_their_history(
    client: FlaskClient, site: Installation
) -> None:
    mail = rows.system(site)
    rows.lane(site, mail)
    rows.registration(site, rows.integration(site), mail)
    for _ in range(3):
        failure = reported(client)
    page = client.get(f"/api/v1/failures/{failure}/decisions").get_json()
    (decision,) = page["items"]
    assert page["next"] is None
    assert set(decision) == set("at rule system outcome reason text delivery history".split())
    assert decision["rule"] == {
        "kind": "registration", "row": None, "severity": None, "integration": "erp"
    }  # fmt: skip
    assert (decision["system"], decision["outcome"], decision["reason"]) == (
        "Mail", "send", "count_reached"
    )  # fmt: skip
    assert [entry["reason"] for entry in decision["history"]] == ["held", "held"]
    assert set(decision["history"][0]) == {"at", "reason", "text"}
    delivery = client.get(f"/api/v1/deliveries/{decision['delivery']}").get_json()
    assert failure in delivery["failures"]


def test_a_failure_that_nobody_decided_has_no_decisions(
    client: FlaskClient, site: Installation
) -> None:
    failure = rows.other_error(site, rows.system(site), None)
    assert client.get(f"/api/v1/failures/{failure}/decisions").get_json()["items"] == []
