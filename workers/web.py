"""The web process: waitress on a socket that the supervisor has bound."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server

from app import clock

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# The API refuses bodies over 8 MiB in its own words; waitress refuses what is far beyond them,
# in plain text and before it has read them.
MAX_BODY = 8 * 1024 * 1024 + 64 * 1024
THREADS = 16
CONNECTIONS = 1000
IDLE_SECONDS = 30
DRAIN_SECONDS = 10.0
# An answer below this many bytes goes out in one piece when it is complete.
WHOLE_BYTES = 16 * 1024


def serve(app: WSGIApplication, listener: socket.socket, url_scheme: str = "http") -> None:
    """Serve `app` until SIGTERM; then finish the requests that run, for at most ten seconds."""
    server = _server(app, listener, url_scheme)
    stop = _StopFlag(server)
    while not stop.raised:
        _turn(server, 1.0)
    _drain(server, DRAIN_SECONDS)


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress is not typed
    """A connection that sends head and body of a short answer as one.

    Waitress sends each at once, and lets its loop spin while the second one is being written. What
    it waits for here it would not write either (`handle_write`), so that nothing comes later.
    """

    def writable(self) -> bool:
        """Whether there is something to send, or the connection is to be closed."""
        if self.requests and not self.will_close and not self.close_when_flushed:
            return bool(self.total_outbufs_len >= self.adj.send_bytes)
        return bool(super().writable())

    def service(self) -> None:
        """Answer one request; the next one of the connection does not hold this answer up."""
        super().service()
        if self.requests and self.connected:
            with self.outbuf_lock:
                self._flush_exception(self._flush_some, do_close=False)


class _StopFlag:
    """Raised by SIGTERM, which also wakes the loop."""

    def __init__(self, server: Any) -> None:
        self.raised = False
        self._server = server
        signal.signal(signal.SIGTERM, self._raise)

    def _raise(self, _number: int, _frame: object) -> None:
        self.raised = True
        self._server.pull_trigger()


def _server(app: WSGIApplication, listener: socket.socket, url_scheme: str) -> Any:
    server = create_server(
        app,
        sockets=[listener],
        threads=THREADS,
        connection_limit=CONNECTIONS,
        channel_timeout=IDLE_SECONDS,
        cleanup_interval=5,
        max_request_body_size=MAX_BODY,
        # select() ends at descriptor 1024, which 1,000 connections and a database reach.
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=True,
        expose_tracebacks=False,
        log_socket_errors=False,
        ident=None,
        url_scheme=url_scheme,
    )
    server.channel_class = _Channel
    server.adj.send_bytes = WHOLE_BYTES
    return server


def _turn(server: Any, seconds: float) -> None:
    """Handle what the connections have, waiting at most `seconds` for something to come."""
    server.asyncore.loop(timeout=seconds, map=server._map, use_poll=True, count=1)


def _drain(server: Any, seconds: float) -> None:
    wasyncore.dispatcher.close(server)
    deadline = clock.monotonic() + seconds
    while server.active_channels and clock.monotonic() < deadline:
        for channel in list(server.active_channels.values()):
            if not channel.requests and not channel.total_outbufs_len:
                channel.handle_close()
        _turn(server, 0.1)
