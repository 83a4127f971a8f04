"""Tells when the server is ready: asks /readyz until each of its checks is well."""

from __future__ import annotations

import http.client
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app import clock
from app.config import Settings

log = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
PATIENCE_SECONDS = 15.0
_START_TIME = 19  # field 22 of proc(5), counted from the one behind the name
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def watch(settings: Settings, age: float) -> None:
    """Print one line when every check is well, then return; `age`: seconds the start took so far.

    What is still missing after a while is logged once. Runs in a process of its own, since a
    thread of the supervisor could hold a lock at the moment of a fork.
    """
    since = clock.monotonic() - age
    told = False
    while missing := unready(settings.host, settings.port):
        waited = clock.monotonic() - since
        if waited > PATIENCE_SECONDS and not told:
            log.warning("Not ready after %.0f s: %s", waited, "; ".join(missing))
            told = True
        clock.sleep(1.0 if told else 0.05)
    seconds = clock.monotonic() - since
    print(f"Tocsin is ready: {settings.public_url} ({seconds:.1f} s)", flush=True)


def age(pid: int) -> float:
    """Return the seconds since a process was started, its interpreter's own start included."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    uptime = Path("/proc/uptime").read_text(encoding="ascii").split()[0]
    return float(uptime) - int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK")


def unready(host: str, port: int) -> list[str]:
    """Return a sentence for each check of /readyz that is not well; none when all are."""
    connection = http.client.HTTPConnection(
        _EVERYWHERE.get(host, host), port, timeout=ANSWER_SECONDS
    )
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return [f"the web process does not answer: {error}"]
    finally:
        connection.close()
    # Bound to an outside address, /readyz wants a key: that the web process says so must do.
    return [] if answer.status in (401, 403) else failing(body)


def failing(body: bytes) -> list[str]:
    """Return a sentence for each check in the answer of /readyz that is not ok."""
    try:
        checks: Mapping[str, Any] = json.loads(body)["checks"]
        return [f"{name}: {check['text']}" for name, check in checks.items() if not check["ok"]]
    except (ValueError, LookupError, TypeError, AttributeError):
        return ["/readyz gave no list of checks"]
