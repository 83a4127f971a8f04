"""The process that draws PDFs: what it may use, what it may see, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from app.rendering.pdf_process import Limits, PdfBusy, PdfFailed, PdfMaker
from tests.harness.waiting import eventually
from tests.rendering.traces import SLOW, Pdf, document, failed

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "app/rendering/pdf_child.py"
MIB = 1024 * 1024

Start = Callable[..., PdfMaker]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that makes a maker with the given limits; all are closed afterwards."""
    made: list[PdfMaker] = []

    def start(**limits: float) -> PdfMaker:
        made.append(PdfMaker(Limits(**({"deadline": 300} | limits))))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for maker in made:
        maker.close()


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Threads for what happens at the same time."""
    with ThreadPoolExecutor() as pool:
        yield pool


def works(maker: PdfMaker) -> bool:
    return "AUTH_401" in Pdf(maker.make(document(failed("short")))).text


def drawing(maker: PdfMaker, pool: ThreadPoolExecutor) -> tuple[Future[bytes], int]:
    """Start a slow PDF; return it and the process that is in the middle of it."""
    future = pool.submit(maker.make, document(failed(SLOW)))

    def busy() -> int:
        pid = maker.pid or 0
        return pid if pid and psutil.Process(pid).cpu_times().user > 0.7 else 0

    pid = eventually("the child to be in the middle of its work", busy)
    assert not future.done()
    return future, pid


def gone(pid: int) -> bool:
    """Return whether a process has ended, whoever has to reap it."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_child_is_kept_for_the_next_pdf(start: Start) -> None:
    maker = start()

    assert maker.pid is None
    assert works(maker)
    first = maker.pid
    assert works(maker)
    assert maker.pid == first


def test_a_child_that_is_killed_fails_one_pdf_and_no_more(
    start: Start, aside: ThreadPoolExecutor
) -> None:
    maker = start()
    future, pid = drawing(maker, aside)

    os.kill(pid, signal.SIGKILL)

    with pytest.raises(PdfFailed, match=r"could not be made: its process was ended by SIGKILL\.$"):
        future.result()
    assert works(maker)
    assert maker.pid != pid


def test_a_child_that_was_killed_while_idle_fails_none(start: Start) -> None:
    maker = start()
    works(maker)
    pid = maker.pid or 0
    os.kill(pid, signal.SIGKILL)
    ended = os.WEXITED | os.WNOWAIT  # and left for the maker to reap
    os.waitid(os.P_PID, pid, ended)

    assert works(maker)


def test_processor_time_ends_it_and_is_counted_anew_for_each(start: Start) -> None:
    maker = start(cpu=1)
    before = [works(maker) for _ in range(8)]

    with pytest.raises(PdfFailed, match="needed more than 1 s of processor time"):
        maker.make(document(failed(SLOW)))

    assert all(before)
    assert works(maker)


def test_memory_ends_it(start: Start) -> None:
    maker = start(memory=240 * MIB)

    with pytest.raises(PdfFailed, match="needed more than 240 MiB of memory"):
        maker.make(document(failed(SLOW)))

    assert works(maker)


def test_the_clock_ends_it(start: Start) -> None:
    maker = start(deadline=1)

    with pytest.raises(PdfFailed, match="took more than 1 s"):
        maker.make(document(failed(SLOW)))

    assert maker.pid is None


def test_an_error_of_the_layout_is_named_without_the_trace() -> None:
    assert ask("<p>secret</p>" + "<div>" * 300) == b"E\0\0\0\x10RenderLimitError"


ENDS = {
    "exit 3": "its process ended with code 3",
    "kill -ABRT $$": "its process was ended by SIGABRT",
    r"printf 'E\0\0\0\011TTFError!' >&0": r"its layout failed \(TTFError!\)",
    r"printf 'E\0\0\0\013MemoryError' >&0": "it needed more than 1,024 MiB of memory",
    r"printf 'P\377\0\0\0' >&0; sleep 9": "it has more than 64 MiB",
    r"printf 'P\0\0\0\077%%PDF' >&0": "its process ended with code 0",
}


@pytest.mark.parametrize("end", ENDS)
def test_whatever_the_program_does_it_becomes_a_sentence(
    end: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nhead -c 100 >&2\n{end}\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    maker = start()

    with pytest.raises(PdfFailed, match=rf"^The PDF could not be made: {ENDS[end]}\.$"):
        maker.make(document())

    assert maker.pid is None


def test_a_program_that_does_not_start_is_an_error_like_any_other(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")

    with pytest.raises(PdfFailed, match="its process did not start"):
        start().make(document())


def test_several_threads_share_the_child(start: Start, aside: ThreadPoolExecutor) -> None:
    maker = start(wait=300)
    codes = [f"E{number}" for number in range(12)]

    made = aside.map(lambda code: maker.make(document(failed(error_code=code))), codes)

    for code, pdf in zip(codes, made, strict=True):
        assert f"\n{code}\n" in Pdf(pdf).text


def test_who_waits_too_long_is_told_that_others_are_served(
    start: Start, aside: ThreadPoolExecutor
) -> None:
    maker = start(wait=0.2)
    future, pid = drawing(maker, aside)

    with pytest.raises(PdfBusy, match=r"others kept it waiting for 0\.2 s"):
        maker.make(document())

    os.kill(pid, signal.SIGKILL)
    assert isinstance(future.exception(), PdfFailed)


def test_an_idle_child_is_ended(start: Start) -> None:
    maker = start(idle=0.3)
    works(maker)
    pid = maker.pid or 0

    eventually("the end of the idle child", lambda: maker.pid is None)

    assert not psutil.pid_exists(pid)
    assert works(maker)


def test_a_child_that_holds_much_memory_is_not_kept(start: Start) -> None:
    maker = start(kept_memory=50 * MIB)
    works(maker)

    eventually("the end of the heavy child", lambda: maker.pid is None)


def test_a_child_outlives_the_thread_that_started_it(start: Start) -> None:
    maker = start()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(works, maker).result()
    pid = maker.pid

    assert works(maker)
    assert maker.pid == pid


@pytest.mark.parametrize("trace", ["SLOW", "'short'"], ids=["at work", "idle"])
def test_a_child_dies_with_its_parent(trace: str) -> None:
    program = f"""
        import threading, time
        from app.rendering.pdf_process import maker
        from tests.rendering.traces import SLOW, document, failed
        threading.Thread(target=maker().make, args=[document(failed({trace}))], daemon=True).start()
        while not maker().pid: time.sleep(0.01)
        time.sleep(1)
        print(maker().pid, flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()

    eventually("the end of the orphan", lambda: gone(pid), seconds=10)


def test_a_child_sees_nothing_of_its_parent(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_SECRET_KEY", "not for the child")
    maker = start()
    works(maker)
    child = psutil.Process(maker.pid)

    assert child.environ() == {"LC_ALL": "C.UTF-8"}
    assert child.cwd() == "/"
    assert child.nice() == 10
    assert child.open_files() == []
    assert "reportlab" not in sys.modules
    with closing(socket.create_server(("127.0.0.1", 0))) as ours:
        ours.set_inheritable(True)
        assert child.net_connections("inet") == []
        assert works(other := start())
        assert psutil.Process(other.pid).net_connections("inet") == []


def ask(xhtml: str) -> bytes:
    """Return what the program answers, asked past the escaping."""
    job = {"xhtml": xhtml, "fonts": [], "cpu_seconds": 20, "memory_bytes": 1024 * MIB}
    body = json.dumps(job).encode()
    ours, its_end = socket.socketpair()
    with ours, its_end:
        with subprocess.Popen([sys.executable, "-I", str(PROGRAM)], stdin=its_end.fileno()):
            its_end.close()
            ours.settimeout(60)
            ours.sendall(struct.pack("!I", len(body)) + body)
            ours.shutdown(socket.SHUT_WR)
            with ours.makefile("rb") as stream:
                return stream.read()


VECTORS = (
    '<img src="{}">',
    "<style>@import url({}); @font-face { font-family: x; src: url({}) }</style>x",
    '<style>@page { background-image: url("{}") }</style>x',
    '<link rel="stylesheet" href="{}"><p style="background: url({})">x</p>',
    '<pdf:insertpdf src="{}"></pdf:insertpdf><pdf:font name="x" src="{}"></pdf:font>x',
)


@pytest.mark.parametrize("vector", VECTORS)
def test_nothing_is_fetched_even_for_markup_of_its_own(vector: str, tmp_path: Path) -> None:
    # Whoever opens a named pipe waits for a writer: there would be no answer.
    pipe = tmp_path / "picture.png"
    os.mkfifo(pipe)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.setblocking(False)
        web = f"http://127.0.0.1:{server.getsockname()[1]}/x.png"
        addresses = (web, pipe.as_uri(), str(pipe), f"../../../..{pipe}")

        answer = ask("".join(vector.replace("{}", address) for address in addresses))

        assert answer.startswith(b"P")
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.usefixtures("alone")  # processor time is longer while others use the same core
def test_2000_lines_need_little_processor_time_and_memory(start: Start) -> None:
    maker = start()
    works(maker)
    child = psutil.Process(maker.pid)
    before = child.cpu_times().user
    lines = [
        f"\tat com.example.Runner.run(Runner.java:{n}) [core-5.{n}.jar:?]" for n in range(2000)
    ]

    pdf = maker.make(document(failed("\n".join(lines))))

    assert len(Pdf(pdf).pages) > 25
    assert child.cpu_times().user - before < 3
    assert child.memory_info().rss < 256 * MIB
