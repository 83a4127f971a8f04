"""The screen Integrations: listed, activated, changed, deleted, and many of them at once."""

from __future__ import annotations

import pytest

from app.domain.kinds import JobKind
from app.services import activating, configuring, job_work, processes
from app.services.installation import Installation
from app.services.integrations import INTEGRATIONS
from app.services.reading import jobs
from app.services.registrations import REGISTRATIONS
from tests.admin.person import Person, words
from tests.admin.test_registrations import at
from tests.services.makers import put_integration, put_system, register, set_up

BULK = {
    "system": "Mail",
    "includeErrorTrace": "yes",
    "forward__recipients": "ops@corp.example",
    "forward__global__failureCount": "3",
}
XSS = "<script>alert(1)</script>"


def status(site: Installation, key: str = "jira") -> tuple[str, str]:
    document = configuring.get(INTEGRATIONS, site, key).document
    return document["forward"]["status"], document["backward"]["status"]


def test_an_empty_list_says_how_integrations_appear(admin: Person) -> None:
    said = admin.text("/integrations/")

    assert "No integrations yet" in said
    assert "curl -sS -X POST" in said


def test_the_chips_show_what_they_say_and_names_are_escaped(
    site: Installation, admin: Person
) -> None:
    set_up(site)
    put_integration(site, "other", name=XSS)

    text = admin.get("/integrations/").text
    assert XSS not in text
    assert 'aria-label="Configure Failure Notification for &lt;script&gt;' in text
    said = admin.text("/integrations/?show=unregistered")
    assert XSS in said
    assert "1 integration" in said
    assert "No integrations match" in admin.text("/integrations/?show=inactive")


def test_one_direction_is_inactivated_and_the_other_stays(
    site: Installation, admin: Person
) -> None:
    put_integration(site)

    said = admin.done(f"{at(site)}/inactivate", direction="backward", back="/integrations/?q=jira")

    assert "Backward of jira is inactive." in said
    assert status(site) == ("active", "inactive")


def test_an_integration_is_added_changed_and_deleted_by_hand(
    site: Installation, admin: Person
) -> None:
    form = {"key": "sap", "system1": "SAP", "bidirectional": "yes", "maxRetryCount": "3"}
    assert "was added" in admin.done("/integrations/new", **form)
    assert admin.post("/integrations/new", **form).status_code == 422
    assert "Payroll" in admin.done(
        f"{at(site, 'sap')}/edit", name="Payroll", bidirectional="yes", maxRetryCount="1"
    )
    path = f"{at(site, 'sap')}/delete"
    assert "Delete?" in words(admin.post(path))
    assert "Payroll was deleted" in admin.done(path, sure="yes")


def test_one_that_is_registered_is_not_deleted_and_says_why(
    site: Installation, admin: Person
) -> None:
    set_up(site)

    answer = admin.post(f"{at(site)}/delete", sure="yes")

    assert answer.status_code == 409
    assert "unregister it before" in words(answer)


def test_what_a_bulk_will_do_is_said_before_and_is_what_it_did(
    site: Installation, operator: Person
) -> None:
    set_up(site)
    put_integration(site, "a")
    put_integration(site, "b")
    rows = ["jira", "a", "b"]

    said = words(operator.post("/integrations/bulk/", row=rows))
    assert "3 selected: 2 will be registered, 1 is skipped." in said
    assert "jira : already registered" in said

    answer = operator.post("/integrations/bulk/register", row=rows, **BULK)
    after = operator.text(answer.headers["Location"])

    assert "3 of 3 done, 2 registered, 1 skipped" in after
    assert "jira skipped already registered" in after
    forward = configuring.get(REGISTRATIONS, site, "a").document["forward"]
    assert forward["global"]["enabled"] is forward["processing"]["enabled"] is True


def test_all_that_match_are_those_of_the_filter_and_a_fault_keeps_the_selection(
    site: Installation, operator: Person
) -> None:
    put_system(site)
    for number in range(60):
        put_integration(site, f"many-{number}")
    put_integration(site, "else")
    chosen = {"every": "yes", "q": "many"}

    answer = operator.post("/integrations/bulk/register", **chosen, **BULK | {"system": "None"})
    assert answer.status_code == 422
    assert "60 selected: 60 will be registered, 0 are skipped." in words(answer)
    assert 'name="every" value="yes"' in answer.text
    where = operator.post("/integrations/bulk/register", **chosen, **BULK).headers["Location"]
    assert "queued 0 of 60 done" in operator.text(where)
    assert "data-poll" in operator.get(where).text

    job_work.run_queued(site, processes.register(site, "worker"), lambda: True)

    assert "60 of 60 done, 60 registered" in operator.text(where)
    assert "data-poll" not in operator.get(where).text
    assert "Configure Failure Notification" in operator.text("/jobs/")


@pytest.mark.parametrize("number", [3, 60])
def test_many_are_inactivated_at_once_or_by_a_job_with_a_result_for_each(
    site: Installation, admin: Person, number: int
) -> None:
    for one in range(number):
        put_integration(site, f"many-{one}")
    activating.change(site, "test", "many-1", "inactive")
    chosen = {"every": "yes", "q": "many"}
    assert "Inactivate?" in words(admin.post("/integrations/bulk/inactivate", **chosen))

    where = admin.post("/integrations/bulk/inactivate", sure="yes", **chosen).headers["Location"]
    job_work.run_queued(site, processes.register(site, "worker"), lambda: True)

    assert status(site, "many-0") == ("inactive", "inactive")
    said = admin.text(where)
    assert f"{number} of {number} done, {number - 1} changed, 1 skipped" in said
    assert "inactive already" in said
    assert jobs.one(site, int(where.rpartition("/")[2])).kind is JobKind.INACTIVATE


def test_a_viewer_has_no_boxes_and_no_buttons(site: Installation, viewer: Person) -> None:
    set_up(site)
    register(site)

    assert 'name="row"' not in viewer.get("/integrations/").text
    for path in ("bulk/", "bulk/register", "bulk/activate", "1/delete", "new"):
        assert viewer.post(f"/integrations/{path}", row="jira").status_code == 403


def test_a_bulk_without_a_mail_system_offers_to_make_one(site: Installation, admin: Person) -> None:
    put_integration(site)

    answer = admin.post("/integrations/bulk/", row="jira", back="/integrations/?show=failing")

    assert "There is no mail system yet" in words(answer)
    where = "/systems/new?kind=smtp&amp;back=/integrations/%3Fshow%3Dfailing"
    assert where in answer.text


def test_a_running_job_offers_to_look_again_and_keeps_the_filter(
    site: Installation, operator: Person
) -> None:
    put_system(site)
    for number in range(60):
        put_integration(site, f"many-{number}")
    where = operator.post("/integrations/bulk/register", every="yes", q="many", **BULK)
    job = f"{where.headers['Location']}?outcome=registered"

    page = operator.get(job).text
    assert f'href="{job}">Look again</a>' in page
    assert 'data-poll-last="#list"' in page
    job_work.run_queued(site, processes.register(site, "worker"), lambda: True)

    page = operator.get(job).text
    assert "Look again" not in page
    assert page.count(">registered</span>") == 50
