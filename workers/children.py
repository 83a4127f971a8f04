"""Child processes: forked from the warm parent, tied to its life, deaf to Ctrl-C."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

log = logging.getLogger(__name__)

STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
HELD = STOP | {signal.SIGCHLD}
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def hold_signals() -> None:
    """Let signals wait until the supervisor asks for them, so that none ever interrupts it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def wait_signal(seconds: float | None) -> int | None:
    """Return the next of the held signals, or None after `seconds` (None: wait for ever)."""
    # A process started with nohup ignores SIGHUP, but waiting for it would take it all the same.
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    awaited = HELD - {signal.SIGHUP} if ignored else HELD
    if seconds is None:
        return signal.sigwaitinfo(awaited).si_signo
    found = signal.sigtimedwait(awaited, max(seconds, 0))
    return found.si_signo if found else None


def fork(target: Callable[[], None]) -> int:
    """Start a child that runs `target` and then exits; return its pid.

    The child exits with 0, with the code of a SystemExit, or with 1 after any other exception,
    which it logs. SIGTERM has its default action in it; SIGINT and SIGHUP stay blocked, as a
    terminal sends them to the whole group and only the supervisor should act on them.
    """
    parent = os.getpid()
    flush()
    pid = os.fork()
    return pid or _live(parent, target)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its `parent` dies; call it right after a fork."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died between the fork and the call above.
    if os.getppid() != parent:
        os._exit(1)


def _live(parent: int, target: Callable[[], None]) -> NoReturn:
    code = 1
    try:
        die_with(parent)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGCHLD})
        target()
        code = 0
    except SystemExit as ended:
        code = _exit_code(ended)
    except BaseException:
        log.exception("stopped by an error")
    finally:
        # Not sys.exit: the frames above belong to the supervisor, and so does their clean-up.
        flush()
        os._exit(code)


def _exit_code(ended: SystemExit) -> int:
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    log.error("%s", ended.code)
    return 1


def flush() -> None:
    """Empty the output buffers, so that a child does not print what its parent has printed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue


def reap() -> list[tuple[int, int]]:
    """Return (pid, exit code) of each child that has ended; a negative code is a signal."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append((pid, os.waitstatus_to_exitcode(status)))


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a child; one that has ended by itself is not an error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        log.debug("pid %d has ended already", pid)


def describe(code: int) -> str:
    """Return what an exit code means: "was ended by SIGKILL", "ended with code 1"."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
