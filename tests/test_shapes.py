"""Shapes of input: addresses in every spelling, ranges that are named, line breaks, faults."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field
from pydantic_core import PydanticCustomError

from app.addresses import Addresses, OneAddress, SomeAddresses, address, addresses
from app.errors import Fault, Invalid
from app.shapes import Rule, Shape, number, parse, text, whole


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("a@b.org,c@d.org", ["a@b.org", "c@d.org"]),
        ("a@b.org; c@d.org", ["a@b.org", "c@d.org"]),
        ("a@b.org\nc@d.org\r\ne@f.org", ["a@b.org", "c@d.org", "e@f.org"]),
        ("Ann <a@b.org>", ["a@b.org"]),
        ('"Doe, J" <j@d.org>, c@d.org', ["j@d.org", "c@d.org"]),
        ('"Doe; \\"J\\", Dr" <j@d.org>', ["j@d.org"]),
        ("A@b.org, a@B.ORG, a@b.org", ["A@b.org"]),
        (" , ;\n", []),
        ("", []),
        (["a@b.org", "Ann <c@d.org>"], ["a@b.org", "c@d.org"]),
        ("root@localhost, ops@corp.local", ["root@localhost", "ops@corp.local"]),
        ("x@relay.test", ["x@relay.test"]),
        ("a@münchen.de", ["a@xn--mnchen-3ya.de"]),
    ],
)
def test_addresses_are_understood_in_every_usual_spelling(
    typed: str | list[str], expected: list[str]
) -> None:
    assert addresses(typed) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "alice@corp.com]<evil@x>",
        "alice",
        "alice@intranet",
        "Doe, J <j@d.org>",
        "a@b.org>",
        "<a@b.org",
        "<a@b.org> <c@d.org>",
        "a b@c.org",
        '"a b"@c.org',
        "ä@b.org",
        "a@b.org\x00",
        "a@b.org\u2028Bcc: c@d.org",
        "a@[127.0.0.1]",
        "a" * 65 + "@b.org",
        "a@-b.org",
    ],
)
def test_a_wrong_address_is_refused_by_name(typed: str) -> None:
    with pytest.raises(PydanticCustomError, match="is not a mail address"):
        addresses(f"good@b.org, {typed}")


def test_the_wrong_address_is_named_and_the_right_ones_are_not() -> None:
    with pytest.raises(PydanticCustomError) as caught:
        addresses("good@b.org, bad@, worse")

    assert "'bad@'" in caught.value.message()
    assert "'worse'" in caught.value.message()
    assert "good@b.org" not in caught.value.message()


def test_a_line_break_cannot_smuggle_a_header_through_one_address() -> None:
    with pytest.raises(PydanticCustomError):
        address("a@b.org\r\nBcc: c@d.org")


def test_fifty_addresses_are_taken_and_fifty_one_refused() -> None:
    fifty = [f"a{index}@b.org" for index in range(50)]

    assert len(addresses(fifty)) == 50
    assert len(addresses([*fifty, "A0@b.org"])) == 50
    with pytest.raises(PydanticCustomError, match="at most 50 addresses, has 51"):
        addresses([*fifty, "b@b.org"])


@pytest.mark.parametrize("char", ["<", '"', ",", "@", "a"])
def test_a_megabyte_of_anything_is_refused_at_once_with_a_short_sentence(char: str) -> None:
    for size in (19_999, 1_000_000):
        with pytest.raises(PydanticCustomError) as caught:
            addresses("x" + char * size)
        assert len(caught.value.message()) < 3000


class _Form(Shape):
    some_count: Annotated[int, whole(1, 20)] = 3
    seconds: Annotated[float, number(1, 300)] = 30.0
    bare: whole(1, 9) = 1  # type: ignore[valid-type]
    name: Annotated[str, text(5, required=True, line=True)] = "x"
    note: Annotated[str, text(5)] | None = None
    to: Addresses = Field(default_factory=list)
    some: SomeAddresses = Field(default=["a@b.org"])
    one: OneAddress = "a@b.org"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("someCount", 0, "must be a whole number from 1 to 20"),
        ("someCount", 21, "must be a whole number from 1 to 20"),
        ("someCount", True, "must be a whole number from 1 to 20"),
        ("someCount", "3", "must be a whole number from 1 to 20"),
        ("someCount", 2.0, "must be a whole number from 1 to 20"),
        ("someCount", 2**63, "must be a whole number from 1 to 20"),
        ("bare", 10, "must be a whole number from 1 to 9"),
        ("seconds", 0.5, "must be a number from 1 to 300"),
        ("seconds", float("nan"), "must be a number from 1 to 300"),
        ("seconds", float("inf"), "must be a number from 1 to 300"),
        ("seconds", "30", "must be a number from 1 to 300"),
        ("name", "", "must not be empty"),
        ("name", "  ", "must not be empty"),
        ("name", "a" * 6, "must have at most 5 characters, has 6"),
        ("name", "a\nb", "must be one line, without line breaks or control characters"),
        ("name", "a\rb", "must be one line, without line breaks or control characters"),
        ("name", "a\u2028b", "must be one line, without line breaks or control characters"),
        ("name", "a\x1bb", "must be one line, without line breaks or control characters"),
        ("name", None, "must be a text"),
        ("note", "a\x00b", "must not contain NUL characters"),
        ("note", "a\ud800b", "must not contain lone surrogates"),
        ("to", 7, "must be a list"),
        ("to", [7], "must be a list of mail addresses"),
        ("some", "", "must name at least one mail address"),
        ("one", 7, "must be a text"),
        ("unknown", 1, "is not a field of this body"),
        ("some_count", 1, "is not a field of this body"),
    ],
)
def test_each_fault_names_its_field_and_its_range(field: str, value: object, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(_Form, {field: value}, "/options")

    assert caught.value.faults == (Fault(f"/options/{field}", message),)


def test_every_fault_is_told_not_only_the_first() -> None:
    with pytest.raises(Invalid) as caught:
        parse(_Form, {"someCount": 0, "name": "", "x/y~z": 1})

    assert [fault.pointer for fault in caught.value.faults] == ["/someCount", "/name", "/x~1y~0z"]


def test_what_is_typed_is_kept_as_it_is() -> None:
    form = parse(_Form, {"name": " é ", "note": "a\nb", "seconds": 2, "to": "a@b.org;c@d.org"})

    assert (form.name, form.note, form.seconds) == (" é ", "a\nb", 2.0)
    assert form.to == ["a@b.org", "c@d.org"]


def test_a_rule_stands_in_the_json_schema_with_its_bounds() -> None:
    properties = _Form.model_json_schema()["properties"]

    assert properties["someCount"].items() >= {"type": "integer", "minimum": 1}.items()
    assert properties["bare"]["maximum"] == 9
    assert properties["note"]["anyOf"][0]["maxLength"] == 5
    assert isinstance(whole(1, 2), Rule)
