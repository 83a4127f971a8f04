"""What a webhook posts: events byte for byte, attributes with their variables, and signatures."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from app.channels.base import ChannelError
from app.channels.notice import RESOLVED, EventPart
from app.channels.webhook_fields import new_signing_secret
from app.channels.webhook_payload import MOST_BODY, payload
from app.clock import utc_now
from app.secrets import Secret
from tests.channels.http_system import (
    CHANNEL,
    SECRET,
    event,
    failure,
    notice,
    options,
    sent,
    session,
)
from tests.servers.http_script import Hit, HttpSink
from tests.simulated import Simulated

HOSTILE = "ä€😀 \r\n\x00\x1b\u2028\u202e</script> {{7*7}} '; -- ../.. =1+1"


def posted(message: Any = None, path: str = "/hook", secrets: Any = None, **changes: Any) -> Hit:
    """Return what arrived of one message."""
    with HttpSink() as sink:
        sent(options(sink.port, path, **changes), message, secrets=secrets)
        (hit,) = sink.hits
    return hit


def attribute(kind: str, key: str, value: str) -> dict[str, str]:
    return {"type": kind, "key": key, "value": value}


def test_the_body_has_its_fields_in_order_and_the_event_byte_for_byte() -> None:
    document = '{"id":"1",  "title" : "M\\u00fcller ü",\n"n":1.50}'
    hit = posted(notice(EventPart("1", document)), attributes=[attribute("Body", "team", "Büro")])

    assert hit.line == "POST /hook HTTP/1.1"
    assert list(hit.document) == ["type", "timestamp", "subscriptionId", "attributes", "events"]
    assert hit.document["type"] == "event.firing"
    assert hit.document["timestamp"] == "2026-11-03T10:31:00Z"
    assert hit.document["subscriptionId"] == "7"
    assert hit.document["attributes"] == [{"key": "team", "value": "Büro"}]
    assert f'"events":[{document}]}}'.encode() in hit.body
    assert hit.headers["content-type"] == "application/json"
    assert hit.headers["user-agent"].startswith("Tocsin")
    assert hit.headers["webhook-id"] == "msg_1_a"
    assert "webhook-signature" not in hit.headers


def test_several_events_go_in_one_body() -> None:
    hit = posted(notice(event(1), event(2), event(3), type=RESOLVED))

    assert [one["id"] for one in hit.document["events"]] == ["1", "2", "3"]
    assert hit.document["type"] == "event.resolved"


@pytest.mark.parametrize("text", [HOSTILE, "x" * 20_000, ""])
def test_hostile_text_in_events_traces_and_attributes_survives(text: str) -> None:
    body = text.replace("\x00", "")
    hit = posted(
        notice(event(title=text, trace=text or None), event(2, trace=text or None)),
        attributes=[attribute("Body", "k", body[:2000])],
    )

    assert hit.document["events"][0]["title"] == text
    assert hit.document["events"][1].get("trace", "") == text
    assert hit.document["attributes"][0]["value"] == body[:2000]


def test_a_trace_is_left_out_where_the_whole_would_be_more_than_1_mib_last_events_first() -> None:
    message = notice(*(event(at, trace="ü" * 150_000) for at in range(1, 6)))
    body = payload(options(1), message)
    events = json.loads(body)["events"]

    assert len(body) <= MOST_BODY
    assert [("trace" in one, one.get("traceLeftOut")) for one in events] == [
        (True, None),
        (True, None),
        (True, None),
        (False, True),
        (False, True),
    ]


@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_is_met_to_the_byte(over: int) -> None:
    bare = len(payload(options(1), notice(event(trace="x"))))
    body = payload(options(1), notice(event(trace="x" * (MOST_BODY - bare + 1 + over))))

    assert ("traceLeftOut" in json.loads(body)["events"][0]) is bool(over)
    assert len(body) <= MOST_BODY


def test_variables_are_replaced_in_headers_query_and_body() -> None:
    text = "$eventId $source $severity $integration $subscriptionId $other $$eventId $"
    kinds = ("Header", "Query", "Body")
    given = [attribute(kind, "X-Key", text) for kind in kinds]
    hit = posted(notice(event(42), event(43)), "/hook?sig=a%2Db/+==", attributes=given)
    expected = "42 backups error crm 7 $other $42 $"

    assert hit.headers["x-key"] == expected
    assert hit.document["attributes"] == [{"key": "X-Key", "value": expected}]
    encoded = "42%20backups%20error%20crm%207%20%24other%20%2442%20%24"
    assert hit.line == f"POST /hook?sig=a%2Db/+==&X-Key={encoded} HTTP/1.1"


def test_the_urls_own_query_and_path_are_never_encoded_anew() -> None:
    path = "/a/%7Eb/../c%2f?sig=%41%2d~x&=&&q=a'b(c)"

    assert posted(path=path).line == f"POST {path} HTTP/1.1"
    assert posted(path="/straße?ä").line == "POST /stra%C3%9Fe?%C3%A4 HTTP/1.1"
    assert posted(path="").line == "POST / HTTP/1.1"


def test_what_a_variable_brings_into_a_header_or_query_breaks_neither() -> None:
    given = [
        attribute("Header", "X-Key", "<$integration>"),
        attribute("Query", "k", "$integration"),
    ]
    hit = posted(notice(event(integration="a\r\nX-Evil: 1\x00€ä&b=c#")), attributes=given)

    assert hit.headers["x-key"] == "<a??X-Evil: 1??ä&b=c#>"
    assert "x-evil" not in hit.headers
    assert hit.line == "POST /hook?k=a%0D%0AX-Evil%3A%201%00%E2%82%AC%C3%A4%26b%3Dc%23 HTTP/1.1"


def test_an_event_without_an_integration_leaves_a_header_that_can_be_sent() -> None:
    given = [attribute("Header", "X-Key", "$integration $eventId")]

    assert posted(notice(event(integration=None)), attributes=given).headers["x-key"] == "1"


def test_the_documented_vector_is_signed_as_documented(simulated: Simulated) -> None:
    from app.channels.webhook_signing import Signer  # noqa: PLC0415 - only this test knows it

    simulated.reaches(datetime.fromtimestamp(1614265330, UTC))
    made = Signer({"signingSecret": Secret(SECRET)}).headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
    )

    assert made["webhook-timestamp"] == "1614265330"
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_very_bytes_that_arrive_verify_with_the_librarys_own_verifier() -> None:
    hit = posted(notice(event(title=HOSTILE)), secrets={"signingSecret": Secret(SECRET)})

    assert Webhook(SECRET).verify(hit.body, dict(hit.headers)) == hit.document
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(hit.body + b" ", dict(hit.headers))
    assert abs(int(hit.headers["webhook-timestamp"]) - utc_now().timestamp()) < 60


def test_during_a_rotation_both_secrets_sign_the_new_one_first() -> None:
    new = new_signing_secret()
    secrets = {"signingSecret": new, "previousSigningSecret": Secret(SECRET)}
    hit = posted(secrets=secrets)
    signatures = hit.headers["webhook-signature"].split(" ")

    assert len(signatures) == 2
    Webhook(new.reveal()).verify(hit.body, dict(hit.headers))
    Webhook(SECRET).verify(hit.body, dict(hit.headers))
    Webhook(new.reveal()).verify(hit.body, {**hit.headers, "webhook-signature": signatures[0]})


def test_every_attempt_has_the_same_id() -> None:
    answers = iter([None, None])
    with HttpSink(lambda hit, client: next(answers)) as sink:
        with session(options(sink.port)) as opened:
            for _ in range(2):
                with pytest.raises(ChannelError):
                    opened.send(notice())

    assert [hit.headers["webhook-id"] for hit in sink.hits] == ["msg_1_a"] * 2


def test_a_request_is_described_in_one_line_without_secrets() -> None:
    given = [attribute("Header", "X-Key", "canary"), attribute("Query", "k", "canary")]
    chosen = options(80, "/hook?sig=canary", attributes=given)

    assert CHANNEL.describe(chosen, notice()) == "POST http://127.0.0.1/hook, webhook-id msg_1_a"
    assert "2 events" in CHANNEL.describe(chosen, notice(event(1), event(2)))


def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    given = [attribute("Header", "X-Key", "canary-1"), attribute("Query", "k", "canary-2")]
    secret = {"signingSecret": Secret(SECRET)}
    posted(path="/hook?sig=canary-3", attributes=given, secrets=secret)
    with HttpSink(lambda hit, client: None) as sink:
        error = failure(options(sink.port, "/?canary-4", attributes=given), secrets=secret)

    shown = caplog.text + repr(error) + str(error) + error.answer
    assert "canary" not in shown
    assert SECRET not in shown
