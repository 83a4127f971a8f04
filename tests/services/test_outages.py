"""A database that is away in the middle of sending: the lane is given back, the verdict kept."""

from __future__ import annotations

import threading

import pytest

from app.errors import StorageUnavailable
from app.models import Lane
from app.services import lane_work, lanes, processes
from app.services.deliver import Courier
from app.services.deliver.steps import Stored, keep_trying
from app.services.installation import Installation
from tests.services.spine import at_once, report, rows


def test_a_lane_that_is_ours_by_its_row_alone_is_given_back(site: Installation) -> None:
    at_once(site, 25)
    report(site)
    (lane,) = rows(site, Lane)
    ours, others = processes.register(site, "worker"), processes.register(site, "worker")
    # as after a commit that was stored, but not confirmed
    assert lanes.claim(site, lane.id, ours, 60)

    Courier(site, others).give_back_forgotten()
    assert not lane_work.look(site, lane.id).now
    Courier(site, ours).give_back_forgotten()
    assert lane_work.look(site, lane.id).now


def test_a_verdict_is_kept_until_the_database_is_back() -> None:
    answers = [StorageUnavailable("away"), StorageUnavailable("away"), None]

    def store() -> Stored:
        if error := answers.pop(0):
            raise error
        return Stored(None, owned=True)

    keep_trying(store, threading.Event())

    assert answers == []


def test_a_stop_does_not_wait_for_a_database_that_is_away() -> None:
    stopping = threading.Event()
    stopping.set()

    def store() -> Stored:
        raise StorageUnavailable("away")

    with pytest.raises(StorageUnavailable):
        keep_trying(store, stopping)
