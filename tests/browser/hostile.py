"""An installation full of hostile texts: in all that people type and that reports bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from playwright.sync_api import Page

from tests.harness.client import Api, Document
from tests.harness.fixtures import ON_DEMAND
from tests.harness.waiting import eventually

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=//evil.example/x onerror=alert(1)>',
    "javascript:alert(1)",
    "'-alert(1)-'",
    "{{7*7}}",
    "</textarea><svg onload=alert(1)>",
    "https://evil.example/",
    '" onfocus=alert(1) autofocus style="x',
)
# Where `next` and `back` would like to lead.
AWAY = (
    "//evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https://evil.example/",
    "/\t/evil.example",
    "/%09/evil.example",
    "///evil.example",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    " //evil.example",
)
LINKS = frozenset({"href", "src", "action", "formaction", "data-poll-url", "xlink:href", "content"})
MAIL = PAYLOADS[0]


def named(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")


def addressed(text: str) -> str:
    """Return a text as a system or schedule may be called: its address has to hold it."""
    while "//" in text:
        text = text.replace("//", "/")
    return text.strip("/")


def fill(api: Api) -> Mapping[str, str]:
    """Fill an empty installation; return what the paths of tests/browser/routes.py need."""
    api.set(postNotificationSchedule=ON_DEMAND)
    for number, text in enumerate(PAYLOADS):
        _system(api, addressed(text))
        api.put(
            f"/schedules/{named(addressed(text))}", {"every": {"n": number + 1, "unit": "hours"}}
        )
        _integration(api, text)
    routed = _events(api)
    first = PAYLOADS[0]
    block = {"recipients": ["ops@example.com"], "subjectPrefix": first}
    bulk = {"system": MAIL, "forward": block}
    keys = list(PAYLOADS)
    api.sure("POST", "/registrations/bulk", {"integrations": keys, "registration": bulk}).of(200)
    api.run_pass()
    waiting = eventually("a mail that waits", lambda: api.items("/deliveries"))
    failures = api.items("/failures")
    return {
        "delivery": str(waiting[0]["id"]),
        "schedule": named(first),
        "integration": named(first),
        "integration_id": str(api.get(f"/integrations/{named(first)}")["id"]),
        "job": str(api.items("/jobs")[0]["id"]),
        "failure": _first(failures, "global"),
        "processing": _first(failures, "processing"),
        "system": named(MAIL),
        **routed,
    }


def _first(failures: Sequence[Document], kind: str) -> str:
    return str(next(one["id"] for one in failures if one["kind"] == kind))


def _system(api: Api, text: str) -> None:
    # Nothing listens there: mail waits, and Tocsin's own errors tell of it.
    options = {"server": "127.0.0.1", "port": 9, "encryption": "none", "timeout": 10}
    options |= {"authenticationRequired": False, "senderEmail": "tocsin@example.com"}
    api.put(f"/systems/{named(text)}", {"kind": "smtp", "options": options})


def _events(api: Api) -> dict[str, str]:
    """Route events of which every part is hostile to a webhook at which nothing listens."""
    name = addressed(f"hook {PAYLOADS[0]}")
    attributes = [
        {"type": kind, "key": "X-Key" if kind == "Header" else text, "value": text}
        for kind, text in zip(("Header", "Query", "Body"), PAYLOADS, strict=False)
    ]
    options = {"url": "http://127.0.0.1:9/in", "attributes": attributes, "timeout": 5}
    api.put(f"/systems/{named(name)}", {"kind": "webhook", "options": options})
    cell = {"source": "metrics", "severity": "error", "systems": [name]}
    api.put("/routes", {"cells": [cell], "subscriptions": []})
    events = [
        {
            "id": text,
            "source": "metrics",
            "severity": "error",
            "title": text,
            "description": text,
            "node": text,
            "dedupKey": text,
            "labels": {text: text},
            "link": "https://evil.example/?" + named(text),
            "trace": text,
        }
        for text in PAYLOADS
    ]
    taken = api.sure("POST", "/events", events).of(202)["events"]
    event = str(taken[0]["id"])
    found = eventually("a routed delivery", lambda: api.items("/deliveries", event=event))
    return {"event": event, "routed": str(found[0]["id"]), "hook": named(name)}


def _integration(api: Api, text: str) -> None:
    key = named(text)
    api.put(f"/integrations/{key}", {"name": text, "system1": text, "system2": text})
    forward = {"recipients": ["ops@example.com"], "global": {"immediately": True}}
    forward |= {"subjectPrefix": text, "processing": {"beforeMaxRetries": True}}
    api.put(f"/registrations/{key}", {"system": addressed(text), "forward": forward})
    common = {"errorCode": text, "message": text, "trace": f"{text}\n  at {text}"}
    api.fail(key, **common)
    about = {"entityType": text, "entityId": text, "project": text}
    api.fail(key, kind="processing", **about, **common)


def fill_forms(page: Page) -> None:
    """Make the users, API keys and saved views, for which there is no API, by their forms.

    The first text is typed into each; the others are sent as that form sends them.
    """
    view = urlencode({"list": "/integrations/", "query": "q=0"})
    for path in ("/users/new", "/api-keys/new", "/account", f"/views/new?{view}"):
        page.goto(path)
        _sent_with_all(page, "main", path)
    page.goto(f"/integrations/?{urlencode({'q': PAYLOADS[0]})}")
    page.locator(".views > a").click()
    page.wait_for_selector("#dialog[open]")
    _sent_with_all(page, "#dialog", "dialog")


def _sent_with_all(page: Page, where: str, path: str) -> None:
    _fill_in(page, where, _values(path, 0, PAYLOADS[0]))
    form = page.locator(f"{where} form:has(button.btn-primary)").first
    sent = form.evaluate("(one) => [...new FormData(one)].map(([k, v]) => [k, String(v)])")
    target = form.evaluate("(one) => new URL(one.getAttribute('action') || '', location).href")
    with page.expect_navigation():
        form.locator("button.btn-primary").first.click()
    for number, text in enumerate(PAYLOADS[1:], start=1):
        fields = dict(sent) | _values(path, number, text)
        answer = page.request.post(str(target), form=fields, max_redirects=0)
        # A new API key is shown in the answer; the others lead on.
        assert answer.status in (200, 302, 303), f"{target}: {answer.status}"


def _values(path: str, number: int, text: str) -> dict[str, Any]:
    """Return what is typed into the form at `path` for one of the texts."""
    if path == "/users/new":
        email = f"person{number}@example.org"
        return {"name": text, "email": email, "password": "twelve or more letters"}
    if path == "/api-keys/new":
        return {"name": text, "integration": text}
    if path.startswith("/views/"):
        return {"name": text, "query": f"q={number}"}
    if path == "dialog":
        return {"name": f"{text} again", "query": urlencode({"q": text})}
    return {"name": text}


def _fill_in(page: Page, where: str, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        box = page.locator(f"{where} [name={name}]").first
        if box.is_visible():  # what is hidden the page has filled in
            box.fill(value)


class Attributes(HTMLParser):
    """Collects from an answer, before any script ran, what must come from no data."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.problems: list[str] = []
        self._host, self._scripts = host, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Judge the attributes of one element."""
        given = dict(attrs)
        if tag == "script" and not (given.get("src") or "").startswith("/"):
            self.problems.append(f"an inline script, or one of elsewhere: {attrs}")
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.problems.append(f"<{tag} {name}={value!r}>")
            if name in LINKS - {"content"} and leads_away(value or "", self._host):
                self.problems.append(f"<{tag} {name}={value!r}> leads away")


def leads_away(target: str, host: str) -> bool:
    """Whether a browser at `host` would leave it, or run a script, for `target`."""
    seen = target.strip().replace("\\", "/")
    for char in "\t\r\n":
        seen = seen.replace(char, "")
    parts = urlsplit(urljoin(host + "/", seen))
    bare_scheme = parts.scheme in ("http", "https") and seen.lower().startswith(("http:", "https:"))
    local = f"{parts.scheme}://{parts.netloc}" == host and not (
        bare_scheme and not seen.startswith(host)
    )
    return not local or seen.startswith("//")


def bad_attributes(html: str, host: str) -> list[str]:
    """Return what in an answer would run, style or lead away."""
    parser = Attributes(host)
    parser.feed(html)
    return parser.problems
