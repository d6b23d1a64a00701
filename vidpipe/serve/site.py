"""What a page shows, and who may see it: handed to all that answers requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from vidpipe.results.sinks.mjpeg import is_local
from vidpipe.serve.runs import ShownRun
from vidpipe.serve.sessions import Sessions, Tries
from vidpipe.serve.users import NOBODY_ELSE, Person, Users

COOKIE = "vidpipe_session"
STILL_S = 1.0  # between two looks whether who watches still may
_MOST_WATCHED = 64  # answers that go on for as long as somebody watches


@dataclass
class Site:
    """All that one server shows.

    Attributes:
        runs: by name.
        store: events and counts; None: none are kept.
        media: the folders in which pictures and clips of events lie.
        hashing: held while a password is tried: each takes 19 MB.
    """

    runs: Mapping[str, ShownRun]
    store: Path | None
    media: tuple[Path, ...]
    users: Users
    sessions: Sessions = field(default_factory=Sessions)
    tries: Tries = field(default_factory=Tries)
    hashing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    watched: int = 0
    _had_users: bool = False

    @property
    def has_users(self) -> bool:
        """Whether there are users, or were: who removes the last one does not let everybody in."""
        self._had_users = self._had_users or self.users.any
        return self._had_users

    def run(self, name: str | None) -> ShownRun:
        """A run by its name; the only one, where none is given."""
        if name is not None and (run := self.runs.get(name)) is not None:
            return run
        if name is None and len(self.runs) == 1:
            return next(iter(self.runs.values()))
        known = ", ".join(self.runs) or "none"
        raise HTTPException(404, f"there is no such run; there is: {known}" if name else f"say which run: {known}")

    def begin_watching(self) -> None:
        """Count one who watches; raises 503 where too many do."""
        if self.watched >= _MOST_WATCHED:
            raise HTTPException(503, f"{_MOST_WATCHED} watch already", {"Retry-After": "10"})
        self.watched += 1

    def end_watching(self) -> None:
        """One of them does no more."""
        self.watched -= 1


def site_of(request: Request) -> Site:
    """The site that a request is for."""
    site: Site = request.app.state.site
    return site


def person_or_none(request: Request) -> Person | None:
    """Who asks; None: nobody has said so."""
    site = site_of(request)
    if not site.has_users:
        return NOBODY_ELSE if is_here(request) else None
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return site.users.by_token(token.strip())
    name = site.sessions.user(request.cookies.get(COOKIE, ""))
    return None if name is None else site.users.user(name)


def person_of(request: Request) -> Person:
    """Who asks; else 401."""
    person = person_or_none(request)
    if person is None:
        raise HTTPException(401, "sign in, or send a token", {"WWW-Authenticate": "Bearer"})
    return person


class Still:
    """Whether who asked still may, for answers without an end: somebody may be removed, or sign out, meanwhile."""

    def __init__(self, request: Request, person: Person) -> None:
        self._request = request
        self._person = person
        self._looked_at = time.monotonic()

    def __bool__(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at < STILL_S:
            return True
        self._looked_at = now
        return person_or_none(self._request) == self._person


def admin_of(request: Request) -> Person:
    """The same, who may change what runs; else 403."""
    person = person_of(request)
    if person.role != "admin":
        raise HTTPException(403, "only an admin may change what runs")
    return person


def is_here(request: Request) -> bool:
    """Whether somebody at this machine asks, and not one for whom a proxy here asks."""
    return request.client is not None and is_local(request.client.host) and not is_forwarded(request)


def is_forwarded(request: Request) -> bool:
    """Whether a proxy asks, and says so."""
    return bool({"forwarded", "x-forwarded-for", "x-real-ip", "via"} & {*request.headers})


def check_sees(person: Person, stream: str) -> None:
    """Raise 404 where a stream is not theirs to see: whether there is one is not told, either."""
    if not person.sees(stream):
        raise HTTPException(404, "there is no such stream")


SiteOf = Annotated[Site, Depends(site_of)]
PersonOf = Annotated[Person, Depends(person_of)]
AdminOf = Annotated[Person, Depends(admin_of)]
