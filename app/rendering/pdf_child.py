"""The program that draws PDFs: run by pdf_process, killable, and knowing nothing of Tocsin.

It is started by its path, not as a module of `app`, whose factory would bring Flask and the
database into it. A job is a length and a JSON object; an answer is a letter, a length and bytes.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import resource
import select
import signal
import socket
import struct
import threading
from typing import Any, BinaryIO

from reportlab import rl_config
from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from xhtml2pdf.config.resources import ResourceAccessPolicy
from xhtml2pdf.default import DEFAULT_FONT
from xhtml2pdf.document import pisaDocument

_NICE = 10
_LENGTH = struct.Struct("!I")
_BUILT_IN = {"text": "Helvetica", "mono": "Courier"}
_UNKNOWN = "\ufffd"
_STAND_INS = {ord("→"): "to"}

_drawable = set(map(ord, bytes(range(256)).decode("cp1252", "ignore")))
_loaded: set[str] = set()


def main() -> None:
    """Answer the jobs that come over standard input, a socket, until it ends or one fails."""
    rl_config.useA85 = 0  # PDFs are binary anyway: a fifth smaller
    logging.disable()  # nobody reads it, and it would quote the traces
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    channel = socket.socket(fileno=os.dup(0))
    jobs = channel.makefile("rb")
    while job := _next(jobs):
        try:
            _limit(job["cpu_seconds"], job["memory_bytes"])
            kind, content = b"P", _draw(job["xhtml"], job["fonts"])
        except Exception as error:
            # Only its name, as the message may quote a trace.
            kind, content = b"E", type(error).__name__.encode()
        channel.sendall(kind + _LENGTH.pack(len(content)) + content)
        if kind == b"E":
            return


def _end_with_parent() -> None:
    # Not PR_SET_PDEATHSIG: that fires when the thread ends which started this process.
    watch = select.poll()
    watch.register(0, 0)  # asks for no event, so that only the hang-up is reported
    watch.poll()
    os._exit(0)


def _next(jobs: BinaryIO) -> dict[str, Any] | None:
    head = jobs.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    job: dict[str, Any] = json.loads(jobs.read(*_LENGTH.unpack(head)))
    return job


def _limit(cpu_seconds: float, memory_bytes: int) -> None:
    """Set the limits of the next job; processor time counts from the start of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    end = math.ceil(used.ru_utime + used.ru_stime + cpu_seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _draw(xhtml: str, fonts: list[dict[str, Any]]) -> bytes:
    """Return the PDF; nothing is read for it, from disk or network, but the fonts."""
    for family, name in _BUILT_IN.items():
        DEFAULT_FONT.setdefault(family, name)
    for font in fonts:
        if not font["extra"] or not _drawable.issuperset(map(ord, set(xhtml))):
            _load(**font)
    pdf = io.BytesIO()
    policy = ResourceAccessPolicy.server(base_dir=None, allow_remote=False)
    done = pisaDocument(_visible(xhtml), pdf, encoding="utf-8", resource_policy=policy)
    if done.err:
        raise ValueError(f"{done.err} errors")
    return pdf.getvalue()


def _load(family: str, file: str, bold: bool, extra: bool) -> None:
    """Make a font known under its family, once; a family without a bold face draws no bolder."""
    name = f"{family}-bold" if bold else family
    if name in _loaded:
        return
    font = TTFont(name, file)
    pdfmetrics.registerFont(font)
    for italic in (0, 1):
        addMapping(family, 1, italic, name)
        if not bold:
            addMapping(family, 0, italic, name)
    DEFAULT_FONT[family] = family
    _drawable.update(font.face.charToGlyph)
    _loaded.add(name)


def _visible(xhtml: str) -> str:
    """Return `xhtml` with a mark in place of what no font can draw: it would leave no trace."""
    missing = set(map(ord, set(xhtml))) - _drawable
    mark = _UNKNOWN if ord(_UNKNOWN) in _drawable else "?"
    return xhtml.translate({code: _STAND_INS.get(code, mark) for code in missing})


if __name__ == "__main__":
    main()
