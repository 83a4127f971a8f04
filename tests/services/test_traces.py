"""Traces as PDF: with the mail, never in its way, and nowhere when they are not wanted (S1)."""

from __future__ import annotations

import email
import io
from email.message import Message

import pytest
from pypdf import PdfReader
from sqlalchemy import update

from app.models import Delivery
from app.services.installation import Installation
from tests.servers.script import Script
from tests.servers.sink import Mail, Sink
from tests.services.makers import register
from tests.services.spine import Post, at_once, deliveries, mail_server, registered, report

LINES = [f"  at corp.sync.Step{number}.run(Step{number}.java:{number})" for number in range(30)]
TRACE = "\n".join(["java.lang.IllegalStateException: Ошибка 同步 فشل", *LINES])


def parts(mail: Mail) -> tuple[Message, bytes | None]:
    """Return the mail, and its PDF if it has one."""
    parsed = email.message_from_bytes(mail.body)
    for part in parsed.walk():
        if part.get_content_type() == "application/pdf":
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            return parsed, content
    return parsed, None


def words(mail: Mail) -> str:
    """Return text and HTML of the mail, decoded."""
    parsed = email.message_from_bytes(mail.body)
    found = []
    for part in parsed.walk():
        if part.get_content_maintype() == "text":
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found.append(content.decode())
    return "\n".join(found)


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_the_trace_of_a_job_failure_goes_with_its_mail(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site, trace=TRACE)
        Post(site).serve()

    parsed, pdf = parts(sink.mails[0])
    assert parsed.get_content_type() == "multipart/mixed"
    assert pdf is not None
    assert "Step29.java:29" in text_of(pdf)


def test_a_digest_has_one_page_head_for_each_failure(site: Installation) -> None:
    with mail_server() as sink:
        registered(site, sink.port)
        for number in range(3):
            report(
                site, kind="processing", entityId=f"E-{number}", retryCount=3,
                trace=f"trace of entity {number}",
            )  # fmt: skip
        Post(site).run_pass()

    _, pdf = parts(sink.mails[0])
    assert pdf is not None
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
    assert len(pages) == 3
    for number in range(3):
        assert sum(f"E-{number}" in page and f"entity {number}" in page for page in pages) == 1


def test_without_the_trace_no_line_of_it_is_anywhere(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        told = {"recipients": ["ops@corp.example"], "global": {"immediately": True}}
        register(site, forward=told, includeErrorTrace=False)
        report(site, trace=TRACE)
        Post(site).serve()

    parsed, pdf = parts(sink.mails[0])
    assert pdf is None
    said = f"{parsed['Subject']}\n{words(sink.mails[0])}"
    assert not [line for line in TRACE.splitlines() if line.strip() in said]


def test_a_failure_without_a_trace_has_no_attachment(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site)
        Post(site).serve()

    assert parts(sink.mails[0])[1] is None


@pytest.mark.parametrize("where", ["size", "answer"])
def test_a_server_that_refuses_the_size_gets_the_mail_without_the_pdf(
    site: Installation, where: str
) -> None:
    with small_server(where) as sink:
        at_once(site, sink.port)
        report(site, trace=TRACE)
        Post(site).serve()

    (mail,) = sink.mails
    assert parts(mail)[1] is None
    assert "refused its size" in " ".join(words(mail).split())
    (row,) = deliveries(site)
    assert (row.state, row.attempt_count) == ("delivered", 1)


def small_server(where: str) -> Sink:
    """Return a server that says how small a mail must be, or refuses the first one at its end."""
    if where == "size":
        return Sink(Script(size=12_000))
    return Sink(Script(once={"DOT": ["552 5.3.4 Message too big for system"]}))


def test_a_mail_that_ended_its_worker_goes_without_the_pdf(site: Installation) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site, trace=TRACE)
        with site.store.writing() as connection:
            connection.execute(update(Delivery).values(lost_leases=1))
        Post(site).serve()

    assert parts(sink.mails[0])[1] is None
    assert "ended Tocsin's worker" in " ".join(words(sink.mails[0]).replace("&#39;", "'").split())


@pytest.mark.parametrize(
    "trace",
    [
        pytest.param("x" * 1_000_000, id="one line of a megabyte"),
        pytest.param("\n".join(["line"] * 200_000), id="200,000 lines"),
        pytest.param("<b>" * 20_000 + "</b>" * 20_000, id="nested tags"),
        pytest.param("a\x00b\x1b[31mc\x07" * 100, id="control characters"),
        pytest.param("{{ 7*7 }} {% raw %} <img src='file:///etc/passwd'>", id="templates"),
    ],
)
def test_a_mail_goes_whatever_its_trace_holds(site: Installation, trace: str) -> None:
    with mail_server() as sink:
        at_once(site, sink.port)
        report(site, trace=trace)
        Post(site).serve()

    assert len(sink.mails) == 1
    assert [row.state for row in deliveries(site)] == ["delivered"]
