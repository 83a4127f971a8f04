"""One HTTP connection with one deadline: dialled by the guard, kept, and never read for ever."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from app import clock
from app.channels import tls
from app.channels.dialling import Dialler
from app.channels.http_socket import DeadlineSocket

CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Target:
    """Where requests go, how the certificate there is checked, and through which proxy."""

    scheme: str
    host: str
    port: int
    verify: bool = True
    ca_pem: str | None = None
    proxy: str | None = None


def connected(dialler: Dialler, target: Target, deadline: float) -> http.client.HTTPConnection:
    """Return an open connection to the target; raises ChannelError, OSError, HTTPException."""
    soon = min(deadline, clock.monotonic() + CONNECT_SECONDS)
    via = urlsplit(target.proxy) if target.proxy else None
    host, port = (via.hostname, via.port) if via else (target.host, target.port)
    sock = dialler.connect(str(host), int(port or 80), soon)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        if via and target.scheme == "https":
            _tunnel(sock, target, soon)
    except BaseException:
        sock.close()
        raise
    if target.scheme == "https":
        made = tls.context(target.ca_pem, verify=target.verify)
        sock = tls.wrap(sock, made, target.host, soon)
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.auto_open = 0
    connection.sock = DeadlineSocket(sock)
    return connection


def wire_of(connection: http.client.HTTPConnection) -> DeadlineSocket:
    """Return the socket of an open connection that was made here."""
    return cast(DeadlineSocket, connection.sock)


def _tunnel(sock: socket.socket, target: Target, deadline: float) -> None:
    """Ask the proxy for a connection to the target."""
    wire = DeadlineSocket(sock)
    wire.deadline = deadline
    where = f"{target.host}:{target.port}"
    wire.sendall(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode("ascii"))
    wire.flush()
    # Unbuffered, so that nothing of what follows is taken from the socket.
    head = bytearray()
    while not head.endswith(b"\r\n\r\n") and len(head) < http.client._MAXLINE:  # type: ignore[attr-defined]
        got = wire.in_time().recv(1)
        if not got:
            break
        head += got
    status = head.split(b" ", 2)[1:2]
    if not status or not status[0].startswith(b"2"):
        raise ConnectionRefusedError(f"the proxy answered {bytes(head[:60])!r}")
