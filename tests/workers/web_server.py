"""workers.web over a small application: `python -m tests.workers.web_server PORT`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from app import clock
from workers import web
from workers.listeners import Listeners

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request; /slow takes its time, /broken fails, /short is short, others echo."""
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("a secret of the application")
    if environ["PATH_INFO"] == "/slow":
        print("slow began", flush=True)
        clock.sleep(1.5)
    if environ["PATH_INFO"] == "/short":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        return [b"short\n"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    seen = [environ["wsgi.url_scheme"], environ.get("HTTP_X_FORWARDED_FOR", "-")]
    return [" ".join(seen).encode(), b"\n", b"x" * 300_000]


if __name__ == "__main__":
    listeners = Listeners("127.0.0.1", int(sys.argv[1]), 2)
    print("listening", flush=True)
    web.serve(application, listeners.take(1), "https")
