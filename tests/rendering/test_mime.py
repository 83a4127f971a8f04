"""The bytes: what any mail server takes, and headers that nothing breaks out of."""

from __future__ import annotations

import re
from base64 import b64decode

import pytest

from app.errors import Invalid
from app.rendering.mail import Attachment, render
from app.rendering.told import FailureMail
from tests.rendering.samples import NOW, Opened, bug, digest, failing, line

EXPECTED = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "X-Tocsin-Delivery",
    "MIME-Version",
    "Content-Type",
]
BREAKOUTS = [
    "x\r\nBcc: evil@example.net",
    "x\nBcc: evil@example.net",
    "x\rBcc: evil@example.net",
    "x\u2028Bcc: evil@example.net",
    "x\u2029Bcc: evil@example.net",
    "x\x85Bcc: evil@example.net",
    "x\x0bBcc: evil@example.net",
    "x\x0cBcc: evil@example.net",
    "x\x1cBcc: evil@example.net",
    "x\r\n\r\n<script>alert(1)</script>",
    "x\x00y\x1b]0;title\x07",
    "=?utf-8?q?x=0D=0ABcc:_evil@example.net?=",
    "x" * 70 + "\r\n Bcc: evil@example.net",
    "lone \ud800 surrogate\r\nBcc: evil@example.net",
]
LONG = [
    failing(),
    failing(failures=(line(message="x" * 4_000, trace="y" * 60_000),)),
    failing(failures=(line(message="日" * 4_000),)),
    failing(failures=(line(message="&" * 4_000),)),
    failing(to=tuple(f"{'a' * 60}{n}@{'b' * 60}.example.org" for n in range(50))),
    failing(references=tuple(f"<{'r' * 200}{n}@tocsin.example.org>" for n in range(300))),
    failing(link="https://tocsin.example.org/" + "l" * 2_000),
    digest(*(bug(number) for number in range(200)), total=5_000),
]


@pytest.mark.parametrize("field", ["message", "error_code", "entity_type", "entity_id", "project"])
@pytest.mark.parametrize("text", BREAKOUTS)
def test_no_text_of_a_failure_reaches_a_header_as_anything_but_text(field: str, text: str) -> None:
    failure = line(**{"entity_id": "1", "accessible": False, field: text})
    for mail in (failing(failures=(failure,)), digest(failure)):
        assert Opened(mail).names == EXPECTED


@pytest.mark.parametrize(
    "field",
    ["integration", "system1", "system2", "prefix", "why_text", "delivery_id", "message_id"],
)
@pytest.mark.parametrize("text", BREAKOUTS)
def test_no_name_reaches_a_header_as_anything_but_text(field: str, text: str) -> None:
    opened = Opened(failing(**{field: text}))
    assert opened.names == EXPECTED
    assert opened.message["Bcc"] is None
    for name, value in opened.message.items():
        # After the folds are taken back, nothing is left that could break a line.
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", str(value)), name


@pytest.mark.parametrize("text", BREAKOUTS)
def test_a_note_a_reference_and_a_file_name_cannot_break_out(text: str) -> None:
    mail = failing(notes=(text,), references=(text,))
    opened = Opened(mail, (Attachment(text, b"%PDF-1.7"),))
    assert [*EXPECTED[:5], "In-Reply-To", "References", *EXPECTED[5:]] == opened.names
    assert [part.get_content_type() for part in opened.message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/pdf",
    ]


@pytest.mark.parametrize("field", ["to", "cc", "sender"])
@pytest.mark.parametrize(
    "address",
    [
        "ops@example.org\r\nBcc: evil@example.net",
        "ops@example.org\n",
        "ops@example.org,evil@example.net",
        "ops@example.org;evil@example.net",
        "ops@example.org><evil@example.net",
        "ops@example.org evil@example.net",
        "ops@exämple.org",
        "ops@example.org\u2028",
        "ops",
        "",
    ],
)
def test_an_address_that_could_end_its_header_is_refused(field: str, address: str) -> None:
    value = address if field == "sender" else (address,)
    with pytest.raises(Invalid) as refused:
        render(failing(**{field: value}))
    assert refused.value.faults[0].pointer == f"/{field}"


@pytest.mark.parametrize("mail", LONG)
def test_every_mail_is_ascii_with_crlf_and_no_line_over_998_bytes(mail: FailureMail) -> None:
    body = Opened(mail).body
    lines = body.split(b"\r\n")
    assert lines[-1] == b""
    assert max(map(len, lines)) <= 998
    assert body.isascii()
    assert not any(b"\r" in one or b"\n" in one for one in lines)


def test_the_headers_carry_sender_recipients_time_and_identity() -> None:
    mail = failing(to=("a@example.org", "b@example.org"), cc=("c@example.org",))
    message = Opened(mail).message
    assert message["From"] == "Tocsin <tocsin@example.org>"
    assert message["To"] == "a@example.org, b@example.org"
    assert message["Cc"] == "c@example.org"
    assert message["Date"].datetime == NOW.replace(microsecond=0)
    assert message["Message-ID"] == "<4711@tocsin.example.org>"
    assert message["X-Tocsin-Delivery"] == "4711"


def test_the_mail_says_that_a_machine_sent_it_so_that_no_machine_answers() -> None:
    message = Opened(failing()).message
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"


def test_a_later_mail_of_the_failure_joins_the_thread_of_the_earlier_ones() -> None:
    first, second = "<1@tocsin.example.org>", "<2@tocsin.example.org>"
    message = Opened(failing(references=(first, second))).message
    assert message["In-Reply-To"] == second
    assert message["References"].split() == [first, second]
    assert "References" not in Opened(failing()).names


@pytest.mark.parametrize(
    "text",
    [
        "Größe überschritten",
        "日本語のエラー" * 9,
        "👩‍👩‍👧‍👦" * 12,
        "=?utf-8?q?spoofed?=",
        "a" * 120,
        "plain",
    ],
)
def test_the_subject_arrives_as_it_was_written(text: str) -> None:
    opened = Opened(failing(failures=(line(message=text),)))
    assert opened.message["Subject"] == opened.rendered.subject
    assert text[:20] in opened.rendered.subject
    header = opened.body.split(b"Subject: ")[1].split(b"\r\nDate")[0]
    assert max(map(len, header.split(b"\r\n"))) <= 76


def test_each_encoded_word_of_a_subject_can_be_decoded_alone() -> None:
    body = Opened(failing(failures=(line(message="aé日👩" * 20),))).body
    words = re.findall(rb"=\?utf-8\?b\?([^?]+)\?=", body)
    assert len(words) > 2
    assert "aé日👩" in "".join(b64decode(word).decode() for word in words)


def test_an_ascii_text_goes_as_7bit_and_any_other_as_base64_utf_8() -> None:
    def encodings(mail: FailureMail) -> list[tuple[str, str | None]]:
        parts = [part for part in Opened(mail).message.walk() if not part.is_multipart()]
        return [(part["Content-Transfer-Encoding"], part.get_content_charset()) for part in parts]

    plain, coded = ("7bit", "us-ascii"), ("base64", "utf-8")
    assert encodings(failing()) == [coded, plain]  # the arrow; in HTML it is a reference
    assert encodings(failing(failures=(line(message="x" * 4_000),))) == [coded, coded]


def test_an_attachment_arrives_byte_for_byte_beside_both_bodies() -> None:
    content = bytes(range(256)) * 300
    opened = Opened(failing(), (Attachment("trace größe.pdf", content),))
    (file,) = opened.message.iter_attachments()
    assert opened.message.get_content_type() == "multipart/mixed"
    assert (file.get_filename(), file.get_content_type()) == ("trace größe.pdf", "application/pdf")
    assert file.get_payload(decode=True) == content
    assert "AUTH_401" in opened.text


def test_the_same_mail_gives_the_same_bytes_on_every_attempt() -> None:
    assert render(failing()) == render(failing())


def test_a_message_cannot_end_its_part_with_the_boundary_of_an_earlier_mail() -> None:
    boundary = Opened(failing()).message.get_boundary()
    forged = f"x\r\n--{boundary}--\r\n\r\n--{boundary}\r\nContent-Type: text/html\r\n\r\n<b>hi"
    opened = Opened(failing(failures=(line(message=forged),)))
    assert len(list(opened.message.walk())) == 3
    assert opened.message.get_boundary() != boundary
