"""Checking a system: stages gone through one by one, each timed, until the first that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from app import clock
from app.channels.base import ChannelError, CheckStep

_LONGEST = 600


class Found(NamedTuple):
    """What a stage found; `ok` None: it was not needed. `fix`: what could be better."""

    text: str
    ok: bool | None = True
    fix: str | None = None


def walk(stages: Sequence[tuple[str, Callable[[], Found]]]) -> list[CheckStep]:
    """Return a step for each stage; those after the first ChannelError are not reached."""
    steps: list[CheckStep] = []
    failed = False
    for name, stage in stages:
        steps.append(CheckStep(name, None, "Not reached.") if failed else _step(name, stage))
        failed = failed or steps[-1].ok is False
    return steps


def _step(name: str, stage: Callable[[], Found]) -> CheckStep:
    began = clock.monotonic()
    try:
        found = stage()
    except ChannelError as error:
        found = Found(error.cause, False, error.advice or None)
    took = round((clock.monotonic() - began) * 1000)
    text = found.text if len(found.text) <= _LONGEST else f"{found.text[:_LONGEST]} …"
    return CheckStep(name, found.ok, text, found.fix, took)
