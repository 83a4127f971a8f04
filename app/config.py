"""One frozen Settings, read once from the environment, which nothing else reads (spec: api.md)."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets as _random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app import clock, failpoints
from app.environment import PREFIX, Environment
from app.errors import SettingError
from app.secrets import Secret, new_encryption_key

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MIN_API_KEY = 20
LONGEST_LABEL = 40


@dataclass(frozen=True)
class Settings:
    """Every setting of the server; times in days, addresses as networks."""

    data_dir: Path
    database_url: str
    redis_url: str | None
    host: str
    port: int
    public_url: str
    secret_key: Secret
    encryption_keys: tuple[Secret, ...]
    api_key: Secret | None
    admin_email: str | None
    admin_password: Secret | None
    workers: int
    outbound_allow: tuple[Network, ...]
    retention_days: int
    pending_days: int
    min_free_mb: int
    log_level: str
    log_format: str
    environment: str | None
    failpoint: str | None

    @property
    def run_dir(self) -> Path:
        """Where pid files, locks and the embedded server's socket live."""
        return self.data_dir / "run"

    @property
    def embedded_redis(self) -> bool:
        """Whether the supervisor runs its own Redis."""
        return self.redis_url is None

    @property
    def redis_socket(self) -> Path:
        """The unix socket of the embedded server."""
        return self.run_dir / "redis.sock"

    @property
    def sqlite(self) -> bool:
        """Whether the database is SQLite."""
        return self.database_url.startswith("sqlite")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings and make the data directory and its keys; raises SettingError."""
    env = Environment(os.environ if environ is None else environ)
    data_dir = _data_dir(env)
    _simulate_clock(env)
    host, port = env.text("HOST", "127.0.0.1") or "", env.whole("PORT", 8000, 1, 65535)
    public_url = _public_url(env, host, port)
    _require_tls(env, host, public_url)
    return Settings(
        data_dir=data_dir,
        database_url=_database_url(env, data_dir),
        redis_url=_redis_url(env),
        host=host,
        port=port,
        public_url=public_url,
        secret_key=_kept_secret(env, "SECRET_KEY", data_dir, lambda: _random.token_urlsafe(48)),
        encryption_keys=_encryption_keys(env, data_dir),
        api_key=_api_key(env),
        admin_email=env.text("ADMIN_EMAIL"),
        admin_password=env.secret("ADMIN_PASSWORD"),
        workers=env.whole("WORKERS", 1, 1, 32),
        outbound_allow=_networks(env),
        retention_days=env.whole("RETENTION_DAYS", 62, 1, 3650),
        pending_days=env.whole("PENDING_DAYS", 3, 1, 3),
        min_free_mb=env.whole("MIN_FREE_MB", 100, 0, 1_000_000),
        log_level=env.choice("LOG_LEVEL", "INFO", LOG_LEVELS),
        log_format=env.choice("LOG_FORMAT", "text", ("text", "json")),
        environment=env.label("ENVIRONMENT", LONGEST_LABEL),
        failpoint=_failpoint(env, data_dir),
    )


def _failpoint(env: Environment, data_dir: Path) -> str | None:
    spec = env.text("FAILPOINT")
    try:
        failpoints.arm(spec, data_dir / "run")
    except ValueError as error:
        raise SettingError(PREFIX + "FAILPOINT", str(error)) from error
    return spec


def _simulate_clock(env: Environment) -> None:
    """Let a test set this server's wall clock, by a file that holds its offset in seconds."""
    path = env.text("TEST_CLOCK")
    if path is not None:
        clock.simulate(clock.OffsetFile(Path(path)))


def _data_dir(env: Environment) -> Path:
    path = Path(env.text("DATA_DIR", "var") or "").expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (path / "run").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SettingError(PREFIX + "DATA_DIR", f"{path} cannot be made: {error}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SettingError(PREFIX + "DATA_DIR", f"{path} is not writable")
    return path


def _database_url(env: Environment, data_dir: Path) -> str:
    url = env.text("DATABASE_URL")
    if url is None:
        return f"sqlite:///{data_dir / 'tocsin.sqlite3'}"
    for given, driver in (
        ("postgresql+psycopg://", "postgresql+psycopg://"),
        ("postgresql://", "postgresql+psycopg://"),
        ("postgres://", "postgresql+psycopg://"),
        ("sqlite:////", "sqlite:////"),
    ):
        if url.startswith(given):
            return driver + url.removeprefix(given)
    raise SettingError(
        PREFIX + "DATABASE_URL", "must begin with postgresql:// (or sqlite:////absolute/path)"
    )


def _redis_url(env: Environment) -> str | None:
    url = env.text("REDIS_URL")
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingError(PREFIX + "REDIS_URL", "must begin with redis://, rediss:// or unix://")
    return url


def _public_url(env: Environment, host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    shown = f"[{shown}]" if ":" in shown else shown
    url = (env.text("PUBLIC_URL", f"http://{shown}:{port}") or "").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingError(PREFIX + "PUBLIC_URL", "must be an http:// or https:// address")
    return url


def _require_tls(env: Environment, host: str, public_url: str) -> None:
    """Refuse to take passwords over a network in clear text, unless told to."""
    allowed = env.choice("ALLOW_HTTP", "no", ("yes", "no")) == "yes"
    if allowed or public_url.startswith("https:") or _is_loopback(host):
        return
    raise SettingError(
        PREFIX + "HOST",
        f"{host} can be reached from other machines, and passwords would cross the network in "
        "clear text: put a TLS proxy before Tocsin and set TOCSIN_PUBLIC_URL to its https:// "
        "address, or set TOCSIN_ALLOW_HTTP=yes",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _api_key(env: Environment) -> Secret | None:
    key = env.secret("API_KEY")
    if key and len(key.reveal()) < MIN_API_KEY:
        raise SettingError(PREFIX + "API_KEY", f"must have at least {MIN_API_KEY} characters")
    return key


def _encryption_keys(env: Environment, data_dir: Path) -> tuple[Secret, ...]:
    given = _kept_secret(env, "ENCRYPTION_KEYS", data_dir, new_encryption_key)
    keys = tuple(Secret(key.strip()) for key in given.reveal().split(",") if key.strip())
    if not keys or not all(re.fullmatch(r"[A-Za-z0-9_-]{43}=", key.reveal()) for key in keys):
        raise SettingError(
            PREFIX + "ENCRYPTION_KEYS",
            "must be keys of 44 characters (url-safe base64 of 32 bytes), comma separated",
        )
    return keys


def _kept_secret(env: Environment, name: str, data_dir: Path, make: Callable[[], str]) -> Secret:
    """Return the secret of the environment, or the one kept in the data directory (made once)."""
    given = env.secret(name)
    if given:
        return given
    path = data_dir / name.lower()
    try:
        if not path.exists():
            _write_once(path, make())
        value = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingError(PREFIX + name, f"{path} cannot be read: {error}") from error
    if not value:
        raise SettingError(PREFIX + name, f"{path} is empty; restore it from a backup")
    return Secret(value)


def _write_once(path: Path, value: str) -> None:
    """Write a new file of mode 600 in one step, so that a kill leaves no half key behind."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _networks(env: Environment) -> tuple[Network, ...]:
    given = env.text("OUTBOUND_ALLOW", "") or ""
    try:
        return tuple(
            ipaddress.ip_network(part.strip(), strict=False)
            for part in given.split(",")
            if part.strip()
        )
    except ValueError as error:
        raise SettingError(PREFIX + "OUTBOUND_ALLOW", f"must be networks: {error}") from error
