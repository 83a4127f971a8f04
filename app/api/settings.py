"""Settings: the one document of what can be changed while the server runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.api.endpoints import Call, Reply, endpoint
from app.api.resources import reply
from app.services import preferences
from app.services.api_keys import Scope
from app.services.preferences import PATH, PreferencesBody

TAG = "Settings"
ANSWERS = {200: PreferencesBody}


@endpoint("GET", PATH, scope=Scope.READ, tag=TAG, answers=ANSWERS)
def read_settings(call: Call) -> Reply:
    """Read the settings."""
    return reply(preferences.get(call.site))


@endpoint("PUT", PATH, scope=Scope.ADMIN, tag=TAG, answers=ANSWERS, refusals=(412,))
def put_settings(call: Call, body: PreferencesBody) -> Reply:
    """Replace the settings; one that is left out gets its default."""
    return reply(preferences.replace(call.site, call.caller.actor, body, call.condition))


@endpoint(
    "PATCH",
    PATH,
    scope=Scope.ADMIN,
    tag=TAG,
    answers=ANSWERS,
    refusals=(412,),
    shape=PreferencesBody,
)
def patch_settings(call: Call, patch: Mapping[str, Any]) -> Reply:
    """Change some of the settings."""
    return reply(preferences.patch(call.site, call.caller.actor, patch, call.condition))
