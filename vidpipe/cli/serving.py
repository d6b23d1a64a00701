"""The subcommand that serves the page without a run of its own: `vidpipe serve`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vidpipe.cli.asking import StoreOption


class RoleName(StrEnum):
    ADMIN = "admin"
    VIEWER = "viewer"


def add_to(app: typer.Typer) -> None:
    """Make it a command of the app."""
    app.command()(serve)


def serve(
    place: Annotated[
        str, typer.Argument(metavar="[ADDRESS:]PORT", help="Where; without an address here only.")
    ] = "8080",
    store: StoreOption = None,
    media: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Where pictures and clips of events lie. Several times.", show_default=False),
    ] = None,
    add_user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Ask for a password, keep the user, and end.", show_default=False),
    ] = None,
    add_token: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Print a token for a program, and end.", show_default=False),
    ] = None,
    remove: Annotated[
        str | None, typer.Option(metavar="NAME", help="Remove that user or token, and end.", show_default=False)
    ] = None,
    role: Annotated[RoleName, typer.Option(help="Of who is added: an admin may change what runs.")] = RoleName.VIEWER,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN", help="Streams that who is added sees. Several times. Default: all.", show_default=False
        ),
    ] = None,
) -> None:
    """Serve the page for a store and for runs that have a name; or say who may look at pages."""
    from vidpipe.cli.commands.serve import add_a_token, add_a_user, remove_user, run_serve

    if add_user is not None:
        status = add_a_user(add_user, role.value, camera or ["*"])
    elif add_token is not None:
        status = add_a_token(add_token, role.value, camera or ["*"])
    elif remove is not None:
        status = remove_user(remove)
    else:
        status = run_serve(place, store, media or [])
    raise typer.Exit(status)
