"""Log lines stay single lines, in both formats."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.logs import one_line
from tests.workers.helpers import ROOT, environment

PROGRAM = """
import logging, warnings
from app import config, logs
logs.configure(config.load(), "web-1")
log = logging.getLogger("app.example")
log.info("seen %s", "a\\r\\nforged")
log.debug("not told at INFO")
warnings.warn("of a library")
try:
    raise ValueError("of two\\nlines")
except ValueError:
    log.exception("failed")
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, ünïcode 漢字", "plain, ünïcode 漢字"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x1b[31m\x00\x7f\x85", r"\x1b[31m\x00\x7f\x85"),
        ("\u2028\u2029\u202e\u2066", r"\u2028\u2029\u202e\u2066"),
    ],
)
def test_control_characters_are_escaped(text: str, expected: str) -> None:
    assert one_line(text) == expected


def test_no_character_splits_a_line() -> None:
    everything = "".join(map(chr, range(0x3000)))

    assert len(one_line(everything).splitlines()) == 1


def lines(tmp_path: Path, log_format: str) -> list[str]:
    """Return what a process logs that is given hostile messages."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment(tmp_path, {"TOCSIN_LOG_FORMAT": log_format}),
        stderr=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stderr.splitlines()


def test_a_text_line_tells_time_level_role_and_logger(tmp_path: Path) -> None:
    first, warning, failure = lines(tmp_path, "text")

    time, level, rest = first.split(" ", 2)
    assert time.endswith("Z")
    assert level == "INFO"
    assert rest == r"web-1 app.example: seen a\r\nforged"
    assert "of a library" in warning
    assert r"failed\nTraceback" in failure
    assert r"of two\nlines" in failure


def test_a_json_line_is_one_object(tmp_path: Path) -> None:
    first, _, failure = [json.loads(line) for line in lines(tmp_path, "json")]

    assert set(first) == {"time", "level", "role", "logger", "message"}
    assert first["role"] == "web-1"
    assert first["message"] == "seen a\r\nforged"
    assert "of two\nlines" in failure["exception"]
