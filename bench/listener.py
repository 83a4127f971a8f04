"""What listens for the product, in a process of its own: started, asked by lines of JSON, ended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar, Self

from bench.clock import monotonic, sleep

_ROOT = Path(__file__).parent.parent


class Listener:
    """`python -m MODULE`, which prints its port and answers each line with one.

    "count" is how many have come, "forget" lets it begin anew.
    """

    module: ClassVar[str]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def ask(self, what: Any) -> Any:
        """Send one line and return the answer."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def forget(self) -> None:
        """Begin anew."""
        self.ask("forget")

    def wait(self, number: int, seconds: float) -> None:
        """Wait until so many came, or the time is over."""
        end = monotonic() + seconds
        while self.ask("count") < number and monotonic() < end:
            sleep(0.05)
