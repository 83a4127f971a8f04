"""The listening sockets of the web processes, bound once by the supervisor.

A connection that arrives while its web process is being restarted waits in its socket's queue.
"""

from __future__ import annotations

import errno
import socket

from app.errors import SettingError

BACKLOG = 1024
_PORT_ERRORS = (errno.EACCES, errno.EADDRINUSE)


class Listeners:
    """One listening socket per web process, all on one address."""

    def __init__(self, host: str, port: int, count: int) -> None:
        """Bind `count` sockets; raises SettingError when the address cannot be had."""
        family, address = _resolve(host, port)
        try:
            _require_free(family, address)
            self._sockets = [_bind(family, address, shared=True) for _ in range(count)]
        except OSError as error:
            name = "TOCSIN_PORT" if error.errno in _PORT_ERRORS else "TOCSIN_HOST"
            raise SettingError(name, f"{host}:{port} cannot be used: {error.strerror}") from error
        for listener in self._sockets:
            listener.listen(BACKLOG)

    def take(self, number: int) -> socket.socket:
        """Return the socket of web process `number` (from 1) and close the others here."""
        mine = self._sockets.pop(number - 1)
        self.close()
        return mine

    def close(self) -> None:
        """Close what this process holds of the sockets; those of other processes stay open."""
        for listener in self._sockets:
            listener.close()
        self._sockets.clear()


def _resolve(host: str, port: int) -> tuple[int, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise SettingError("TOCSIN_HOST", f"{host} is not an address of this machine") from error
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def _require_free(family: int, address: tuple[str, int]) -> None:
    # SO_REUSEPORT would let a second server share the port in silence; a plain bind does not.
    _bind(family, address, shared=False).close()


def _bind(family: int, address: tuple[str, int], *, shared: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
