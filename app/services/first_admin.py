"""The first admin: by a one-time link that the start prints, or from the environment."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from app.clock import utc_now
from app.config import Settings
from app.domain.people import Role
from app.errors import Invalid, NotFound, SettingError
from app.models import Preference
from app.secrets import Secret, hash_key, new_token
from app.services import people
from app.services.installation import Installation
from app.services.sql import insert

ACTOR = "first start"
# Its row among the settings; the underscore keeps it apart from those that people change.
NAME = "_setup_token"
_ROWS = Preference.__table__


def at_start(connection: Connection, settings: Settings) -> str | None:
    """Return the one-time link to print while nobody can sign in; raises SettingError.

    An admin of the environment is made here; where there is a user, it changes nothing.
    """
    if people.there_is_one(connection):
        return None
    if settings.admin_email:
        _of_environment(connection, settings.admin_email, settings.admin_password)
        return None
    token = new_token()
    row = {"value": hash_key(token), "updated_at": utc_now()}
    made = insert(connection, _ROWS).values(name=NAME, **row)
    connection.execute(made.on_conflict_do_update(index_elements=["name"], set_=row))
    return f"{settings.public_url}/setup?token={token}"


def _of_environment(connection: Connection, email: str, password: Secret | None) -> None:
    if password is None:
        raise SettingError("TOCSIN_ADMIN_PASSWORD", "is needed with TOCSIN_ADMIN_EMAIL")
    try:
        fields = people.checked(email, password.reveal(), "", Role.ADMIN)
    except Invalid as error:
        fault = error.faults[0]
        name = "PASSWORD" if fault.pointer == "/password" else "EMAIL"
        raise SettingError(f"TOCSIN_ADMIN_{name}", fault.message) from error
    people.insert(connection, fields, ACTOR)


def is_right(site: Installation, token: str) -> bool:
    """Whether `token` is the one of the latest start, and still to be used."""
    with site.store.reading() as connection:
        kept = connection.scalar(select(_ROWS.c.value).where(_ROWS.c.name == NAME))
        return kept == hash_key(token) and not people.there_is_one(connection)


def make(site: Installation, token: str, email: str, password: str) -> int:
    """Make the first admin and use up the token; return the id. Raises Invalid, NotFound."""
    if not is_right(site, token):
        raise NotFound("This link is used up, or a later start has printed another one.")
    fields = people.checked(email, password, "", Role.ADMIN)
    with site.store.writing() as connection:
        # The row goes first: of two at once, the second one waits here and then finds none.
        gone = connection.execute(
            delete(_ROWS).where(_ROWS.c.name == NAME).execution_options(preserve_rowcount=True)
        )
        if not gone.rowcount or people.there_is_one(connection):
            raise NotFound("This link is used up.")
        return people.insert(connection, fields, ACTOR)
