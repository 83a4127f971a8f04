"""The shape of a schedule, in bodies and in answers (product.md 7; api.md, Configuring)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from app.domain import cron
from app.domain import schedule as domain
from app.domain.schedule import LONGEST, SHORTEST, UNITS, UTC_ZONE
from app.errors import Fault, Invalid
from app.models import Schedule
from app.services.named import NAMED, Answered, Document, answered
from app.shapes import Rule, Shape, fault, text, whole

LONGEST_NAME = 100
Name = Annotated[str, text(LONGEST_NAME, required=True, line=True)]
# How many of each unit an interval may have.
_RANGES = {
    unit: (max(1, -(-SHORTEST // length)), LONGEST // length) for unit, length in UNITS.items()
}


class EveryBody(Shape):
    """The time between two runs."""

    unit: Literal["seconds", "minutes", "hours", "days", "weeks"]
    n: Annotated[int, whole(1, _RANGES["seconds"][1])] = Field(
        description="So that it is 10 seconds at least and 52 weeks at most."
    )

    @field_validator("n", mode="before")
    @classmethod
    def _in_range(cls, value: Any, info: ValidationInfo) -> Any:
        if "unit" in info.data:
            whole(*_RANGES[info.data["unit"]]).check(value)
        return value


def _cron(value: Any) -> str:
    line: str = text(200, required=True, line=True).check(value)
    problem = cron.problem(line)
    if problem:
        raise fault(problem)
    return line


def _zone(value: Any) -> str:
    name: str = text(64, required=True, line=True).check(value)
    if name not in cron.zones():
        raise fault("must be the name of a time zone, such as Europe/Berlin or UTC")
    return name


class ScheduleBody(Answered):
    """A schedule runs by an interval or by a cron line; built-in ones cannot be changed."""

    name: Name | None = Field(None, description=f"May be left out where the path gives it. {NAMED}")
    built_in: Any = answered("boolean")
    every: EveryBody | None = Field(None, description="Either this or cron is given.")
    cron: (
        Annotated[str, Rule(_cron, {"type": "string", "minLength": 9, "maxLength": 200})] | None
    ) = Field(
        None,
        title="Cron",
        description="Five fields as in Debian's cron: minute, hour, day of the month, month, day "
        "of the week. With every hour (*) it follows real time; otherwise a time that the clock "
        "skips runs at the next minute that there is, and one that it shows twice runs once.",
        examples=["0 8 * * MON-FRI"],
    )
    zone: Annotated[str, Rule(_zone, {"type": "string", "maxLength": 64})] | None = Field(
        None, title="Time zone", description="Of cron, by its IANA name. Default: UTC."
    )
    next: Any = answered(
        "array",
        items={"type": "string", "format": "date-time"},
        description="The next five runs; of a schedule that is not in use, were it chosen now.",
    )
    sentence: Any = answered("string", description="When it runs, in words.")


def checked(body: ScheduleBody) -> ScheduleBody:
    """Return the body if its fields go together; raises Invalid, with every fault."""
    faults = []
    if body.every is None and body.cron is None:
        faults.append(Fault("/every", "is required, unless cron is given"))
    elif body.every is not None and body.cron is not None:
        faults.append(Fault("/cron", "must be null where every is given: a schedule has one"))
    if body.cron is None and body.zone is not None:
        faults.append(Fault("/zone", "must be null without cron: an interval has no time zone"))
    if faults:
        raise Invalid(faults)
    return body


def put(row: Schedule, body: ScheduleBody) -> None:
    """Put the settings into the row; the caller flushes."""
    every = body.every
    row.every_n, row.every_unit = (every.n, every.unit) if every else (None, None)
    row.cron = body.cron
    row.zone = (body.zone or UTC_ZONE) if body.cron else None


def configured(row: Schedule) -> Document:
    """Return the settings of `row` as a PUT would say them."""
    every = None if row.every_n is None else {"n": row.every_n, "unit": row.every_unit}
    return {"name": row.name, "every": every, "cron": row.cron, "zone": row.zone}


def timing(row: Schedule) -> domain.Schedule:
    """Return when `row` runs."""
    return domain.Schedule(row.every_n, row.every_unit, row.cron, row.zone)
