"""Forms derived from the shapes that validate them: the API and the screens refuse alike.

    form = Form.of(SystemBody.options, "/options", document)
    document = form.read(request.form)      # JSON, for the same shape
    form.with_values(...).with_faults(...)

A field is named by its JSON pointer: what a service refuses stands at its field by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import BaseModel

from app.errors import Conflict, Fault, Invalid, Stale
from app.pages import derived, rows, slots
from app.pages.fields import Field

Typed = Mapping[str, str]
T = TypeVar("T")
SEEN = "seen-version"
ABSENT = "none"
CHANGED = (
    "Somebody else has saved this while the form was open. What you typed is kept here: save again "
    "to put it in place of theirs, or open the page anew to see what they saved"
)


@dataclass(frozen=True)
class Form:
    """The fields of a form by pointer, and what was wrong with what no field is for."""

    fields: Mapping[str, Field]
    others: Sequence[str] = field(default=())

    @classmethod
    def of(
        cls,
        shape: type[BaseModel],
        base: str = "",
        shown: Mapping[str, Mapping[str, Sequence[Any]]] | None = None,
        extra: Sequence[Field] = (),
    ) -> Form:
        """Return the empty form of `shape`, its pointers under `base`.

        `shown` adds to the shape's own conditions: pointer → {pointer: values that show it}.
        `extra` are fields that only the form has; what reads the form takes them out.
        """
        found = [*extra, *derived.derive(shape, base)]
        conditions = dict(shown or {})
        for one in found:
            conditions.setdefault(one.pointer, one.shown_when)
        return cls(slots.with_slots(found, conditions))

    @classmethod
    def made(cls, *fields_: Field) -> Form:
        """Return a form of fields made by hand, for what no shape describes."""
        return cls(slots.with_slots(fields_, {one.pointer: one.shown_when for one in fields_}))

    def __getitem__(self, pointer: str) -> Field:
        return self.fields[pointer]

    def __contains__(self, pointer: str) -> bool:
        return pointer in self.fields

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields.values())

    def joined(self, other: Form) -> Form:
        """Return both forms as one."""
        return Form({**self.fields, **other.fields}, (*self.others, *other.others))

    def only(self, pointers: Iterable[str]) -> Form:
        """Return the form of some fields, in their order."""
        return Form({pointer: self.fields[pointer] for pointer in pointers}, self.others)

    def changed(self, pointer: str, **values: Any) -> Form:
        """Return the form with a field that says something else (title, help, choices, …)."""
        return Form({**self.fields, pointer: replace(self.fields[pointer], **values)}, self.others)

    def with_values(self, document: Mapping[str, Any], base: str = "") -> Form:
        """Return the form filled with `document`; what it leaves out keeps its default."""
        return Form(
            {p: rows.filled(one, document, base) for p, one in self.fields.items()}, self.others
        )

    def with_typed(self, typed: Typed) -> Form:
        """Return the form with what was typed, right or wrong; secrets are never shown again."""
        return Form({p: rows.typed(one, typed) for p, one in self.fields.items()}, self.others)

    def with_faults(self, faults: Iterable[Fault]) -> Form:
        """Return the form with each fault at its field, the rest in `others`."""
        marked, others = dict(self.fields), list(self.others)
        for fault in faults:
            pointer = _nearest(marked, fault.pointer)
            if pointer is None:
                named = fault.pointer.strip("/").replace("/", " ")
                others.append(sentence(f"{named} {fault.message}".strip()))
            elif marked[pointer].error is None:
                one = marked[pointer]
                place = fault.pointer.removeprefix(pointer).strip("/").split("/")[0]
                where = f" (row {int(place) + 1})" if one.columns and place.isdigit() else ""
                empty = one.required and one.kind == "text" and not one.value.strip()
                said = "is required" if empty else fault.message
                marked[pointer] = replace(one, error=sentence(f"{one.title}{where} {said}"))
        return Form(marked, tuple(others))

    @property
    def faulty(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.others) or any(one.error for one in self)

    def read(self, typed: Typed, *, merging: bool = False) -> dict[str, Any]:
        """Return what was typed as the document that the shape validates.

        A field that its conditions hide is left out, whatever was sent for it; a number that is
        none stays the text that it is, so that the shape names the range. An emptied field with a
        default is left out, too; `merging`, into what is stored (RFC 7396): it is null there.
        """
        document: dict[str, Any] = {}
        for one in self:
            if one.hidden(self.fields, typed):
                continue
            given, value = rows.read(one, typed)
            if given:
                _put(document, one.pointer, value)
            elif merging and one.emptied(typed):
                _put(document, one.pointer, None)
        for group in dict.fromkeys(one.group for one in self if one.group):
            needed = [one.pointer for one in self if one.group == group and one.needed]
            if all(_at(document, pointer) in (None, "") for pointer in needed):
                _put(document, group, None)
        return document


def tried(form: Form, typed: Typed, work: Callable[[], T]) -> tuple[T | None, Form]:
    """Return what `work` returns and the form, or None and the form with what was refused.

    The typed values stay in it. Other errors than those of an input go on to the screen.
    """
    try:
        return work(), form
    except Invalid as error:
        return None, form.with_typed(typed).with_faults(error.faults)
    except (Conflict, Stale) as error:
        return None, form.with_typed(typed).with_faults([Fault("", str(error))])


def unchanged(typed: Typed) -> Callable[[str | None], None]:
    """Return the condition that nobody has saved since the form was made; it raises Stale.

    The form carries the version that it was made from: `forms.seen(version)` in the template. The
    version of what is not there is None.
    """
    seen = typed.get(SEEN)

    def check(version: str | None) -> None:
        if seen and seen != (version or ABSENT):
            raise Stale(CHANGED)

    return check


def seen(form: Form, typed: Typed, current: str | None) -> str:
    """Return the version that a form carries: the one it began with, until it told of another."""
    told = sentence(CHANGED) in form.others
    return (not told and typed.get(SEEN)) or current or ABSENT


def sentence(text: str) -> str:
    """Return `text` as a sentence: a capital at its beginning, a stop at its end."""
    whole = text[:1].upper() + text[1:]
    return whole if whole.endswith((".", "?", "!")) else f"{whole}."


def _put(document: dict[str, Any], pointer: str, value: Any) -> None:
    *parents, last = pointer.strip("/").split("/")
    for parent in parents:
        document = document.setdefault(parent, {})
    document[last] = value


def _at(document: Mapping[str, Any], pointer: str) -> Any:
    found: Any = document
    for part in pointer.strip("/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _nearest(marked: Mapping[str, Field], pointer: str) -> str | None:
    """Return the field of `pointer`, or the one that it stands in (an item of a list)."""
    while pointer:
        if pointer in marked:
            return pointer
        pointer = pointer.rpartition("/")[0]
    return None
