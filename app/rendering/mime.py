"""The bytes of a mail: headers that nothing can break out of, and parts that any server takes."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import encode_rfc2231, format_datetime
from hashlib import blake2b

from app.errors import Fault, Invalid
from app.words import cut, one_line

DISPLAY_NAME = "Tocsin"
LONGEST_LINE = 998  # RFC 5321, 4.5.3.1.6, without its CRLF
_WORD_BYTES = 39  # 52 characters of base64: with "Subject: " and its frame under 78
_PLAIN_HEADER = 60
_REFERENCES = 20
_LONGEST_FILENAME = 100
_COLUMNS = 76  # RFC 2045, 6.8
_FOLD = "\r\n "
_ADDRESS = re.compile(r"[!-~]+@[!-~]+")
_NOT_IN_AN_ADDRESS = re.compile(r"[<>,;]")
_NOT_IN_AN_ID = re.compile(r"[^!->@-~]+")  # nor "?": some programs decode words even here


@dataclass(frozen=True)
class Attachment:
    """A file that goes with the mail, such as the PDF of the traces; `subtype` of application/."""

    filename: str
    content: bytes
    subtype: str = "pdf"


@dataclass(frozen=True)
class Head:
    """What the headers of a mail say."""

    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    now: datetime
    message_id: str
    references: tuple[str, ...]
    delivery_id: str


def build(head: Head, text: str, html: str, attachments: tuple[Attachment, ...] = ()) -> bytes:
    """Return the mail as bytes with CRLF, ready for DATA; the same input gives the same bytes.

    `text` and `html` come without control characters and lone surrogates (see words.clean).
    Raises Invalid for an address that could end its header. Written out here, since the email
    package needs twice the time for the same bytes.
    """
    # A boundary made from the parts cannot be foreseen by who writes into them.
    mark = blake2b(f"{text}\0{html}".encode(), digest_size=15).hexdigest()
    body = _multipart("alternative", f"=_a{mark}", (_text(text), _html(html)))
    if attachments:
        body = _multipart("mixed", f"=_m{mark}", (body, *map(_file, attachments)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in _headers(head))
    return f"{lines}{body}".encode("ascii")


def _multipart(subtype: str, boundary: str, parts: Iterable[str]) -> str:
    inner = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return (
        f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n{inner}--{boundary}--\r\n'
    )


def _text(text: str) -> str:
    return _plain("plain", text) if text.isascii() and _fits(text) else _encoded("plain", text)


def _html(html: str) -> str:
    # The few characters outside ASCII become references: spam filters mistrust encoded HTML.
    plain = html.encode("ascii", "xmlcharrefreplace").decode("ascii")
    return _plain("html", plain) if _fits(plain) else _encoded("html", html)


def _fits(text: str) -> bool:
    return len(max(text.split("\n"), key=len)) <= LONGEST_LINE


def _plain(subtype: str, ascii_text: str) -> str:
    return (
        f"Content-Type: text/{subtype}; charset=us-ascii\r\n"
        "Content-Transfer-Encoding: 7bit\r\n\r\n" + _crlf(ascii_text)
    )


def _encoded(subtype: str, text: str) -> str:
    return (
        f"Content-Type: text/{subtype}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n" + _base64(_crlf(text).encode())
    )


def _file(file: Attachment) -> str:
    name = encode_rfc2231(cut(one_line(file.filename), _LONGEST_FILENAME), "utf-8")
    return (
        f"Content-Type: application/{file.subtype}\r\n"
        f"Content-Disposition: attachment; filename*={name}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n" + _base64(file.content)
    )


def _base64(content: bytes) -> str:
    whole = b64encode(content).decode("ascii")
    return "\r\n".join(whole[at : at + _COLUMNS] for at in range(0, len(whole), _COLUMNS))


def _crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def _headers(head: Head) -> Iterator[tuple[str, str]]:
    yield "From", f"{DISPLAY_NAME} <{_address(head.sender, '/sender')}>"
    if head.to:
        yield "To", _addresses(head.to, "/to")
    if head.cc:
        yield "Cc", _addresses(head.cc, "/cc")
    yield "Subject", header(head.subject)
    yield "Date", format_datetime(head.now.astimezone(UTC))
    yield "Message-ID", _id(head.message_id)
    if head.references:
        yield "In-Reply-To", _id(head.references[-1])
        yield "References", _FOLD.join(map(_id, head.references[-_REFERENCES:]))
    yield "Auto-Submitted", "auto-generated"
    yield "X-Auto-Response-Suppress", "All"
    yield "X-Tocsin-Delivery", header(head.delivery_id)
    yield "MIME-Version", "1.0"


def header(value: str) -> str:
    """Return `value` as a header may carry it: one line, RFC 2047 where it is long or not ASCII."""
    line = one_line(value)
    # "=?" would be decoded by the reader's program: text that looks encoded is encoded itself.
    if line.isascii() and len(line) <= _PLAIN_HEADER and "=?" not in line:
        return line
    return _FOLD.join(f"=?utf-8?b?{b64encode(piece).decode('ascii')}?=" for piece in _pieces(line))


def _pieces(line: str) -> Iterator[bytes]:
    """Yield the UTF-8 of `line` in pieces that end between characters (RFC 2047, 5)."""
    rest = line.encode()
    while len(rest) > _WORD_BYTES:
        end = _WORD_BYTES
        while rest[end] & 0xC0 == 0x80:  # noqa: PLR2004 - a byte in the middle of a character
            end -= 1
        yield rest[:end]
        rest = rest[end:]
    yield rest


def _addresses(addresses: tuple[str, ...], pointer: str) -> str:
    return f",{_FOLD}".join(_address(address, pointer) for address in addresses)


def _address(address: str, pointer: str) -> str:
    """Return a bare address; they were checked when saved, and this is the last gate."""
    if not _ADDRESS.fullmatch(address) or _NOT_IN_AN_ADDRESS.search(address):
        raise Invalid([Fault(pointer, f"{one_line(address)!r} cannot stand in a mail header")])
    return address


def _id(value: str) -> str:
    return _NOT_IN_AN_ID.sub("", value)
