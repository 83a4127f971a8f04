"""Connecting to a host by name: resolve once, vet each address, connect to the vetted ones."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app import clock
from app.channels.addresses import refusal
from app.channels.base import ChannelError
from app.channels.deadlines import bounded
from app.channels.policy import AddressPolicy
from app.domain.kinds import Fail

Resolver = Callable[[str, int], Sequence[str]]
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL)


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of `host` in the resolver's order; blocks, raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


@dataclass(frozen=True)
class Dialler:
    """Opens connections for one channel; `field` is the form's field that holds the host.

    `loopback`: a local server is usual for this channel (mail) and needs no setting.
    """

    policy: AddressPolicy
    field: str
    loopback: bool = False
    resolver: Resolver = look_up

    def connect(self, host: str, port: int, deadline: float) -> socket.socket:
        """Return a connected socket before `deadline` (monotonic); raises ChannelError."""
        return dial(self.vetted(host, port, deadline), host, port, deadline)

    def vetted(self, host: str, port: int, deadline: float) -> list[str]:
        """Return the addresses of `host` that may be reached, at least one; raises ChannelError."""
        allowed, reasons = [], []
        for address in self._resolve(host, port, deadline):
            reason = refusal(address, port, self.policy, loopback=self.loopback)
            if reason is None:
                allowed.append(address)
            else:
                reasons.append(f"{address} is {reason}")
        if not allowed:
            raise ChannelError(
                f"Tocsin does not connect to {host}:{port}: {'; '.join(reasons)}.",
                advice=f"Check {self.field}, or the setting TOCSIN_OUTBOUND_ALLOW.",
                reason=Fail.BLOCKED_ADDRESS,
                endpoint=True,
            )
        return allowed

    def _resolve(self, host: str, port: int, deadline: float) -> Sequence[str]:
        try:
            return bounded(lambda: self.resolver(host, port), deadline - clock.monotonic())
        except (OSError, UnicodeError) as error:
            raise self._unresolved(host, error) from error

    def _unresolved(self, host: str, error: Exception) -> ChannelError:
        silent = isinstance(error, TimeoutError) or (
            isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        )
        why = ": the name server did not answer" if silent else ""
        return ChannelError(
            f"Could not resolve host {host}{why}.",
            advice=f"Check the {'DNS of this machine' if silent else f'spelling of {self.field}'}.",
            reason=Fail.DNS,
            endpoint=True,
        )


def dial(addresses: Sequence[str], host: str, port: int, deadline: float) -> socket.socket:
    """Return a socket connected to the first of `addresses` that answers; raises ChannelError."""
    for index, address in enumerate(addresses):
        left = (deadline - clock.monotonic()) / (len(addresses) - index)
        try:
            return socket.create_connection((address, port), max(left, 0.001))
        except OSError as error:
            last = error
    raise _unconnected(f"{host}:{port}", last) from last


def _unconnected(where: str, error: OSError) -> ChannelError:
    """Return the error of a connection that could not be made, in an operator's words."""
    reason = Fail.CONNECTION
    if isinstance(error, ConnectionRefusedError):
        text = f"Connection refused by {where}."
        advice = "Is the server running, and is the port right?"
    elif isinstance(error, TimeoutError):
        reason = Fail.TIMEOUT
        text = f"{where} could not be reached in time."
        advice = "Is the port right, or a firewall in between?"
    elif error.errno in _UNREACHABLE:
        text, advice = f"There is no route to {where}.", "Check the network of this machine."
    else:
        text = f"Could not connect to {where}: {error.strerror or type(error).__name__}."
        advice = "Check the network of this machine, and the port."
    return ChannelError(text, advice=advice, reason=reason, endpoint=True)
