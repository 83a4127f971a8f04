"""The fail points of SMTP: a process killed there has sent nothing, or has sent the whole mail."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.sink import Script, Sink

PROGRAM = """
import sys
from pathlib import Path
from app import failpoints
from tests.channels.smtp_system import mail, session

failpoints.arm(sys.argv[1], Path(sys.argv[3]))
with session(int(sys.argv[2])) as opened:
    opened.send(mail())
    opened.send(mail())
print("sent")
"""


def run(point: str, port: int, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, point, str(port), str(folder)]
    root = Path(__file__).parents[2]
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("point", "connected", "begun"), [("7:1", 1, 0), ("7:2", 1, 1), ("14:1", 1, 1), ("14:2", 1, 2)]
)
def test_a_kill_at_each_point_leaves_what_it_says(
    point: str, connected: int, begun: int, tmp_path: Path
) -> None:
    with Sink() as sink:
        ended = run(point, sink.port, tmp_path)
        assert ended.returncode == -signal.SIGKILL, ended.stderr

        assert sink.connections == connected
        assert sink.box.verbs.count("MAIL") == begun
        again = run(point, sink.port, tmp_path)
        assert again.stdout == "sent\n", again.stderr


def test_at_point_14_the_server_has_the_whole_mail(tmp_path: Path) -> None:
    with Sink(Script(delays={"DOT": 0.5})) as sink:
        assert run("14:1", sink.port, tmp_path).returncode == -signal.SIGKILL
        sink.wait_for(1)

    assert len(sink.mails) == 1
