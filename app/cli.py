"""The command line: `flask tocsin …`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from flask import Flask
from flask.cli import AppGroup

from app.domain.people import Role
from app.errors import TocsinError
from app.logs import one_line
from app.services import api_keys, invariants, people
from app.services.installation import installation

P = ParamSpec("P")
T = TypeVar("T")

ACTOR = "command line"
group = AppGroup("tocsin", help="Work on this installation of Tocsin.")
keys = AppGroup("api-key", help="Keys of the HTTP interface.")
users = AppGroup("user", help="People who sign in; the way back in when no admin can.")
group.add_command(keys)
group.add_command(users)


def register(app: Flask) -> None:
    """Add the commands to `app`."""
    app.cli.add_command(group)


def _told(command: Callable[P, T]) -> Callable[P, T]:
    """Tell an error of ours as one line, with exit code 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except TocsinError as error:
            raise click.ClickException(one_line(str(error))) from error

    return run


@group.command("check")
@_told
def check() -> None:
    """Test what must be true of the database at any quiet moment; exit code 1 when it is not."""
    violations = invariants.check(installation())
    for found in violations:
        ids = ", ".join(map(str, found.ids))
        more = ", ..." if found.count > len(found.ids) else ""
        click.echo(one_line(f"not true of {found.count:,}: {found.text} (ids {ids}{more})"))
    click.echo(f"{len(violations)} violations")
    if violations:
        raise click.exceptions.Exit(1)


@keys.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in api_keys.Scope]),
    help="What the key may do; may be repeated.",
)
@click.option("--integration", help="The only integration that a key of scope report may name.")
@_told
def create_key(name: str, scopes: Sequence[str], integration: str | None) -> None:
    """Make a key called NAME and print it, for the only time."""
    key = api_keys.create(installation(), name, scopes, integration, actor=ACTOR)
    click.echo(key.reveal())


@keys.command("list")
@_told
def list_keys() -> None:
    """List the keys, newest first; the keys themselves are not known any more."""
    for row in api_keys.listing(installation()):
        state = f"revoked {row.revoked_at:%Y-%m-%d %H:%M} UTC" if row.revoked_at else "valid"
        limit = f" for {row.integration_key}" if row.integration_key else ""
        click.echo(one_line(f"{row.name}  {','.join(row.scopes)}{limit}  {state}"))


@keys.command("revoke")
@click.argument("name")
@_told
def revoke_key(name: str) -> None:
    """Revoke the key called NAME; within a second no process takes it any more."""
    api_keys.revoke(installation(), name, actor=ACTOR)
    click.echo(f"Revoked: {one_line(name)}")


def _read_password() -> str:
    """Return one line of standard input, so that it stands in no list of processes."""
    return sys.stdin.readline().rstrip("\r\n")


@users.command("add")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value)
@_told
def add_user(email: str, role: str) -> None:
    """Make a user with that EMAIL; the password is read from standard input, as one line."""
    password = _read_password()
    people.create(installation(), email=email, password=password, role=role, actor=ACTOR)
    click.echo(f"Made: {one_line(email)}, {role}")


@users.command("password")
@click.argument("email")
@_told
def set_password(email: str) -> None:
    """Give the user a new password, read from standard input; their sessions end."""
    site = installation()
    user = people.by_email(site, email)
    people.set_password(site, user.id, _read_password(), actor=ACTOR)
    click.echo(f"Changed: {one_line(user.email)}")


@users.command("list")
@_told
def list_users() -> None:
    """List the users."""
    for user in people.listing(installation()):
        state = "disabled" if user.disabled_at else "enabled"
        click.echo(one_line(f"{user.email}  {user.role}  {state}"))
