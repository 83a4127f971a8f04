"""TLS and login: nothing goes out in clear where encryption was asked for."""

from __future__ import annotations

from tests.harness.client import Api
from tests.harness.mails import Post, parse
from tests.harness.waiting import eventually
from tests.servers import certificates
from tests.servers.relay import Relay

PASSWORD = "hunter2-of-the-relay"


def test_nothing_is_said_in_clear_when_starttls_is_stripped(api: Api, post: Post) -> None:
    options = {"encryption": "starttls", "authenticationRequired": True, "username": "tocsin"}
    api.mail_system("Stripped", post.port, **options, secrets={"password": PASSWORD})
    api.register("stripped", "Stripped")

    api.fail("stripped", message="Confidential")

    query = {"errorType": "other", "integration": "stripped"}
    (other,) = eventually("the other error", lambda: api.items("/failures", **query))
    assert "STARTTLS" in other["message"]
    assert {verb for verb in post.box.verbs} <= {"EHLO", "QUIT"}
    assert not post.box.mails
    (delivery,) = api.items("/deliveries", integration="stripped")
    assert delivery["state"] == "pending"


def test_mail_goes_with_starttls_a_private_authority_and_a_login(api: Api) -> None:
    with Relay(certificates.right().server_context(), login=("tocsin", PASSWORD)) as relay:
        options = {
            "server": "localhost",
            "encryption": "starttls",
            "authenticationRequired": True,
            "username": "tocsin",
            "caPem": certificates.authority().pem,
        }
        api.mail_system("Relay", relay.port, **options, secrets={"password": PASSWORD})
        api.register("relayed", "Relay")

        api.fail("relayed")

        eventually("the mail", lambda: relay.mails)
        assert relay.starttls == 1
        content = relay.mails[0].content
        assert isinstance(content, bytes)
        assert parse(content)["To"] == "relayed@example.com"
    assert PASSWORD not in str(api.get("/systems/Relay"))
