"""Kill -9 of the worker, of the child that draws its PDF, and of both: the mail always arrives."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage

import psutil
import pytest

from tests.harness.mails import Post, text_of
from tests.harness.product import Product, alive
from tests.harness.waiting import eventually
from tests.rendering.traces import SLOW

PROGRAM = "pdf_child.py"
# Some seconds to draw.
TRACE = SLOW[: len(SLOW) // 6]
# The processor time after which a child is in the middle of it; a new one loads libraries first.
NEW, KEPT = 0.7, 0.3
ORPHANED = 10.0


def _child(product: Product) -> psutil.Process | None:
    """Return the process that draws for the worker, by the process table."""
    found = list(filter(_draws, psutil.Process(product.pid("worker-1")).children()))
    assert len(found) < 2, found
    return found[0] if found else None


def _draws(child: psutil.Process) -> bool:
    try:
        return PROGRAM in " ".join(child.cmdline())
    except psutil.Error:  # it has ended
        return False


def _seconds(product: Product) -> dict[int, float]:
    """Return the processor time that the child has used so far, by its pid."""
    child = _child(product)
    with suppress(psutil.Error):
        return {child.pid: child.cpu_times().user} if child else {}
    return {}


def _fail(product: Product, code: str) -> None:
    """Report a failure whose PDF is slow."""
    product.api.fail("traced", errorCode=code, trace=f"{TRACE}\n{code}")


def _at_work(product: Product, kept: Mapping[int, float] | None = None) -> int:
    """Wait until a child is in the middle of a PDF; return its pid.

    `kept` is the processor time that one which has drawn before had used for that.
    """

    def look() -> int:
        for pid, used in _seconds(product).items():
            if used > (kept[pid] + KEPT if kept and pid in kept else NEW):
                return pid
        return 0

    pid = eventually("a PDF under way", look)
    (delivery,) = product.api.items("/deliveries", state="leased")
    assert delivery["attemptCount"] == 0
    return pid


def _gone(pid: int) -> None:
    eventually("the end of the child", lambda: not alive(pid), ORPHANED)


def _attached(mail: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in mail.iter_attachments()]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # it has no part in this
def test_whoever_dies_while_a_pdf_is_drawn_the_mail_arrives(product: Product, post: Post) -> None:
    api = product.api
    api.mail_system("Mail", post.port)
    api.register("traced", "Mail")

    # The worker: its child ends by itself, and the next worker begins the PDF anew.
    _fail(product, "WORKERS")
    child, worker = _at_work(product), product.kill("worker-1")
    _gone(child)
    product.restarted("worker-1", worker)

    # That worker and its child, in one moment; the third one sends the mail, whole.
    child, worker = _at_work(product), product.kill("worker-1")
    os.kill(child, signal.SIGKILL)
    _gone(child)
    product.restarted("worker-1", worker)
    assert _attached(post.wait(1)[0]) == ["application/pdf"]
    eventually("delivery", lambda: _delivered(product, 1))

    # The child alone: the mail goes without, says why, and the next one has its PDF again.
    kept = _seconds(product)
    _fail(product, "CHILD")
    child = _at_work(product, kept)
    os.kill(child, signal.SIGKILL)
    without = post.wait(2)[1]
    _gone(child)
    assert _attached(without) == []
    said = " ".join(text_of(without).split())
    assert "The PDF could not be made: its process was ended by SIGKILL. The error traces" in said
    api.fail("traced", errorCode="AFTER", trace="short")
    assert _attached(post.wait(3)[2]) == ["application/pdf"]

    found = eventually("all delivered", lambda: _delivered(product, 3))
    assert found == [1] * 3  # attempts
    assert post.doubles == 0
    last = _child(product)
    assert last is not None
    product.check()
    product.stop()
    _gone(last.pid)


def _delivered(product: Product, number: int) -> list[int]:
    rows = product.api.items("/deliveries", state="delivered")
    return [row["attemptCount"] for row in rows] if len(rows) == number else []
