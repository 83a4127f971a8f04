"""What every use case needs at hand, made once by the factory and passed on explicitly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from app.config import Settings
from app.queueing import Alarm
from app.secrets import Vault
from app.storage import Store


@dataclass(frozen=True)
class Installation:
    """The settings, the database, the key to its secrets, and the alarm clock of the workers."""

    settings: Settings
    store: Store
    vault: Vault
    alarm: Alarm


def installation(app: Flask | None = None) -> Installation:
    """Return the installation of `app`, or of the application that is current."""
    return cast(Installation, (app or current_app).extensions["tocsin"])
