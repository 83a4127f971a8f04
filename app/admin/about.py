"""About & status: every check of the installation, its settings, and its version."""

from __future__ import annotations

import platform
from importlib.metadata import version

from app.pages.screen import Screen, route
from app.services import health

_PACKAGES = ("flask", "flask-admin", "sqlalchemy", "rq", "rq-scheduler", "redis", "xhtml2pdf")
TITLES = {
    "database": "Database",
    "disk": "Disk",
    "redis": "Redis",
    "worker": "Worker",
    "scheduler": "Scheduler",
    "oldestWaiting": "Oldest waiting notification",
}


class About(Screen):
    """How the installation is."""

    title, path, icon, section = "About & status", "/about/", "info-circle", "Administration"

    @route("/")
    def index(self) -> str:
        """Show every check with its figure."""
        settings = self.site.settings
        return self.page(
            "admin/about.html",
            ready=health.readiness(self.site),
            titles=TITLES,
            settings=settings,
            database="SQLite" if settings.sqlite else "PostgreSQL",
            versions=[("Python", platform.python_version())]
            + [(name, version(name)) for name in _PACKAGES],
        )


SCREENS = (About,)
