"""A Redis outside of the product, on a port of loopback; it can be killed and started again."""

from __future__ import annotations

import subprocess
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.harness.product import free_port
from tests.harness.waiting import PATIENCE, eventually
from workers.embedded_redis import binary


class OutsideRedis:
    """`with OutsideRedis(directory) as server`."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        listening = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [str(binary()), *listening, "--dir", str(self._directory)], stdout=subprocess.DEVNULL
        )
        with Redis(port=self.port) as client:
            eventually("Redis", lambda: _answers(client))

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def __enter__(self) -> OutsideRedis:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False
