"""Health: what /healthz, /readyz and /metrics say when things are well, and when they are not."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.clock import monotonic, utc_now
from app.services import first_admin, health
from app.services.installation import Installation, installation
from tests.api import rows
from tests.api.helpers import reported
from tests.conftest import settings_in

GONE = ["sqlite:////nonexistent/x.sqlite3", "postgresql:///x?host=/nonexistent"]


def test_healthz_is_ok_without_a_key_after_a_commit(app: Flask) -> None:
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_healthz_probes_where_nothing_was_committed_for_a_while(
    app: Flask, site: Installation
) -> None:
    site.store.last_commit = monotonic() - health.FRESH_SECONDS
    assert app.test_client().get("/healthz").status_code == 200
    with site.store.reading() as connection:
        found = connection.exec_driver_sql("SELECT name FROM settings").scalars().all()
    assert sorted(found) == [health.PROBE_ROW, first_admin.NAME]


def test_healthz_probes_at_most_every_five_seconds(app: Flask, site: Installation) -> None:
    client = app.test_client()
    site.store.last_commit = None
    assert client.get("/healthz").status_code == 200
    site.store.last_commit = None
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (503, {"status": "failing"})


@pytest.mark.parametrize("url", GONE)
def test_without_a_database_nothing_is_well_but_everything_answers(
    tmp_path: Path, url: str
) -> None:
    client = create_app(settings_in(tmp_path, url)).test_client()
    assert client.get("/healthz").status_code == 503
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (503, "failing")
    checks = answer.get_json()["checks"]
    assert [name for name, check in checks.items() if check["required"]] == ["database"]
    assert [name for name, check in checks.items() if check["ok"]] == ["disk", "oldestWaiting"]
    assert client.get("/metrics").status_code == 503
    assert "nonexistent" not in answer.text


def test_readyz_has_every_check_with_its_figure(client: FlaskClient, site: Installation) -> None:
    rows.process(site, "worker", utc_now())
    rows.process(site, "scheduler", utc_now() - timedelta(seconds=59))
    rows.delivery(site, rows.system(site), reported_at=utc_now() - timedelta(hours=1))
    answer = client.get("/readyz")
    checks = answer.get_json()["checks"]
    assert list(checks) == ["database", "disk", "redis", "worker", "scheduler", "oldestWaiting"]
    for check in checks.values():
        assert set(check) == {"ok", "required", "value", "unit", "text"}
    assert [name for name, check in checks.items() if not check["ok"]] == ["redis"]
    assert 3600 <= checks["oldestWaiting"]["value"] < 3660
    assert 59 <= checks["scheduler"]["value"] < 60
    # Redis is told, and not required: a load balancer must not take intake away.
    assert (answer.status_code, answer.get_json()["status"]) == (200, "failing")


@pytest.mark.parametrize("seconds", [61, -61])
def test_a_worker_that_was_seen_too_long_ago_or_in_the_future_is_not_well(
    client: FlaskClient, site: Installation, seconds: int
) -> None:
    rows.process(site, "worker", utc_now() - timedelta(seconds=seconds))
    checks = client.get("/readyz").get_json()["checks"]
    assert checks["worker"]["ok"] is False
    assert checks["scheduler"] == {
        "ok": False, "required": False, "value": None, "unit": "s",
        "text": "no scheduler has been seen",
    }  # fmt: skip


def test_a_disk_that_is_nearly_full_is_told_with_its_figure(app: Flask, site: Installation) -> None:
    client, floor = app.test_client(), 1_000_000_000
    site.store.room.floor = floor
    checks = client.get("/readyz").get_json()["checks"]
    assert (checks["disk"]["ok"], checks["disk"]["unit"]) == (False, "MB")
    assert 0 < checks["disk"]["value"] < floor
    answer = client.get("/healthz")
    # Writing works: a supervisor has nothing to mend by a restart.
    assert (answer.status_code, answer.get_json()["status"]) == (200, "ok")
    assert f"less than the {floor:,} MB" in answer.get_json()["warning"]


def test_of_several_workers_one_that_lives_is_enough(
    client: FlaskClient, site: Installation
) -> None:
    rows.process(site, "worker", utc_now())
    rows.process(site, "worker", utc_now() - timedelta(days=1))
    assert client.get("/readyz").get_json()["checks"]["worker"]["ok"] is True


def _samples(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_are_prometheus_text_counted_by_the_database(
    client: FlaskClient, site: Installation
) -> None:
    for _ in range(3):
        reported(client)
    mail = rows.system(site, 'My "Mail"\\x')
    rows.lane(site, mail, state="retrying")
    delivery = rows.delivery(site, mail)
    rows.delivery(site, mail, state="delivered")
    rows.attempt(site, delivery, 1, duration_ms=40)
    rows.attempt(site, delivery, 2, duration_ms=20_000)
    rows.run(site, finished_at=rows.NOON, notified=4)
    answer = client.get("/metrics")
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    for line in answer.text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) .+|tocsin_\w+({.*})? -?[0-9.e+]+", line), line
    found = _samples(answer.text)
    name = r"My \"Mail\"\\x"
    expected = {
        "tocsin_reports": 3,
        'tocsin_decisions{outcome="skip",reason="not_registered"}': 1,
        f'tocsin_deliveries{{system="{name}",state="pending"}}': 1,
        f'tocsin_deliveries{{system="{name}",state="delivered"}}': 1,
        "tocsin_waiting": 1,
        'tocsin_lanes{state="retrying"}': 1,
        'tocsin_lanes{state="normal"}': 0,
        'tocsin_attempt_duration_seconds_bucket{le="0.01"}': 0,
        'tocsin_attempt_duration_seconds_bucket{le="0.05"}': 1,
        'tocsin_attempt_duration_seconds_bucket{le="30.0"}': 2,
        'tocsin_attempt_duration_seconds_bucket{le="+Inf"}': 2,
        "tocsin_attempt_duration_seconds_sum": 20.04,
        "tocsin_attempt_duration_seconds_count": 2,
        "tocsin_last_run_timestamp_seconds": rows.NOON.timestamp(),
        'tocsin_last_run{outcome="notified"}': 4,
    }
    assert found | expected == found
    assert found["tocsin_oldest_waiting_seconds"] > 0


def test_metrics_of_an_empty_installation_are_told(client: FlaskClient) -> None:
    assert _samples(client.get("/metrics").text)["tocsin_waiting"] == 0


def test_metrics_are_counted_once_in_ten_seconds(client: FlaskClient) -> None:
    before = client.get("/metrics").text
    reported(client)
    assert client.get("/metrics").text == before


def test_two_installations_of_one_process_keep_their_figures_apart(
    client: FlaskClient, tmp_path: Path
) -> None:
    assert client.get("/healthz").status_code == 200
    other = create_app(settings_in(tmp_path / "other", GONE[0]))
    assert other.test_client().get("/healthz").status_code == 503
    assert installation(other).store.last_commit is None
