"""When two reports are the same failure (product.md 3 and 4)."""

from __future__ import annotations

import pytest

from app.domain.identity import (
    global_identity,
    masked,
    other_identity,
    processing_identity,
)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Timeout after 30 s", "Timeout after 31 s"),
        ("Job 17 failed at 2026-11-03T10:31:00Z", "Job 18 failed at 2026-11-04T23:59:59.120+01:00"),
        ("Object 0x7fAb12 is gone", "Object 0x99 is gone"),
        (
            "Request 5f0c1a2b-77aa-4c1d-9e00-0123456789ab refused",
            "Request 11111111-2222-3333-4444-555555555555 refused",
        ),
        ("No field 'Summary' in issue", "No field 'Status' in issue"),
        ('User "ann" has no access', 'User "bob" has no access'),
        ("commit deadbeef01 rejected", "commit 12345678ff rejected"),
    ],
)
def test_messages_that_differ_in_numbers_hex_quotes_and_times_are_one_failure(
    first: str, second: str
) -> None:
    assert masked(first) == masked(second)
    assert global_identity(1, "E", first) == global_identity(1, "E", second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Login refused", "Login expired"),
        ("Table added", "Table faded"),
        ("No field Summary in issue", "No field Status in issue"),
        ("", "0"),
    ],
)
def test_messages_that_differ_in_words_are_two_failures(first: str, second: str) -> None:
    assert global_identity(1, "E", first) != global_identity(1, "E", second)


def test_direction_and_error_code_are_part_of_a_global_failure() -> None:
    found = {global_identity(d, code, "x") for d in (1, 2) for code in ("A", "B", None, "")}

    assert len(found) == 8


def test_a_processing_failure_is_known_by_its_entity_and_code_not_by_its_message() -> None:
    found = {
        processing_identity(direction, kind, entity, code)
        for direction in (1, 2)
        for kind in ("Bug", "Story", None)
        for entity in ("1", "2")
        for code in ("A", None)
    }

    assert len(found) == 24


def test_parts_of_an_identity_do_not_run_into_one_another() -> None:
    assert processing_identity(1, "ab", "c", None) != processing_identity(1, "a", "bc", None)
    assert global_identity(1, "a", "b") != global_identity(1, None, "ab")


def test_other_errors_are_counted_by_system_registration_and_refused_address() -> None:
    found = {
        other_identity(system, integration, None, address)
        for system in (1, 2)
        for integration in (1, None)
        for address in ("a@b.example", None)
    }

    assert len(found) == 8
