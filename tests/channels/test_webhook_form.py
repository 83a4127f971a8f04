"""The form of a Webhook system: what it takes, what it refuses and where, and what batches."""

from __future__ import annotations

from typing import Any

import pytest

from app.channels.webhook import WebhookChannel
from app.channels.webhook_batches import asked
from app.channels.webhook_fields import new_signing_secret
from app.channels.webhook_options import WebhookOptions, WebhookSecrets
from app.errors import Invalid
from app.secrets import Secret
from app.shapes import parse
from tests.channels.http_system import CHANNEL, SECRET

URL = "https://hook.example.com/in"


def stored(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options as a system keeps them."""
    return parse(WebhookOptions, options).model_dump(mode="json", by_alias=True)


def faults(**changes: Any) -> list[tuple[str, str]]:
    try:
        parse(WebhookOptions, {"url": URL, **changes}, "/options")
    except Invalid as error:
        return [(fault.pointer, fault.message) for fault in error.faults]
    return []


def attribute(kind: str, key: str = "X-Key", value: str = "v") -> dict[str, str]:
    return {"type": kind, "key": key, "value": value}


def test_the_least_that_is_typed_gets_the_documented_defaults() -> None:
    chosen = parse(WebhookOptions, {"url": URL})

    assert chosen.model_dump(by_alias=True) == {
        "url": URL,
        "attributes": [],
        "batchNotify": None,
        "timeout": 30.0,
        "verifyTls": True,
        "caPem": None,
        "proxy": None,
    }
    assert CHANNEL.longest(chosen) == 30.0


@pytest.mark.parametrize(
    "url",
    [
        "http://hook",
        "https://hook.example.com",
        "HTTPS://Hook.Example.com:8443/a/../b?x=%2Dy&sig=a+b/c==",
        "https://[2001:db8::1]:8443/x",
        "http://10.1.2.3/",
        "https://münchen.example/straße?ä=ö",
        "https://hook.example.com/in/" + "x" * 1_900,
        "https://hook_1.example.com/",
    ],
)
def test_a_url_is_taken_and_kept_as_it_was_typed(url: str) -> None:
    assert parse(WebhookOptions, {"url": f" {url} "}).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "hook.example.com",
        "ftp://hook.example.com/",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "https://user:pw@hook.example.com/",
        "https://hook.example.com/#part",
        "https://hook.example.com/a b",
        "https://hook.example.com\\@evil.example/",
        "https://hook.example.com/\r\nX: y",
        "https://hook.example.com/\x00",
        "https://hook.example.com:0/",
        "https://hook.example.com:65536/",
        "https://hook.example.com:x/",
        "https://*.example.com/",
        "https://-x-.example/",
        "https://[::1/",
        "https://" + "a" * 64 + ".example/",
        "https://hook.example.com/" + "x" * 2_000,
        "https://hook.example.com/\ud800",
        7,
        None,
    ],
)
def test_a_url_that_cannot_be_posted_to_is_refused_with_its_field(url: Any) -> None:
    ((pointer, message),) = faults(url=url)

    assert pointer == "/options/url"
    assert message
    assert "pw" not in message


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Content-Type", "Transfer-Encoding", "Connection", "webhook-id",
     "Accept-Encoding", "User-Agent", "Webhook-Signature", "webhook-timestamp", "X Key", "X:Y",
     "", "é", "X\r\nY"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["v", None])
def test_a_header_that_cannot_be_set_is_refused_with_or_without_a_value(
    name: str, value: str | None
) -> None:
    given = {"type": "Header", "key": name} | ({"value": value} if value else {})
    found = faults(attributes=[given])

    assert found
    assert found[0][0].startswith("/options/attributes/0/")


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "\x00", "\x1b[0m", "€", "x" * 2_001])
def test_a_header_value_is_one_line_of_ascii(value: str) -> None:
    assert faults(attributes=[attribute("Header", value=value)])
    assert faults(attributes=[attribute("Header", value="Bearer text")]) == []


def test_a_header_is_named_once_and_a_query_key_as_often_as_wanted() -> None:
    twice = [attribute("Header", "X-Key"), attribute("Header", "x-key")]

    assert faults(attributes=twice)[0][0] == "/options/attributes"
    assert faults(attributes=[attribute("Query"), attribute("Query")]) == []
    assert faults(attributes=[attribute("Body", value="any\r\ntext €")]) == []
    assert faults(attributes=[attribute("Body")] * 51)
    assert faults(attributes=[attribute("Cookie")])


@pytest.mark.parametrize(
    "batch", [{"size": 0}, {"size": 1001}, {"size": 5, "timeWindow": 4}, {"timeWindow": 60}, {}, 5]
)
def test_a_batch_has_a_size_and_a_window_in_their_bounds(batch: Any) -> None:
    assert faults(batchNotify=batch)
    assert faults(batchNotify={"size": 1000, "timeWindow": 3600}) == []


def test_a_variable_in_the_query_turns_batching_off() -> None:
    given: dict[str, Any] = {"url": URL, "batchNotify": {"size": 100}}
    variable, fixed = attribute("Query", value="$eventId"), attribute("Query", value="x")

    assert asked(stored({"url": URL})) is None
    assert asked(stored(given)) == (100, 60)
    assert asked(stored({**given, "attributes": [fixed]})) == (100, 60)
    assert asked(stored({**given, "attributes": [variable]})) is None


@pytest.mark.parametrize("timeout", [0, 301, True, "30", float("nan")])
def test_a_time_out_is_from_1_to_300_seconds(timeout: Any) -> None:
    assert faults(timeout=timeout) == [("/options/timeout", "must be a number from 1 to 300")]


@pytest.mark.parametrize(
    "proxy",
    [
        "https://proxy:3128",
        "proxy:3128",
        "http://u:p@proxy:3128",
        "http://proxy:3128/x",
        "http://p:0",
    ],
)
def test_a_proxy_is_http_with_host_and_port(proxy: str) -> None:
    assert faults(proxy=proxy)[0][0] == "/options/proxy"
    assert faults(proxy="http://proxy.example.com:3128") == []


@pytest.mark.parametrize(
    "typed",
    ["secret", "whsec_", "whsec_short", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "é" * 32,
     "whsec_" + "A" * 88, "whsec_" + "A" * 31, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_"],
)  # fmt: skip
def test_a_signing_secret_is_whsec_and_24_to_64_bytes(typed: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(WebhookSecrets, {"signingSecret": typed}, "/secrets")

    assert caught.value.faults[0].pointer == "/secrets/signingSecret"
    assert "24 to 64 bytes" in str(caught.value)
    assert len(typed) < 10 or typed not in str(caught.value)


def test_a_new_signing_secret_is_taken_and_never_the_same() -> None:
    made = new_signing_secret()

    assert made != new_signing_secret()
    assert parse(WebhookSecrets, {"signingSecret": made.reveal()}).signing_secret == made
    assert made.reveal() not in repr(made)


def test_a_previous_secret_needs_one_that_follows_it() -> None:
    chosen, old = parse(WebhookOptions, {"url": URL}), {"previousSigningSecret": Secret(SECRET)}
    with pytest.raises(Invalid) as caught:
        CHANNEL.check(chosen, old)

    assert caught.value.faults[0].pointer == "/secrets/previousSigningSecret"
    CHANNEL.check(chosen, {**old, "signingSecret": new_signing_secret()})
    CHANNEL.check(chosen, {})


def test_every_field_describes_itself() -> None:
    for shape in (WebhookChannel.options, WebhookChannel.secrets):
        for field in shape.model_json_schema()["properties"].values():
            assert field["title"]
            assert field["description"]
