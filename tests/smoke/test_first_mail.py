"""The first steps of the README: a system, a registration, a failure, a mail."""

from __future__ import annotations

from tests.harness.mails import Post, text_of
from tests.harness.product import Product
from tests.harness.waiting import eventually

TRACE = "LoginError: 401\n  at sync.py line 10"


def test_a_failure_becomes_a_mail_that_tells_what_failed(product: Product, post: Post) -> None:
    api = product.api
    api.mail_system("Mail", post.port)
    api.register("jira-snow", "Mail", subjectPrefix="[PROD]")

    made = api.fail("jira-snow", errorCode="AUTH_401", message="Login refused", trace=TRACE)

    (mail,) = post.wait(1)
    print(mail)
    text = text_of(mail)
    assert mail["Subject"].startswith("[PROD]")
