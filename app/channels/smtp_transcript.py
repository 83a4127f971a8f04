"""The conversation with a mail server as text for operators: no secret, no body, at most 8 KiB."""

from __future__ import annotations

import re

LIMIT = 8192
_LINE = 500
_HALF = LIMIT // 2 - 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Transcript:
    """Lines of one attempt; what the server says is veiled, as it may repeat what it was told."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._veils: tuple[str, ...] = ()

    def veil(self, *secrets: str) -> None:
        """Show *** for each of `secrets` from now on, the longest first."""
        self._veils = tuple(sorted(filter(None, secrets), key=len, reverse=True))

    def clean(self, data: bytes) -> str:
        """Return what a server sent as one line that may be shown."""
        text = _CONTROL.sub(" ", data.decode("utf-8", "replace")).strip()
        for secret in self._veils:
            text = text.replace(secret, "***")
        return text

    def client(self, line: str) -> None:
        """Add a line that Tocsin sent."""
        self._lines.append(f"C: {line[:_LINE]}")

    def server(self, line: str) -> None:
        """Add a reply, cleaned already."""
        self._lines.append(f"S: {line[:_LINE]}")

    def note(self, line: str) -> None:
        """Add what happened beside the words."""
        self._lines.append(f"   ({line})")

    def restart(self) -> None:
        """Forget the lines: another mail begins on the same connection."""
        self._lines = []
        self.note("connection kept from an earlier mail")

    def text(self) -> str:
        """Return the lines; of a long conversation the beginning and the end."""
        text = "\n".join(self._lines)
        data = text.encode()
        if len(data) <= LIMIT:
            return text
        left_out = len(data) - 2 * _HALF
        head, tail = (part.decode(errors="ignore") for part in (data[:_HALF], data[-_HALF:]))
        return f"{head}\n   ({left_out} bytes left out)\n{tail}"
