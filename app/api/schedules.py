"""Schedules: when the Post Failure Notification job may run."""

from __future__ import annotations

from app.api.resources import resource
from app.services.api_keys import Scope
from app.services.schedules import SCHEDULES

resource(SCHEDULES, tag="Schedules", scope=Scope.ADMIN)
