"""What ServiceNow's answers mean: a result, never to be taken, or try again."""

from __future__ import annotations

import json
from typing import Any

from app.channels.base import ChannelError
from app.channels.http_answers import Answer
from app.channels.servicenow_incident import Incident, incident
from app.domain.kinds import Fail

_REFUSED = frozenset((400, 403))
_GONE = 404
_MISSING = "It is looked up again, and a new one opened where there is none."
_ASLEEP = (
    "Open it in a browser: is it hibernating or under maintenance, or is Instance the address of "
    "something else?"
)
_READING = {
    400: "Has the instance the table incident?",
    403: "May the user read incidents (role itil)?",
}
_WRITING = {
    400: "ServiceNow's answer says what it has against the record.",
    403: "May the user write such records (role itil, or evt_mgmt_integration for Event "
    "Management), and does a data policy or business rule want more fields?",
    404: "Check Instance and Mode: Event Management is a plugin that not every instance has.",
}
_ALWAYS = {
    401: "Check User and Password, or the Token: is it expired?",
    404: "Check Instance.",
    413: "Records are kept short: does something on the way take less?",
    429: "A rate limit of the instance; Tocsin waits as long as it asks for.",
}


def found(answer: Answer) -> list[Any]:
    """Return the records of a search; raises ChannelError, which is the instance's fault."""
    if not answer.ok:
        advice = _READING.get(answer.status) or _ALWAYS.get(answer.status, "")
        raise answer.refusal(advice=advice, of_message=False)
    result = _result(answer)
    if not isinstance(result, list):
        raise _foreign(answer)
    return result


def written(answer: Answer, *, changed: bool) -> Incident:
    """Return the incident that was opened or `changed`; raises ChannelError."""
    if changed and answer.status == _GONE:
        cause = "The incident is gone, or hidden from the user, since it was found just now."
        raise answer.refusal(cause, _MISSING, of_message=True)
    _check_taken(answer)
    record = incident(_result(answer))
    if record is None:
        raise _foreign(answer)
    return record


def taken(answer: Answer) -> None:
    """Check that events were taken; raises ChannelError."""
    _check_taken(answer)
    _result(answer)


def _check_taken(answer: Answer) -> None:
    """Raise for what is no 2XX: 400 and 403 are about the record, and for good."""
    if answer.ok:
        return
    advice = _WRITING.get(answer.status) or _ALWAYS.get(answer.status, "")
    for_good = answer.status in _REFUSED
    raise answer.refusal(advice=advice, permanent=for_good, of_message=for_good or None)


def _result(answer: Answer) -> Any:
    """Return the result of a 2XX; raises ChannelError where there is none."""
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise _foreign(answer) from error
    if not isinstance(document, dict) or document.get("result") is None:
        raise _foreign(answer)
    return document["result"]


def _foreign(answer: Answer) -> ChannelError:
    """Return the error of a 2XX that is none of ServiceNow's."""
    page = answer.body.lstrip().startswith(b"<")
    what = "a page in HTML" if page else "no result as ServiceNow gives one"
    cause = f"{answer.where} answered {answer.status} with {what}."
    return answer.refusal(cause, _ASLEEP, of_message=False, because=Fail.OTHER)
