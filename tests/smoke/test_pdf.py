"""Traces as PDF over the running product: whole with the mail, or nowhere (S1; product.md 4)."""

from __future__ import annotations

import io
import unicodedata
from email.message import EmailMessage

import pytest
from pypdf import PdfReader

from tests.harness.client import Api
from tests.harness.mails import Post, parse, text_of

MIB = 1024 * 1024
SOON = 30.0
LINES = (
    "java.lang.IllegalStateException: Ошибка входа в систему",
    "caused by: خطأ في المزامنة",
    "同步失败：连接中断",
    "at corp.sync.Step.run(Step.java:42)",
)


def pdf_of(mail: EmailMessage) -> list[str]:
    """Return the text of each page of the one PDF of a mail, as a reader of it sees it."""
    (attached,) = mail.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == (
        "application/pdf",
        "traces.pdf",
    )
    pages = PdfReader(io.BytesIO(attached.get_content())).pages
    # Arabic letters are drawn joined, so that they are extracted in their joined forms.
    return [unicodedata.normalize("NFKC", page.extract_text()) for page in pages]


def decoded(body: bytes) -> str:
    """Return all of a mail that anybody could read: as it came, its headers, and each part."""
    mail = parse(body)
    texts = [body.decode("utf-8", "replace"), *(str(value) for _, value in mail.items())]
    for part in mail.walk():
        if not part.is_multipart():
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            texts.append(content.decode("utf-8", "replace"))
    return "\n".join(texts)


def test_a_trace_in_any_script_goes_as_pdf_with_its_mail(api: Api, post: Post) -> None:
    api.mail_system("Traced", post.port)
    api.register("traced", "Traced")

    made = api.fail("traced", errorCode="SYNC_500", trace="\n".join(LINES))

    (mail,) = post.wait(1)
    text = "\n".join(pdf_of(mail))
    for line in LINES:
        assert unicodedata.normalize("NFKC", line) in text
    assert "SYNC_500" in text
    assert f"Global failure {made['failure']['id']}" in text
    assert LINES[0] in text_of(mail)  # the beginning stands in the mail, too


def test_a_trace_that_ends_with_a_line_break_lacks_nothing(api: Api, post: Post) -> None:
    api.mail_system("Ending", post.port)
    api.register("ending", "Ending")

    api.fail("ending", trace="".join(f"{line}\n" for line in LINES))

    (mail,) = post.wait(1)
    text = "\n".join(pdf_of(mail))
    assert "Trace, 4 lines" in text
    assert "further" not in text
    assert "further" not in text_of(mail)


def test_without_error_trace_no_line_of_it_is_in_any_byte(api: Api, post: Post) -> None:
    api.mail_system("Traceless", post.port)
    pass_mail = {"immediately": False, "failureCount": 1}
    api.register("traceless", "Traceless", traces=False)
    api.register("traceless-pass", "Traceless", traces=False, **{"global": pass_mail})

    trace = "\n".join(LINES)
    entity = {"entityType": "Bug", "entityId": "A-1", "maxRetryCount": 0}
    api.fail("traceless", trace=trace)
    api.fail("traceless", kind="processing", trace=trace, **entity)
    api.fail("traceless-pass", trace=trace)
    api.run_pass()

    post.wait(3)
    for mail in post.box.mails:
        assert not list(parse(mail.body).iter_attachments())
        said = decoded(mail.body)
        assert not [line for line in LINES if line in said]


def test_a_digest_of_three_has_three_page_heads(api: Api, post: Post) -> None:
    api.mail_system("Heads", post.port)
    api.register("heads", "Heads")
    entities = ("A-1", "A-2", "A-3")
    for entity in entities:
        body = {"entityType": "Bug", "entityId": entity, "maxRetryCount": 0}
        api.fail("heads", kind="processing", trace=f"trace of {entity}\n{LINES[3]}", **body)

    api.run_pass()

    (mail,) = post.wait(1)
    pages = pdf_of(mail)
    assert [page.count("Processing failure") for page in pages] == [1, 1, 1]
    assert "3 failures" in pages[0]
    for entity in entities:
        (own,) = (page for page in pages if f"Bug {entity}" in page)
        assert f"trace of {entity}" in own


@pytest.mark.parametrize(
    ("name", "trace", "left_out"),
    [
        pytest.param("wide", "x" * MIB, "the rest of 1 long line", id="one line of 1 MiB"),
        pytest.param(
            "tall", "\n".join(["line"] * 200_000), "198,000 further lines", id="200,000 lines"
        ),
    ],
)
def test_the_largest_trace_goes_in_time_and_says_what_is_left_out(
    api: Api, post: Post, name: str, trace: str, left_out: str
) -> None:
    api.mail_system(name.title(), post.port)
    api.register(name, name.title())

    api.fail(name, trace=trace)

    (mail,) = post.wait(1, SOON)
    assert len(post.box.mails[0].body) < MIB
    if list(mail.iter_attachments()):
        assert left_out in " ".join(pdf_of(mail)[-1].split())
    else:  # on a machine that is so busy the mail goes all the same
        assert "The PDF could not be made: it took more than" in " ".join(text_of(mail).split())
