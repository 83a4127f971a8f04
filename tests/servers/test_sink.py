"""The sink as a process: prints its port, obeys lines of JSON, counts, and fills its spool."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.channels.smtp_system import failed_send, mail, session


def test_it_runs_as_a_process_that_is_scripted_and_asked_while_running(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.servers.sink", "--spool", str(tmp_path / "spool")]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        port = json.loads(process.stdout.readline())["port"]
        with session(port) as opened:
            opened.send(mail("a@example.org", "b@example.org"))
            print(json.dumps({"replies": {"DOT": "451 4.3.0 later"}}), file=process.stdin)
            print(json.dumps("stats"), file=process.stdin, flush=True)
            stats = json.loads(process.stdout.readline())
            failed_send(opened, mail())
        process.stdin.close()
        assert process.wait(20) == 0

    assert stats.items() >= {"mails": 1, "recipients": 2, "connections": 1}.items()
    kept = (tmp_path / "spool" / "00000001.eml").read_bytes()
    envelope, _, body = kept.partition(b"\n")
    assert json.loads(envelope)["recipients"] == ["a@example.org", "b@example.org"]
    assert body == b"Subject: x\r\n\r\nhello\r\n"
