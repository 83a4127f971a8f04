"""The label of the environment: what the top bar of every page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import create_app
from app.errors import SettingError
from app.services.installation import Installation, installation
from tests.admin.person import Person
from tests.conftest import settings_in


def test_every_page_says_which_environment_it_is(site: Installation, tmp_path: Path) -> None:
    url = str(site.store.engine.url.render_as_string(hide_password=False))
    named = create_app(settings_in(tmp_path / "named", url, ENVIRONMENT=" Production <eu> "))

    page = Person(named).get("/schedules/").text

    assert "Environment: </span>Production &lt;eu&gt;</span>" in page
    assert "<title>Schedules · Tocsin</title>" in page
    installation(named).store.engine.dispose()


def test_without_the_setting_nothing_is_said(admin: Person) -> None:
    assert "Environment" not in admin.get("/schedules/").text


@pytest.mark.parametrize("label", ["x" * 41, "two\nlines", "tab\there"])
def test_a_label_that_does_not_fit_stops_the_start(tmp_path: Path, label: str) -> None:
    with pytest.raises(SettingError, match="TOCSIN_ENVIRONMENT"):
        settings_in(tmp_path, ENVIRONMENT=label)
