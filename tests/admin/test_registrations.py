"""Configure Failure Notification in the browser: saved, refused, tested, taken away and undone."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from app.models import Delivery, Integration
from app.services import configuring
from app.services.installation import Installation
from app.services.registrations import REGISTRATIONS
from tests.admin.person import Person, words
from tests.services.makers import put_integration, put_system, register, set_up

FORM = {
    "system": "Mail",
    "includeErrorTrace": "yes",
    "sameForBackward": "yes",
    "tellRecovery": "yes",
    "forward__recipients": "Ops <ops@corp.example>; two@corp.example\nthree@corp.example",
    "forward__cc": "",
    "forward__subjectPrefix": "[PROD]",
    "forward__global__enabled": "yes",
    "forward__global__noActivityMinutes": "360",
    "forward__global__failureCount": "5",
    "forward__processing__enabled": "yes",
}


def at(site: Installation, key: str = "jira") -> str:
    with site.store.reading() as connection:
        number = connection.scalar(select(Integration.id).where(Integration.key == key))
    return f"/integrations/{number}"


def saved(site: Installation) -> dict[str, Any]:
    return dict(configuring.get(REGISTRATIONS, site, "jira").document)


def test_what_is_typed_is_registered_and_summed_up(site: Installation, operator: Person) -> None:
    put_system(site)
    put_integration(site)

    said = operator.done(f"{at(site)}/notification", **FORM)

    assert "was registered" in said
    assert "Mails ops@corp.example and 2 others at the fifth failure in a row" in said
    forward = saved(site)["forward"]
    everyone = ["ops@corp.example", "two@corp.example", "three@corp.example"]
    assert forward["recipients"] == everyone
    assert forward["global"]["noActivityMinutes"] == 360


def test_what_a_switch_hides_is_ignored_whatever_was_sent(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    hidden = {
        "backward__recipients": "nonsense",
        "forward__processing__recipients": "nonsense",
        "forward__global__immediately": "yes",
        "forward__global__failureCount": "x",
    }

    operator.done(f"{at(site)}/notification", **FORM | hidden)

    assert saved(site)["backward"] is None
    assert saved(site)["forward"]["processing"]["recipients"] is None


def test_backward_has_settings_of_its_own_where_it_is_told_so(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    form = {**FORM, "backward__recipients": "back@corp.example", "backward__global__enabled": "yes"}
    form |= {"backward__global__failureCount": "3"}
    del form["sameForBackward"]

    operator.done(f"{at(site)}/notification", **form)

    assert saved(site)["backward"]["recipients"] == ["back@corp.example"]
    assert saved(site)["backward"]["processing"]["enabled"] is False


@pytest.mark.parametrize("count", ["0", "21", "1.5", "x"])
def test_a_count_outside_of_1_to_20_is_refused_with_the_range(
    site: Installation, operator: Person, count: str
) -> None:
    set_up(site)

    answer = operator.post(
        f"{at(site)}/notification", **FORM | {"forward__global__failureCount": count}
    )

    assert answer.status_code == 422
    assert "must be a whole number from 1 to 20" in words(answer)
    assert 'href="#f-forward.global.failureCount"' in answer.text
    assert f'value="{count}"' in answer.text


def test_a_bad_address_is_named_and_the_typed_values_stay(
    site: Installation, operator: Person
) -> None:
    set_up(site)

    answer = operator.post(
        f"{at(site)}/notification", **FORM | {"forward__recipients": "ok@corp.example, <b>bad"}
    )

    assert answer.status_code == 422
    assert "bad" in words(answer).split("There is a problem")[1][:200]
    assert "ok@corp.example, &lt;b&gt;bad" in answer.text
    assert "<b>bad" not in answer.text
    assert saved(site)["forward"]["recipients"] == ["ops@corp.example"]


def test_a_one_way_integration_has_no_backward_parts(site: Installation, operator: Person) -> None:
    put_system(site)
    put_integration(site, bidirectional=False)

    text = operator.get(f"{at(site)}/notification").text

    assert "sameForBackward" not in text
    assert "backward." not in text


def test_a_silence_that_no_list_has_stays_as_it_is_stored(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    forward = {"recipients": ["ops@corp.example"], "global": {"noActivityMinutes": 95}}
    register(site, forward=forward)

    text = operator.get(f"{at(site)}/notification").text

    assert '<option value="95" class="" selected>95 minutes</option>' in text


def test_a_test_goes_by_what_is_typed_which_stays_and_is_not_saved(
    site: Installation, operator: Person
) -> None:
    set_up(site)

    answer = operator.post(f"{at(site)}/notification/test", **FORM)

    assert answer.status_code == 200
    assert "The test mail waits for a worker" in words(answer)
    assert "three@corp.example" in answer.text
    assert 'data-poll-url="/tests/' in answer.text
    assert saved(site)["forward"]["recipients"] == ["ops@corp.example"]
    with site.store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(Delivery)) == 1


def test_unregistering_asks_and_can_be_undone_with_the_settings_as_they_were(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    before = saved(site)["forward"]
    path = f"{at(site)}/notification"
    assert "Unregister?" in words(operator.post(f"{path}/unregister"))
    assert saved(site)["forward"] == before

    said = operator.done(f"{path}/unregister", sure="yes")

    assert "Undo unregistering" in said
    assert "ops@corp.example" in operator.get(path).text
    assert "is registered again" in operator.done(f"{path}/restore")
    assert saved(site)["forward"] == before


def test_without_a_mail_system_the_way_to_one_keeps_what_is_typed(
    site: Installation, admin: Person
) -> None:
    put_integration(site)
    path = f"{at(site)}/notification"
    assert "There is no mail system yet" in admin.text(path)

    answer = admin.post(f"{path}/system", **FORM)
    where = answer.headers["Location"]
    assert where.startswith("/systems/new?kind=smtp&back=%2Fintegrations")
    put_system(site)
    text = admin.get(parse_qs(urlsplit(where).query)["back"][0]).text
    assert "two@corp.example" in text
    assert '<option value="360" class="" selected>' in text


def test_a_viewer_sees_what_is_set_and_cannot_change_it(site: Installation, viewer: Person) -> None:
    set_up(site)
    path = f"{at(site)}/notification"

    assert "Mails ops@corp.example" in viewer.text(path)
    assert "forward.recipients" not in viewer.get(path).text
    for action in ("", "/test", "/unregister", "/restore", "/reset"):
        assert viewer.post(f"{path}{action}", **FORM).status_code == 403
