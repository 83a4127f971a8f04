"""The command line: `flask tocsin …`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from flask import Flask
from flask.cli import AppGroup

from app.errors import TocsinError
from app.logs import one_line
from app.services import api_keys, invariants
from app.services.installation import installation

P = ParamSpec("P")
T = TypeVar("T")

ACTOR = "command line"
group = AppGroup("tocsin", help="Work on this installation of Tocsin.")
keys = AppGroup("api-key", help="Keys of the HTTP interface.")
group.add_command(keys)


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
