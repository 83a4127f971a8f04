"""A session with an instance of ServiceNow: a message is several requests within one time-out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app import failpoints
from app.channels.base import Receipt
from app.channels.dialling import Dialler
from app.channels.http_answers import Answer, phrase
from app.channels.http_options import reached
from app.channels.http_session import HttpSession
from app.channels.notice import RESOLVED, Notice
from app.channels.servicenow_answers import found, taken, written
from app.channels.servicenow_events import PATH, records
from app.channels.servicenow_fields import opening, resolution, update
from app.channels.servicenow_incident import (
    TABLE,
    Incident,
    correlation_id,
    only_needed,
    ours,
    search,
)
from app.channels.servicenow_options import INCIDENT, ServiceNowOptions
from app.channels.servicenow_token import login
from app.secrets import Secret

_NOT_KEPT = "it did not keep its correlation_id: may the user write and read that field?"
_NONE_OPEN = "no incident of this failure is open, so there is nothing to resolve"


class ServiceNowSession:
    """Implements Session: one connection, kept for many messages."""

    def __init__(
        self, dialler: Dialler, options: ServiceNowOptions, secrets: Mapping[str, Secret]
    ) -> None:
        self._options, address = options, options.address
        self._base = address.path.rstrip("/")
        authorization, veils = login(options, secrets)
        self._http = HttpSession(
            address,
            reached(address, options),
            dialler,
            options.timeout,
            headers={"Authorization": authorization, "Accept": "application/json"},
            veils=veils,
        )

    def send(self, message: Any) -> Receipt:
        """Tell a Notice within the system's time-out; raises ChannelError."""
        until = self._http.begin()
        failpoints.reach(7)
        if self._options.mode != INCIDENT:
            answer = self._write("POST", PATH, records(message), until)
            taken(answer)
            return answer.receipt()
        return self._tell(message, until)

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def _tell(self, notice: Notice, until: float) -> Receipt:
        """Look the incident up first, so that an attempt that was cut short is not told twice."""
        wanted = correlation_id(notice)
        path = f"{self._base}{TABLE}"
        answer = self._http.request("GET", path, until=until, query=search(wanted))
        there = ours(found(answer), wanted)
        if notice.type != RESOLVED:
            return self._open(notice, there[0] if there else None, until)
        return self._resolve(notice, there, answer, until)

    def _resolve(
        self, notice: Notice, there: Sequence[Incident], answer: Answer, until: float
    ) -> Receipt:
        """Resolve what is open; `answer` stays the last one where nothing is."""
        body, numbers = resolution(self._options, notice), []
        for one in there:
            answer = self._write("PATCH", one.path, body, until)
            numbers.append(written(answer, changed=True).number)
        if not numbers:
            return _receipt(answer, _NONE_OPEN, confirmed=False)
        return _receipt(answer, f"{', '.join(numbers)} was resolved")

    def _open(self, notice: Notice, there: Incident | None, until: float) -> Receipt:
        """Open an incident, or bring the one that is open up to date."""
        if there is not None:
            answer = self._write("PATCH", there.path, update(self._options, notice), until)
            number = written(answer, changed=True).number
            return _receipt(answer, f"{number} was open, and was updated")
        answer = self._write("POST", TABLE, opening(self._options, notice), until)
        made = written(answer, changed=False)
        kept = made.correlation_id == correlation_id(notice)
        return _receipt(answer, f"{made.number} was opened" + ("" if kept else f"; {_NOT_KEPT}"))

    def _write(self, method: str, path: str, body: bytes, until: float) -> Answer:
        return self._http.request(
            method,
            f"{self._base}{path}",
            until=until,
            body=body,
            headers={"Content-Type": "application/json"},
            query=only_needed() if path != PATH else "",
        )


def _receipt(answer: Answer, what: str, *, confirmed: bool = True) -> Receipt:
    """Return the receipt of a message; it is confirmed by the record that was answered."""
    return Receipt(answer.status, f"{phrase(answer.status)}: {what}", confirmed=confirmed)
