"""Systems: what notifications go out through."""

from __future__ import annotations

from app.api.resources import resource
from app.services.api_keys import Scope
from app.services.systems import SYSTEMS

resource(SYSTEMS, tag="Systems", scope=Scope.ADMIN)
