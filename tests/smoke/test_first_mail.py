"""The first steps of the README: a system, an integration, a registration, a failure, a mail."""

from __future__ import annotations

from tests.harness.client import Api
from tests.harness.mails import Post, text_of
from tests.harness.waiting import eventually

TRACE = "LoginError: 401 from upstream\n  at sync.py line 10"


def test_a_failure_becomes_a_mail_that_tells_what_failed(api: Api, post: Post) -> None:
    api.mail_system("First", post.port)
    api.register("first", "First", subjectPrefix="[PROD]")

    made = api.fail("first", errorCode="AUTH_401", message="Login refused by Jira", trace=TRACE)

    (mail,) = post.wait(1)
    assert mail["Subject"].startswith("[PROD] First failing: AUTH_401 Login refused by Jira")
    assert mail["To"] == "first@example.com"
    assert mail["From"].endswith("<tocsin@example.com>")
    for text in (text_of(mail), text_of(mail, "html")):
        assert "AUTH_401" in text
        assert "Login refused by Jira" in text
        assert "1 failure" in text  # how often
        assert "less than a minute" in text  # since when
        assert "LoginError: 401 from upstream" in text
        assert f"/failures/global/{made['failure']['id']}" in text


def test_the_failure_says_by_which_mail_it_was_told(api: Api, post: Post) -> None:
    api.mail_system("Told", post.port)
    api.register("told", "Told")

    made = api.fail("told")

    (mail,) = post.wait(1)
    path = f"/failures/{made['failure']['id']}"
    told = eventually("notified", lambda: api.get(path)["notified"])
    assert told["delivery"] == mail["X-Tocsin-Delivery"]
    delivery = api.get(f"/deliveries/{told['delivery']}")
    assert delivery["state"] == "delivered"
    assert [one["state"] for one in delivery["recipients"]] == ["accepted"]
    assert [one["verdict"] for one in delivery["attempts"]] == ["ok"]


def test_no_line_of_a_trace_goes_out_where_traces_are_not_included(api: Api, post: Post) -> None:
    api.mail_system("Discreet", post.port)
    api.register("discreet", "Discreet", traces=False)

    api.fail("discreet", trace=TRACE)

    (mail,) = post.wait(1)
    assert "upstream" not in text_of(mail) + text_of(mail, "html")
    assert "sync.py" not in text_of(mail) + text_of(mail, "html")


def test_the_first_report_makes_the_integration(api: Api, post: Post) -> None:
    api.mail_system("Unknown", post.port)

    first = api.fail("never-seen")

    assert api.get("/integrations/never-seen")["name"] == "never-seen"
    (decision,) = api.get(f"/failures/{first['failure']['id']}/decisions")["items"]
    assert decision["reason"] == "not_registered"

    api.register("never-seen", "Unknown")
    api.fail("never-seen", errorCode="SECOND")
    post.wait(1)
