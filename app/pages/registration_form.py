"""The form *Configure Failure Notification*, for one integration and for many (S1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from app.pages.fields import NO, YES, Field
from app.pages.forms import Form
from app.rendering.registration_words import silence
from app.services.registration_shape import RegistrationBody

FORWARD, BACKWARD = "forward", "backward"
SILENCES = (15, 30, 60, 120, 240, 360, 720, 1440, 2880, 4320, 10080)
SHARED = ("/system", "/includeErrorTrace")
_TOP = ("recipients", "cc", "subjectPrefix")
_GLOBAL = ("enabled", "noActivityMinutes", "immediately", "failureCount")
_PROCESSING = ("enabled", "beforeMaxRetries", "others", "recipients", "cc")
_HELP = {
    "recipients": "Separate several addresses by commas, or paste a list.",
    "subjectPrefix": "It stands first in the subject of every mail.",
    "global/failureCount": "A whole number from 1 to 20, counted over failures in a row.",
    "global/noActivityMinutes": "",
    "processing/recipients": "Separate several addresses by commas, or paste a list.",
}


@cache
def form_of(directions: tuple[str, ...], *, bulk: bool = False) -> Form:
    """Return the empty form; `directions` are those with fields, forward first.

    `bulk`: the switches that are always on in bulk, and both directions alike, have no field.
    """
    conditions: dict[str, Mapping[str, Sequence[Any]]] = {}
    for one in directions:
        conditions |= _conditions(one, bulk)
    extra = [_switch(f"/{one}/processing/others") for one in directions]
    whole = Form.of(RegistrationBody, shown={p: c for p, c in conditions.items()}, extra=extra)
    form = whole.only(_pointers(directions, bulk))
    for one in directions:
        form = _worded(form, one)
    form = form.changed("/system", kind="select", choices=[], help="", required=True)
    return form.changed("/includeErrorTrace", help="", required=False)


def _pointers(directions: Sequence[str], bulk: bool) -> list[str]:
    found = [*SHARED]
    for one in directions:
        if one == BACKWARD:
            found.append("/sameForBackward")
        found += [f"/{one}/{name}" for name in _TOP]
        for block, names in (("global", _GLOBAL), ("processing", _PROCESSING)):
            found += [f"/{one}/{block}/{n}" for n in names if not (bulk and n == "enabled")]
    return [*found, "/tellRecovery"]


def _conditions(one: str, bulk: bool) -> dict[str, dict[str, Sequence[Any]]]:
    """Return what each field of a direction needs, to be shown."""
    base: dict[str, Sequence[Any]] = {"/sameForBackward": [False]} if one == BACKWARD else {}
    found: dict[str, dict[str, Sequence[Any]]] = {f"/{one}/{n}": dict(base) for n in _TOP}
    for block, names in (("global", _GLOBAL), ("processing", _PROCESSING)):
        enabled: dict[str, Sequence[Any]] = {} if bulk else {f"/{one}/{block}/enabled": [True]}
        for name in names:
            found[f"/{one}/{block}/{name}"] = dict(base if name == "enabled" else base | enabled)
    found[f"/{one}/global/failureCount"][f"/{one}/global/immediately"] = [False]
    for name in ("recipients", "cc"):
        found[f"/{one}/processing/{name}"][f"/{one}/processing/others"] = [True]
    return found


def _switch(pointer: str) -> Field:
    title = "Different recipients for processing failures"
    choices = [(YES, "Yes"), (NO, "No")]
    return Field(pointer, title, "yesno", default=False, choices=choices, value=NO)


def _worded(form: Form, one: str) -> Form:
    for name, text in _HELP.items():
        form = form.changed(f"/{one}/{name}", help=text)
    for name in ("recipients", "processing/recipients"):
        form = form.changed(f"/{one}/{name}", kind="list", required=True, nullable=False)
    for name in ("cc", "processing/cc"):
        form = form.changed(f"/{one}/{name}", kind="list", nullable=False, help="")
    for name in ("global/enabled", "global/immediately", "processing/beforeMaxRetries"):
        if f"/{one}/{name}" in form:
            form = form.changed(f"/{one}/{name}", help="", required=False)
    choices = _silences(None)
    return form.changed(f"/{one}/global/noActivityMinutes", kind="select", choices=choices)


def _silences(stored: int | None) -> list[tuple[str, str]]:
    known = {*SILENCES} if stored is None else {*SILENCES, stored}
    return [("", "Off"), *((str(one), silence(one)) for one in sorted(known))]


def filled(form: Form, document: Mapping[str, Any] | None, systems: Sequence[str]) -> Form:
    """Return the form with a registration as the API says it, and the mail systems to choose."""
    form = form.changed("/system", choices=[(name, name) for name in systems])
    if systems:
        form = form.changed("/system", value=systems[0])
    for one in (FORWARD, BACKWARD):
        settings = (document or {}).get(one)
        if settings is None or f"/{one}/recipients" not in form:
            continue
        others = settings["processing"]
        apart = others["recipients"] is not None or others["cc"] is not None
        pointer = f"/{one}/processing/others"
        form = form.changed(pointer, value=YES if apart else NO)
        stored = settings["global"]["noActivityMinutes"]
        form = form.changed(f"/{one}/global/noActivityMinutes", choices=_silences(stored))
    return form if document is None else form.with_values(_spelled_out(document))


def _spelled_out(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return it with the recipients that a processing failure has: null means those of global."""
    whole = dict(document)
    for one in (FORWARD, BACKWARD):
        settings = document.get(one)
        if settings is None:
            continue
        apart = dict(settings["processing"])
        for name in ("recipients", "cc"):
            if apart[name] is None:
                apart[name] = settings[name]
        whole[one] = {**settings, "processing": apart}
    return whole


def read(form: Form, typed: Mapping[str, str], *, merging: bool = False) -> dict[str, Any]:
    """Return what was typed as a registration, or as the changes of one (`merging`).

    Without fields for it, both directions are alike.
    """
    document = form.read(typed, merging=merging)
    for one in (FORWARD, BACKWARD):
        settings = document.get(one)
        if settings is None:
            continue
        processing = settings.get("processing", {})
        if not processing.pop("others", True):
            processing |= {"recipients": None, "cc": None}
        block = settings.get("global", {})
        silent = block.get("noActivityMinutes")
        if isinstance(silent, str) and silent.isascii() and silent.isdigit():
            block["noActivityMinutes"] = int(silent[:9])
    return document


def typed_again(form: Form, typed: Mapping[str, str]) -> Form:
    """Return the form with what was typed, also a silence that no list has.

    A backward direction that was not there while it was typed is like the forward one.
    """
    if "backward.recipients" not in typed:
        typed = {**typed, "sameForBackward": YES}
    for pointer, one in form.fields.items():
        value = typed.get(one.name, "")
        listed = pointer.endswith("noActivityMinutes") and value.isascii() and value.isdigit()
        if listed and value not in dict(one.choices):
            form = form.changed(pointer, choices=_silences(int(value[:9])))
    return form.with_typed(typed)


def same(form: Form) -> Form:
    """Return the form with the switch of the backward direction on, as it begins."""
    if "/sameForBackward" not in form:
        return form
    switch = replace(form["/sameForBackward"], value=YES)
    return Form({**form.fields, "/sameForBackward": switch}, form.others)
