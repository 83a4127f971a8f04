"""The supervisor: starts the processes of its table of roles, restarts the dead, stops all."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from app import clock
from workers import children, runfiles

log = logging.getLogger(__name__)

QUICK_SECONDS = 2.0
LONGEST_PAUSE = 5.0
STOP_SECONDS = 40.0
LAST_SECONDS = 5.0
SAME_PRESS_SECONDS = 0.5
# How often the clocks are compared, so that a child that is forked knows of a jump.
CLOCK_SECONDS = 20.0


@dataclass(frozen=True)
class Role:
    """One kind of process: `target` gets the number of its process, from 1.

    `last`: is stopped after all the others. `once`: its end is not a death, and it has no pid file.
    `ended`: told the exit code of each death (negative: a signal) before the restart.
    `stop`: asks the process of a pid to end; without it, SIGTERM does.
    """

    name: str
    count: int
    target: Callable[[int], None]
    last: bool = False
    once: bool = False
    ended: Callable[[int], None] | None = None
    stop: Callable[[int], None] | None = None


@dataclass
class Child:
    """One process of a role, over all its restarts; `due` is when the next start is."""

    role: Role
    number: int
    pid: int | None = None
    started: float = 0.0
    deaths: int = 0
    due: float = 0.0

    @property
    def name(self) -> str:
        """The name of its pid file and in log lines."""
        return f"{self.role.name}-{self.number}"


def pause(deaths: int) -> float:
    """Return the seconds to wait before a restart after so many quick deaths in a row."""
    return 0.0 if deaths <= 1 else min(LONGEST_PAUSE, 0.1 * 2.0 ** min(deaths - 2, 10))


class Supervisor:
    """Owns the child processes; to be used from the main thread, with the signals held."""

    def __init__(
        self, run_dir: Path, enter: Callable[[str], None], stop_seconds: float = STOP_SECONDS
    ) -> None:
        """Take the pid files of `run_dir`; `enter` is called with its name in each new child."""
        self._stop_seconds = stop_seconds
        self._run_dir = run_dir
        self._enter = enter
        self._children: list[Child] = []
        self._stop_at: float | None = None
        runfiles.remove_pids(run_dir)
        runfiles.write_pid(run_dir, "supervisor", os.getpid())

    def add(self, roles: Iterable[Role]) -> None:
        """Start the processes of `roles` and keep them alive from now on."""
        for role in roles:
            for number in range(1, role.count + 1):
                child = Child(role, number)
                self._children.append(child)
                self._start(child)

    def once(self, name: str, target: Callable[[], None]) -> int | None:
        """Run `target` in a child to its end; return its exit code, None if a stop came first."""
        code: list[int] = []
        role = Role(name, 1, lambda _: target(), once=True, ended=code.append)
        self.add([role])
        while not code and self._stop_at is None:
            self._step()
        return code[0] if code else None

    def run(self) -> None:
        """Look after the children until SIGTERM or SIGINT."""
        while self._stop_at is None:
            self._step()

    def stop(self) -> None:
        """End every child, politely at first, and remove the pid files; a second Ctrl-C hurries."""
        self._stop_at = self._stop_at or clock.monotonic()
        self._end([child for child in self._children if not child.role.last], self._stop_seconds)
        self._end([child for child in self._children if child.role.last], LAST_SECONDS)
        runfiles.remove_pids(self._run_dir)

    def _step(self) -> None:
        """Wait for a signal or for the next restart that is due, and act on it."""
        self._take(children.wait_signal(self._until_due()))
        self._bury()
        if self._stop_at is None:
            self._start_due()

    def _until_due(self) -> float:
        clock.unsteady()
        waiting = [child.due - clock.monotonic() for child in self._children if child.pid is None]
        return max(0.0, min(waiting, default=CLOCK_SECONDS))

    def _take(self, number: int | None) -> bool:
        """Note a wish to stop; return whether this is a second Ctrl-C."""
        if number not in children.STOP:
            return False
        now = clock.monotonic()
        if self._stop_at is None:
            self._stop_at = now
            return False
        # `timeout` and some terminals send one press twice: to the process and to its group.
        return number == signal.SIGINT and now - self._stop_at > SAME_PRESS_SECONDS

    def _bury(self) -> None:
        for pid, code in children.reap():
            for child in self._children:
                if child.pid == pid:
                    self._mourn(child, code)
                    break

    def _mourn(self, child: Child, code: int) -> None:
        child.pid = None
        if child.role.once:
            self._children.remove(child)
        else:
            runfiles.remove_pid(self._run_dir, child.name)
        if child.role.ended:
            child.role.ended(code)
        if self._stop_at is None and not child.role.once:
            self._plan_restart(child, code)

    def _plan_restart(self, child: Child, code: int) -> None:
        now = clock.monotonic()
        child.deaths = child.deaths + 1 if now - child.started < QUICK_SECONDS else 1
        wait = pause(child.deaths)
        child.due = now + wait
        when = f"in {wait:.1f} s" if wait else "at once"
        log.warning("%s %s; starting it again %s", child.name, children.describe(code), when)

    def _start_due(self) -> None:
        now = clock.monotonic()
        for child in self._children:
            if child.pid is None and child.due <= now:
                self._start(child)

    def _start(self, child: Child) -> None:
        child.started = clock.monotonic()
        child.pid = children.fork(lambda: self._live(child))
        if not child.role.once:
            runfiles.write_pid(self._run_dir, child.name, child.pid)

    def _live(self, child: Child) -> None:
        self._enter(child.name)
        child.role.target(child.number)

    def _end(self, group: list[Child], seconds: float) -> None:
        """Ask the group to end, wait, and kill what is left after `seconds`."""
        self._ask(group)
        deadline = clock.monotonic() + seconds
        hurried = False
        while any(child.pid for child in group):
            left = deadline - clock.monotonic()
            if left <= 0 or hurried:
                self._kill(group)
                left = seconds
            hurried = self._take(children.wait_signal(left))
            self._bury()

    @staticmethod
    def _ask(group: list[Child]) -> None:
        for child in group:
            if child.pid and child.role.stop:
                child.role.stop(child.pid)
            elif child.pid:
                children.send(child.pid, signal.SIGTERM)

    @staticmethod
    def _kill(group: list[Child]) -> None:
        for child in group:
            if child.pid:
                children.send(child.pid, signal.SIGKILL)
