"""`vidpipe serve`: the page for a store and for runs that have a name, and who may look at it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from vidpipe.cli.runs.messages import ask
from vidpipe.cli.runs.place import Place, places
from vidpipe.core.errors import ConfigError
from vidpipe.results.sinks.http import parse_place
from vidpipe.results.store.file import default_path
from vidpipe.results.store.queries import Store
from vidpipe.serve.page import Server
from vidpipe.serve.runs import ShownRun
from vidpipe.serve.site import Site
from vidpipe.serve.users import LEAST_LENGTH, Role, Users, users_path


def run_serve(place: str, store: Path | None, media: Sequence[Path]) -> int:
    """Serve until a signal comes."""
    path = default_path() if store is None else store
    if store is not None or path.exists():
        Store(path).close()  # what is wrong with it is told now
    site = Site(NamedRuns(), path if path.exists() else None, tuple(media), Users(users_path()))
    server = Server(site, *parse_place(place, "serve"))
    typer.echo(f"page: {server.address}", err=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    server.close()
    return 0


def add_a_user(name: str, role: Role, cameras: Sequence[str]) -> int:
    """Ask for a password, on the terminal or as a line of stdin."""
    if sys.stdin.isatty():
        password = typer.prompt(f"Password of {name} (at least {LEAST_LENGTH} characters)", hide_input=True, err=True)
        if typer.prompt("Again", hide_input=True, err=True) != password:
            raise ConfigError("the two passwords differ; nothing has changed")
    else:
        password = sys.stdin.readline().rstrip("\n")
    users = Users(users_path())
    users.add_user(name, password, role, cameras)
    typer.echo(f"{name} may sign in as {role}; users are kept in {users.path}")
    return 0


def add_a_token(name: str, role: Role, cameras: Sequence[str]) -> int:
    """Print a token; only its hash is kept."""
    typer.echo(Users(users_path()).add_token(name, role, cameras))
    return 0


def remove_user(name: str) -> int:
    """Remove a user or token; who has signed in is out with the next request."""
    Users(users_path()).remove(name)
    typer.echo(f"{name} is removed")
    return 0


class NamedRun(ShownRun):
    """A run of another process, reached as `vidpipe status` and `apply` reach it."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.name)
        self._place = place

    def status(self) -> dict[str, Any]:
        return ask(self._place, {"do": "status"})

    def stages(self) -> list[dict[str, Any]]:
        return [{"id": id, "type": "stage", "tier": ""} for id in self.status()["stages"]]

    def apply(
        self,
        stages: Mapping[str, Mapping[str, Any]],
        streams: Sequence[str] | None,
        *,
        reason: str,
        by: str,
        version: int | None,
    ) -> dict[str, Any]:
        return ask(self._place, {"do": "apply", "stages": stages, "streams": streams, "reason": f"{reason} ({by})"})


class NamedRuns(Mapping[str, ShownRun]):
    """The runs that have a name and go on, as they are at each look."""

    def __getitem__(self, name: str) -> ShownRun:
        for place in places():
            if place.name == name and place.is_running():
                return NamedRun(place)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (place.name for place in places() if place.is_running())

    def __len__(self) -> int:
        return sum(1 for _ in self)
