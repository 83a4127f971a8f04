"""What is configured and reported in the measurements, as prepared requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bench import load
from bench.product import KEY

INTEGRATIONS = 200
HELD = 20
SETTING_UP = 8
_TRACE = "\n".join(
    f"  at com.example.sync.Mapper.map(Mapper.java:{line}) [sync-core-4.2.jar]"
    for line in range(20)
)


def request(method: str, path: str, document: Mapping[str, Any]) -> bytes:
    """Return the bytes of a request of the HTTP interface."""
    body = json.dumps(document).encode()
    head = (
        f"{method} /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def key(number: int) -> str:
    """Return the key of an integration."""
    return f"crm-to-erp-{number:04}"


def failure(number: int) -> Mapping[str, Any]:
    """Return the `number`th failure: global and processing, both directions, one in ten traced."""
    document: dict[str, Any] = {
        "id": f"report-{number:08}",
        "direction": "backward" if number // INTEGRATIONS % 4 in (2, 3) else "forward",
        "message": "The target answered 503 Service Unavailable to PUT /orders; see the log.",
        "errorCode": f"E-{number // INTEGRATIONS % 8:03}",
        "cycleId": f"cycle-{number}",
    }
    if number // INTEGRATIONS % 2:
        entity = {"entityType": "Order", "entityId": f"4711-{number // INTEGRATIONS % 40}"}
        document |= {"kind": "processing", "project": "Europe", **entity}
    else:
        document |= {"kind": "global"}
    if number % 10 == 0:
        document["trace"] = _TRACE
    return document


def failures(count: int) -> list[bytes]:
    """Return `count` reports over all integrations in turn."""
    return [
        request("POST", f"/integrations/{key(number % INTEGRATIONS)}/failures", failure(number))
        for number in range(count)
    ]


def system(port: int) -> bytes:
    """Return the request that makes the mail system."""
    options = {
        "server": "127.0.0.1",
        "port": port,
        "encryption": "none",
        "authenticationRequired": False,
        "senderEmail": "tocsin@bench.example.com",
    }
    document = {"kind": "smtp", "options": options, "secrets": {}}
    return request("PUT", "/systems/mail", document)


def integration(number: int) -> bytes:
    """Return the request that makes an integration."""
    document = {"name": f"CRM to ERP {number}", "system1": "CRM", "system2": "ERP"}
    return request("PUT", f"/integrations/{key(number)}", document)


def registration(number: int, **settings: Any) -> bytes:
    """Return the request that registers an integration; `settings` of its global failures."""
    direction = {
        "recipients": ["operator@bench.example.com"],
        "cc": ["team@bench.example.com"],
        "global": settings,
        "processing": {"beforeMaxRetries": settings.get("failureCount") == 1},
    }
    document = {"system": "mail", "forward": direction}
    return request("PUT", f"/registrations/{key(number)}", document)


def requests_of_set_up(mail_port: int, integrations: int, **settings: Any) -> Iterator[list[bytes]]:
    """Yield what to send to configure everything; each list may be sent over many connections."""
    yield [system(mail_port)]
    yield [integration(number) for number in range(integrations)]
    yield [registration(number, **settings) for number in range(integrations)]


def set_up(port: int, mail_port: int, integrations: int, **settings: Any) -> None:
    """Configure a mail system and registered integrations over the HTTP interface."""
    for requests in requests_of_set_up(mail_port, integrations, **settings):
        load.run(port, requests, SETTING_UP)
