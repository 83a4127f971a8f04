"""The log lines of every process: one format, one line each, whatever a message contains."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

from app.config import Settings

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

# These libraries tell at INFO or WARNING what is their daily work: Alembic its parts, RQ each job,
# waitress each request that waits for a thread, the PDF libraries each glyph that a font lacks.
_QUIET = {
    "alembic": logging.WARNING,
    "rq": logging.WARNING,
    "rq_scheduler": logging.WARNING,
    "waitress.queue": logging.ERROR,
    "xhtml2pdf": logging.ERROR,
    "reportlab": logging.ERROR,
}


def one_line(text: str) -> str:
    """Return `text` with line breaks, control characters and direction marks escaped."""
    return _CONTROL.sub(lambda found: _escaped(found.group()), text)


def _escaped(char: str) -> str:
    return _SHORT.get(char) or (f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}")  # noqa: PLR2004 - the last Latin-1 character


class _Text(logging.Formatter):
    """`2026-11-22T13:05:00.123Z INFO web-1 app.intake: message`."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def format(self, record: logging.LogRecord) -> str:
        """Return the record, its exception included, as one line."""
        parts = [record.getMessage(), _exception(self, record)]
        text = one_line("\n".join(part for part in parts if part))
        return f"{_time(record)} {record.levelname} {self.role} {record.name}: {text}"


class _Json(_Text):
    """The same as one JSON object a line, for collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of ASCII JSON."""
        fields = {
            "time": _time(record),
            "level": record.levelname,
            "role": self.role,
            "logger": record.name,
            "message": record.getMessage(),
            "exception": _exception(self, record),
        }
        return json.dumps({name: value for name, value in fields.items() if value is not None})


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    return formatter.formatException(record.exc_info) if record.exc_info else None


def configure(settings: Settings, role: str) -> None:
    """Send this process's log to stderr as lines of `role` (`web-1`); harmless when repeated.

    A fork keeps what its parent configured, so that a child calls this again with its own role.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((_Json if settings.log_format == "json" else _Text)(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, root.level))
    logging.captureWarnings(True)
    # A closed stderr (`make run | head`) must not answer each line with a traceback.
    logging.raiseExceptions = False
