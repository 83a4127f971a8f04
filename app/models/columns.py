"""Column shapes that several tables share."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from sqlalchemy import JSON, Dialect, String
from sqlalchemy.orm import mapped_column
from sqlalchemy.types import TypeDecorator

from app.storage import Id, UtcTime

Key = Annotated[int, mapped_column(Id, primary_key=True, autoincrement=True)]
BigId = Annotated[int, mapped_column(Id)]
MaybeId = Annotated[int | None, mapped_column(Id)]
Time = Annotated[datetime, mapped_column(UtcTime)]
MaybeTime = Annotated[datetime | None, mapped_column(UtcTime)]
Document = Annotated[dict[str, Any], mapped_column(JSON)]
Words = Annotated[list[str], mapped_column(JSON)]
MaybeWords = Annotated[list[str] | None, mapped_column(JSON(none_as_null=True))]
MaybeDocument = Annotated[dict[str, Any] | None, mapped_column(JSON(none_as_null=True))]

GROWING = {"sqlite_autoincrement": True}


E = TypeVar("E", bound=StrEnum)


class Word(TypeDecorator[E]):
    """A StrEnum kept as its text, so that a new word needs no migration."""

    impl = String
    cache_ok = True

    def __init__(self, words: type[E], length: int = 24) -> None:
        super().__init__(length)
        self.words = words

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        """Store the text; a text that is no word of ours is refused here."""
        return None if value is None else str(self.words(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        """Read the word."""
        return None if value is None else self.words(value)
