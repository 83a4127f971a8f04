"""The start of the server: settings, lock, database file, ports, Redis, set-up, processes."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import configure_mappers

from app import config, database_file, logs
from app.config import Settings
from app.errors import DatabaseUnusable, DataDirInUse, SettingError, StorageUnavailable, TocsinError
from workers import children, ready, runfiles, web
from workers.embedded_redis import EmbeddedRedis
from workers.listeners import Listeners
from workers.supervisor import Role, Supervisor

log = logging.getLogger(__name__)

WEB_PROCESSES = 2
OPEN_FILES = 8192
FAILED, WRONG_SETTING, IN_USE, NO_DATABASE = 1, 2, 3, 4


@dataclass(frozen=True)
class Start:
    """What a start has taken hold of: the settings, the ports and the lock."""

    settings: Settings
    listeners: Listeners
    lock: int

    def enter(self, name: str) -> None:
        """Make a forked child its own: its name in the log, and nothing of the supervisor's."""
        logs.configure(self.settings, name)
        os.close(self.lock)
        if not name.startswith("web-"):
            self.listeners.close()


def main() -> int:
    """Run the server until SIGTERM or Ctrl-C, with the signals held; return the exit code."""
    os.umask(0o077)
    try:
        start = _begin()
    except SettingError as error:
        return _refuse(error, WRONG_SETTING)
    except DataDirInUse as error:
        return _refuse(error, IN_USE)
    except DatabaseUnusable as error:
        return _refuse(error, NO_DATABASE)
    except OSError as error:
        return _refuse(SettingError("TOCSIN_DATA_DIR", f"cannot be used: {error}"), WRONG_SETTING)
    return _supervise(start)


def _begin() -> Start:
    settings = config.load()
    logs.configure(settings, "supervisor")
    lock = runfiles.lock(settings.run_dir)
    database_file.require_sound(settings)
    return Start(settings, Listeners(settings.host, settings.port, WEB_PROCESSES), lock)


def _refuse(error: Exception, code: int) -> int:
    print(logs.one_line(f"tocsin: {error}"), file=sys.stderr, flush=True)
    return code


def _supervise(start: Start) -> int:
    print(f"Tocsin is starting on {start.settings.public_url}", flush=True)
    _raise_open_files()
    supervisor = Supervisor(start.settings.run_dir, start.enter)
    try:
        return _serve(start, supervisor)
    except Exception:
        log.exception("The start failed")
        return FAILED
    finally:
        start.listeners.close()
        supervisor.stop()


def _serve(start: Start, supervisor: Supervisor) -> int:
    if start.settings.embedded_redis:
        # Before the application is loaded, so that both take their time at the same time.
        redis = EmbeddedRedis(start.settings)
        supervisor.add([redis.role()])
    app = _preload(start.settings)
    code = supervisor.once("setup", lambda: _prepare(start.settings, app))
    if code not in (None, 0, NO_DATABASE):
        return _refuse(RuntimeError(f"the set-up {children.describe(code)}, see above"), FAILED)
    if code == 0:
        if os.geteuid() == 0:
            log.warning("Running as root; give Tocsin a user of its own")
        supervisor.add(_roles(start, app))
        supervisor.run()
    return code or 0


def _preload(settings: Settings) -> Any:
    """Load everything that the children need, once, so that they share its memory."""
    app = _module("app").create_app(settings)
    for name in ("app.services.setup", "workers.worker", "workers.scheduler"):
        _module(name)
    # What each child would otherwise make for itself at its first query and first request.
    configure_mappers()
    app.url_map.update()
    gc.collect()
    gc.freeze()
    return app


def _prepare(settings: Settings, app: Any) -> None:
    try:
        _module("app.services.setup").prepare(app)
    except StorageUnavailable as error:
        where = "the disk of the database" if settings.sqlite else "TOCSIN_DATABASE_URL"
        told = TocsinError(f"{str(error).rstrip('.?')}. See to {where}, and start again.")
        raise SystemExit(_refuse(told, NO_DATABASE)) from error
    except TocsinError as error:
        # Said here and not in the log, so that it is the one line that a refused start prints.
        raise SystemExit(_refuse(error, NO_DATABASE)) from error


def _roles(start: Start, app: Any) -> Iterator[Role]:
    settings, listeners = start.settings, start.listeners
    scheme = urlsplit(settings.public_url).scheme
    yield Role("web", WEB_PROCESSES, lambda n: web.serve(app, listeners.take(n), scheme))
    yield Role("worker", settings.workers, _running("workers.worker", app))
    yield Role("scheduler", 1, _running("workers.scheduler", app))
    yield Role("ready", 1, lambda _: ready.watch(settings, ready.age(os.getppid())), once=True)


def _running(name: str, app: Any) -> Callable[[int], None]:
    def run(_number: int) -> None:
        _module(name).run(app)

    return run


def _module(name: str) -> Any:
    # Not at the top: the embedded Redis shall start before these are loaded.
    return importlib.import_module(name)


def _raise_open_files() -> None:
    """Allow the open files that 1,000 connections a web process need, where the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
