"""The Flask extensions, unbound; the factory binds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Table
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Root of all tables."""

    if TYPE_CHECKING:
        # Every model here is mapped to a plain table.
        __table__: ClassVar[Table]


db = SQLAlchemy(model_class=Base)

if TYPE_CHECKING:
    Model = Base
else:
    # Flask-SQLAlchemy makes this class at run time; mypy cannot follow it.
    Model = db.Model
