"""Registrations: failure notification of an integration."""

from __future__ import annotations

from app.api.resources import resource
from app.services.api_keys import Scope
from app.services.registrations import REGISTRATIONS

resource(REGISTRATIONS, tag="Registrations", scope=Scope.OPERATE)
