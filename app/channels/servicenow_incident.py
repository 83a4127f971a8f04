"""Incidents of ServiceNow: how the one of an event is found again (Table API)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from app.channels.http_event import hashed, key, told
from app.channels.notice import Notice

TABLE = "/api/now/table/incident"
MOST_KEY = 100
RESOLVED = "6"
# 6 Resolved, 7 Closed, 8 Canceled: what fires again afterwards is another incident, as an update
# of one that somebody has done with would not be seen.
_DONE = frozenset((RESOLVED, "7", "8"))
_MOST_FOUND = 50
# Nothing that a query of ServiceNow gives a meaning, such as ^ or a beginning javascript:.
_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._:/@+-]*[A-Za-z0-9._:/@+-])?")
_SYS_ID = re.compile(r"[0-9A-Za-z]{1,32}")
_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,40}")
_FIELDS = "sys_id,number,state,correlation_id"


@dataclass(frozen=True)
class Incident:
    """A record as the Table API shows it."""

    sys_id: str
    number: str
    correlation_id: str
    done: bool

    @property
    def path(self) -> str:
        """Where it is changed."""
        return f"{TABLE}/{self.sys_id}"


def correlation_id(notice: Notice) -> str:
    """Return the key of the incident, with a hash where a search for it could go wrong."""
    found = key(notice, told(notice))
    plain = _PLAIN.fullmatch(found) and not found.lower().startswith("javascript:")
    return found if plain and len(found) <= MOST_KEY else hashed(found, MOST_KEY)


def search(wanted: str) -> str:
    """Return the query that finds the incidents of a key, the newest first."""
    sought = quote(f"correlation_id={wanted}^ORDERBYDESCsys_created_on", safe="")
    return f"sysparm_query={sought}&sysparm_limit={_MOST_FOUND}&{only_needed()}"


def only_needed() -> str:
    """Return the query that asks for the fields of `Incident` alone."""
    return f"sysparm_fields={quote(_FIELDS)}&sysparm_display_value=false"


def incident(record: Any) -> Incident | None:
    """Return a record that was answered; None where it is none."""
    given = record if isinstance(record, dict) else {}
    sys_id, number = str(given.get("sys_id", "")), str(given.get("number", ""))
    if not _SYS_ID.fullmatch(sys_id):
        return None
    return Incident(
        sys_id,
        number if _NUMBER.fullmatch(number) else "(no number)",
        str(given.get("correlation_id", "")),
        str(given.get("state")) in _DONE,
    )


def ours(records: Iterable[Any], wanted: str) -> list[Incident]:
    """Return the open incidents of a key; a search that is ignored answers with any others."""
    found = (incident(record) for record in records)
    return [one for one in found if one and one.correlation_id == wanted and not one.done]
