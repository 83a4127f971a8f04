"""The error catalogue: S3's table without its doubled line, and the two newer rows of Repairs."""

from __future__ import annotations

import re
from collections import Counter

from app.domain.catalogue import ENTRIES, routed_as
from app.domain.event_kinds import Received, Severity, Source

CRITICAL = {
    "backup.provider_error",
    "repair.update_failed",
    "repair.process_error",
    "repair.over_60_percent_past_deadline",
}
INFO = {"backup.created_local", "backup.deleted"}
# Fixed once given: what reports by them must go on being understood.
WARNING = {
    "backup.snapshot_clear_timed_out_local",
    "backup.snapshot_not_found_local",
    "backup.process_error_local",
    "backup.snapshot_clear_timed_out_remote",
    "backup.process_error_remote",
    "backup.snapshot_not_found_remote",
    "backup.not_triggered",
    "backup.creation_failed",
    "backup.remote_config_failed",
    "backup.snapshot_failed",
    "backup.snapshot_timed_out",
    "backup.node_inactive",
    "repair.segment_failed",
    "repair.segment_timed_out",
    "repair.retries_exhausted",
    "repair.unit_error",
    "repair.correlation_id_not_found",
    "repair.request_timed_out",
    "repair.over_40_percent_past_deadline",
}


def test_every_code_stays_with_its_severity() -> None:
    expected = {
        **dict.fromkeys(CRITICAL, Received.CRITICAL),
        **dict.fromkeys(WARNING, Received.WARNING),
        **dict.fromkeys(INFO, Received.INFO),
    }
    assert {code: entry.severity for code, entry in ENTRIES.items()} == expected


def test_the_table_has_15_rows_of_backups_and_10_of_repairs() -> None:
    counted = Counter(entry.source for entry in ENTRIES.values())
    assert counted == {Source.BACKUPS: 15, Source.REPAIRS: 10}
    assert len({entry.title for entry in ENTRIES.values()}) == len(ENTRIES)


def test_a_code_is_the_source_in_singular_and_words_with_underscores() -> None:
    prefixes = {Source.BACKUPS: "backup", Source.REPAIRS: "repair"}
    for code, entry in ENTRIES.items():
        prefix, name = code.split(".")
        assert (code, prefix) == (entry.code, prefixes[entry.source])
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name)


def test_a_title_is_a_line_that_an_event_may_have() -> None:
    for entry in ENTRIES.values():
        assert entry.title.isprintable()
        assert 0 < len(entry.title) <= 300
        assert entry.description == "" or entry.description.endswith(".")


def test_critical_is_routed_as_error() -> None:
    assert ENTRIES["backup.provider_error"].routed is Severity.ERROR
    assert {routed_as(one) for one in Received} == set(Severity)
