"""The PDFs of error traces, made in a child process that can be killed."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from threading import Lock, Timer, current_thread

from app.clock import monotonic
from app.errors import TocsinError
from app.rendering import fonts
from app.rendering.trace_pdf import TraceDocument, xhtml

_PROGRAM = Path(__file__).with_name("pdf_child.py")
_ENVIRONMENT = {"LC_ALL": "C.UTF-8"}  # and no more of ours, which holds keys and passwords
_LENGTH = struct.Struct("!I")
_ANSWER = struct.Struct("!cI")
_LARGEST_PDF = 64 * 1024 * 1024
_PIECE = 1024 * 1024
_ENDS_WITHIN = 5.0


class PdfFailed(TocsinError):
    """There is no PDF; the message is a sentence for the mail that goes without it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The PDF could not be made: {reason}.")


class PdfBusy(PdfFailed):
    """Others keep the maker; asking again may help."""


@dataclass(frozen=True)
class Limits:
    """What one PDF may use, in seconds and bytes.

    `deadline` is its own time by the clock, `wait` the time it queues before that for the child,
    which is kept for `idle` seconds afterwards unless it holds more than `kept_memory`.
    """

    cpu: float = 20
    memory: int = 1024 * 1024 * 1024
    deadline: float = 25
    wait: float = 4
    idle: float = 300
    kept_memory: int = 320 * 1024 * 1024


class PdfMaker:
    """Owns at most one child, started when it is needed; any thread may ask.

    `package` holds the fonts; without it the PDFs are made with those that every reader has.
    """

    def __init__(self, limits: Limits | None = None, package: str = fonts.PACKAGE) -> None:
        self._limits = limits or Limits()
        self._fonts = [asdict(face) for face in fonts.installed(package)]
        self._lock = Lock()
        self._child: _Child | None = None
        self._retirement: Timer | None = None

    def make(self, document: TraceDocument) -> bytes:
        """Return the PDF of `document`, or raise PdfFailed.

        Returns within `wait` and `deadline`; PdfBusy says that only the first was too short. A
        child that failed is not asked again, so that the next PDF does not suffer from it.
        """
        job = self._job(document)
        if not self._lock.acquire(timeout=self._limits.wait):
            raise PdfBusy(f"others kept it waiting for {self._limits.wait:g} s")
        try:
            return self._made(job)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the child, if there is one; a later `make` starts another."""
        with self._lock:
            self._end()

    @property
    def pid(self) -> int | None:
        """The process id of the child, or None."""
        child = self._child
        return child.pid if child else None

    def _job(self, document: TraceDocument) -> bytes:
        job = {
            "xhtml": xhtml(document),
            "fonts": self._fonts,
            "cpu_seconds": self._limits.cpu,
            "memory_bytes": self._limits.memory,
        }
        return json.dumps(job).encode()

    def _made(self, job: bytes) -> bytes:
        if self._child is None or not self._child.lives():
            self._end()
            self._child = _started()
        pdf = None
        try:
            pdf = self._child.ask(job, self._limits)
        finally:
            if pdf is None:
                self._end()
        heavy = self._child.memory() > self._limits.kept_memory
        self._retire_later(0 if heavy else self._limits.idle)
        return pdf

    def _retire_later(self, seconds: float) -> None:
        if self._retirement:
            self._retirement.cancel()
        self._retirement = Timer(seconds, self._retire)
        self._retirement.daemon = True
        self._retirement.start()

    def _retire(self) -> None:
        with self._lock:
            # It may have waited for a PDF which has put a later retirement in its place.
            if self._retirement is current_thread():
                self._end()

    def _end(self) -> None:
        if self._retirement:
            self._retirement.cancel()
        if self._child:
            self._child.end()
        self._child = self._retirement = None


def maker() -> PdfMaker:
    """Return the one maker of this process."""
    return _maker_of(os.getpid())


@cache
def _maker_of(pid: int) -> PdfMaker:
    """A forked process must not write into the channel of its parent's child."""
    return PdfMaker()


def _started() -> _Child:
    try:
        return _Child()
    except OSError as error:
        raise PdfFailed(f"its process did not start ({error.strerror})") from error


class _Child:
    """A process that runs pdf_child.py, and the channel to it.

    It ends by itself when the channel is closed, thus also when this process dies.
    """

    def __init__(self) -> None:
        with ExitStack() as undo:
            self._channel, its_end = socket.socketpair()
            undo.enter_context(self._channel)
            with its_end:
                # Its output would quote traces: nobody is to read it.
                self._process = subprocess.Popen(  # noqa: S603 - our own program, by its path
                    [sys.executable, "-I", str(_PROGRAM)],
                    stdin=its_end.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_ENVIRONMENT,
                    cwd="/",
                )
            undo.pop_all()
        self.pid = self._process.pid

    def lives(self) -> bool:
        return self._process.poll() is None

    def memory(self) -> int:
        """Return the bytes that it holds, which Python does not give back after a large PDF."""
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize()

    def end(self) -> None:
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def ask(self, job: bytes, limits: Limits) -> bytes:
        """Return the PDF of a job, or raise PdfFailed, after which the child is of no more use."""
        try:
            kind, content = self._asked(job, monotonic() + limits.deadline)
        except TimeoutError as error:
            raise PdfFailed(f"it took more than {limits.deadline:g} s") from error
        except (OSError, EOFError) as error:
            raise PdfFailed(self._end_words(limits)) from error
        if kind != b"P":
            raise PdfFailed(_error_words(content.decode("ascii", "replace"), limits))
        return content

    def _asked(self, job: bytes, until: float) -> tuple[bytes, bytes]:
        self._channel.settimeout(until - monotonic())
        self._channel.sendall(_LENGTH.pack(len(job)) + job)
        kind, size = _ANSWER.unpack(self._received(_ANSWER.size, until))
        if size > _LARGEST_PDF:
            raise PdfFailed(f"it has more than {_LARGEST_PDF // 1024**2} MiB")
        return kind, self._received(size, until)

    def _received(self, size: int, until: float) -> bytes:
        content = bytearray()
        while len(content) < size:
            left = until - monotonic()
            if left <= 0:
                raise TimeoutError
            self._channel.settimeout(left)
            piece = self._channel.recv(min(size - len(content), _PIECE))
            if not piece:
                raise EOFError
            content += piece
        return bytes(content)

    def _end_words(self, limits: Limits) -> str:
        try:
            code = self._process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            return "its process fell silent"
        if code == -signal.SIGXCPU:
            return f"it needed more than {limits.cpu:g} s of processor time"
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with code {code}"


def _error_words(name: str, limits: Limits) -> str:
    if name == "MemoryError":
        return f"it needed more than {limits.memory // 1024**2:,} MiB of memory"
    return f"its layout failed ({name})"
