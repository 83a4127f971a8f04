"""Integrations: what is monitored."""

from __future__ import annotations

from app.api.resources import resource
from app.services import integrations
from app.services.api_keys import Scope

resource(
    integrations.INTEGRATIONS,
    tag="Integrations",
    scope=Scope.ADMIN,
    remove=integrations.delete,
)
