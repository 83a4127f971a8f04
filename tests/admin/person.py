"""Somebody at a browser without scripts: looks at pages and sends their forms."""

from __future__ import annotations

import html
import re

from flask import Flask
from werkzeug.test import TestResponse

from app.domain.people import Role
from app.services import job_work, processes
from app.services.installation import Installation
from tests.web.helpers import drawable, signed_in, token


class Person:
    """A signed-in user of `role`."""

    def __init__(self, app: Flask, role: Role = Role.ADMIN) -> None:
        self.client = signed_in(drawable(app), role)
        self.token = token(self.client, "/account")

    def get(self, path: str) -> TestResponse:
        """Look at a page."""
        return self.client.get(path)

    def text(self, path: str) -> str:
        """Return what a page says, its markup left out; it must be there."""
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return words(answer)

    def post(self, path: str, **fields: str | list[str]) -> TestResponse:
        """Send a form; a dot in a name is written as two underscores."""
        data = {name.replace("__", "."): value for name, value in fields.items()}
        return self.client.post(path, data={"csrf_token": self.token, **data})

    def done(self, path: str, **fields: str | list[str]) -> str:
        """Send a form that is taken, and return what the page after it says."""
        answer = self.post(path, **fields)
        assert answer.status_code == 303, words(answer)
        return self.text(answer.headers["Location"])


def finish_jobs(site: Installation) -> None:
    """Do what a busy machine has left of the jobs, as a worker does."""
    job_work.run_queued(site, processes.register(site, "worker"), lambda: True)


def words(answer: TestResponse) -> str:
    """Return the text of a page in one line."""
    bare = re.sub(r"<[^>]+>", " ", answer.text)
    return " ".join(html.unescape(bare).split())
