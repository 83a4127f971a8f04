"""The variables of the environment that are ours: their names, their `_FILE` forms, their types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from app.errors import SettingError
from app.secrets import Secret

PREFIX = "TOCSIN_"
KNOWN = (
    "DATABASE_URL", "REDIS_URL", "DATA_DIR", "HOST", "PORT", "PUBLIC_URL", "SECRET_KEY",
    "ENCRYPTION_KEYS", "ADMIN_EMAIL", "ADMIN_PASSWORD", "API_KEY", "WORKERS", "OUTBOUND_ALLOW",
    "RETENTION_DAYS", "PENDING_DAYS", "MIN_FREE_MB", "LOG_LEVEL", "LOG_FORMAT", "FAILPOINT",
    "TEST_CLOCK", "ALLOW_HTTP", "ENVIRONMENT",
)  # fmt: skip


class Environment:
    """Reads one variable, or the file that its `_FILE` form names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        unknown = [name for name in environ if name.startswith(PREFIX) and not _known(name)]
        if unknown:
            raise SettingError(unknown[0], "there is no such setting")

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return the stripped value, or `default` where it is unset or blank."""
        value, path = self._environ.get(PREFIX + name), self._environ.get(f"{PREFIX}{name}_FILE")
        if value and path:
            raise SettingError(PREFIX + name, f"is set, and so is {PREFIX}{name}_FILE; set one")
        if path:
            try:
                value = Path(path).read_text(encoding="utf-8")
            except (OSError, UnicodeError) as error:
                raise SettingError(f"{PREFIX}{name}_FILE", f"cannot be read: {error}") from error
        return (value or "").strip() or default

    def label(self, name: str, longest: int) -> str | None:
        """Return a text of one line."""
        value = self.text(name)
        if value and (len(value) > longest or not value.isprintable()):
            raise SettingError(
                PREFIX + name, f"must be one line of at most {longest} characters that print"
            )
        return value

    def secret(self, name: str) -> Secret | None:
        """Return the value as a secret."""
        value = self.text(name)
        return Secret(value) if value else None

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        value = self.text(name, str(default)) or ""
        if not re.fullmatch(r"\d{1,9}", value) or not low <= int(value) <= high:
            raise SettingError(PREFIX + name, f"must be a whole number from {low} to {high}")
        return int(value)

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """Return one of `allowed`, compared without regard to case."""
        value = self.text(name, default) or ""
        for option in allowed:
            if value.lower() == option.lower():
                return option
        raise SettingError(PREFIX + name, f"must be one of {', '.join(allowed)}")


def _known(name: str) -> bool:
    return name.removeprefix(PREFIX).removesuffix("_FILE") in KNOWN
