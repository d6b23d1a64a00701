"""Events of a user's own: moments marked as examples, questions that are answered, and how often each errs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from vidpipe.core.errors import ConfigError
from vidpipe.core.event import REVIEW
from vidpipe.results.store import marks as kept
from vidpipe.results.store.marks import Mark
from vidpipe.results.store.queries import Row
from vidpipe.serve.api.run import by_of, run_with
from vidpipe.serve.api.store import Most, Name, Since, Until, event_of, paged, shown_event, store_of, streams_of
from vidpipe.serve.runs import ElsewhereError
from vidpipe.serve.site import AdminOf, PersonOf, Site, SiteOf
from vidpipe.serve.users import Person
from vidpipe.teaching.examples import MOMENT_S

router = APIRouter(prefix="/api", tags=["marks"])

EventName = Annotated[str, Field(min_length=1, max_length=200, description="name of the event of one's own")]
Pts = Annotated[float | None, Field(ge=0, le=1e9, description="media seconds, as `pts` of answers")]


class MarkAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    event: EventName
    yes: Annotated[bool, Field(description="whether it is the event")]
    id: Annotated[
        str | None, Field(max_length=2000, description="of an event in the store: its time is the moment")
    ] = None
    run: Annotated[str | None, Field(description="name of a run; the only one, where none is given")] = None
    stream: Annotated[str | None, Field(description="in place of `id`: of that run, from `begin` to `end`")] = None
    begin: Pts = None
    end: Pts = None


class UnmarkAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mark: Annotated[int, Field(ge=0, lt=2**63, description="`id` of a mark")]


@router.post("/mark")
def mark(asked: MarkAsked, site: SiteOf, person: AdminOf) -> dict[str, Any]:
    """Say that a moment is an event of one's own, or is not: an example for `vidpipe teach`.

    The moment is that of an event in the store (`id`), or goes from `begin` to `end` of `stream`. What was said of the
    very same moment before is replaced. Where the event is a question (`learnt.review`) about the same event of one's
    own, this answers it. `question` and `said` as of marks.
    """
    store_of(site).close()
    assert site.store is not None
    made = _of_event(site, person, asked, asked.id) if asked.id is not None else _of_stream(site, person, asked)
    kept.keep(site.store, made)
    return {name: value for name, value in made._asdict().items() if name not in ("at", "classifier")}


@router.post("/unmark")
def unmark(asked: UnmarkAsked, site: SiteOf, person: AdminOf) -> dict[str, Any]:
    """Take a mark back."""
    with closing(store_of(site)) as store:
        if not any(row["id"] == asked.mark and person.sees(row["stream"]) for row in store.marks()):
            raise HTTPException(404, "there is no such mark")
    assert site.store is not None
    kept.take_back(site.store, asked.mark)
    return {"mark": asked.mark}


@router.get("/marks")
def marks(
    site: SiteOf,
    person: PersonOf,
    event: Name = None,
    since: Since = None,
    until: Until = None,
    stream: Name = None,
    most: Most = 100,
) -> dict[str, Any]:
    """What people said of moments, of all runs, newest first: `id`, `at` when they said it, `by` whom, `run`: when that
    began, `stream`, `event` of their own, `began` and `ended` (media seconds), `yes`; of answers to questions
    `question`: id of the event that asked, `said`: whether it was told there, `classifier`: which one was asked about.
    `next` as of events."""
    with closing(store_of(site)) as store:

        def ask(stream: str | None, since: float | None, until: float | None, newest: int | None) -> Iterator[Row]:
            return iter(store.marks(event=event, stream=stream, since=since, until=until))

        rows, following = paged(ask, streams_of(store, person, stream), "at", since, until, most)
    return {"marks": rows, "next": following}


@router.get("/questions")
def questions(
    site: SiteOf,
    person: PersonOf,
    event: Annotated[str, Query(min_length=1, max_length=200, description="an event of one's own")],
    since: Since = None,
    until: Until = None,
    stream: Name = None,
    most: Most = 20,
) -> dict[str, Any]:
    """Questions about an event of one's own that nobody has answered, newest first: events of kind `learnt.review`, as
    of events. Chance has chosen them: answered in this order, or any that does not go by what they show, they tell how
    often the event errs. `next` as of events."""
    with closing(store_of(site)) as store:

        def ask(stream: str | None, since: float | None, until: float | None, newest: int | None) -> Iterator[Row]:
            return store.questions(event, stream=stream, since=since, until=until, newest=newest)

        rows, following = paged(ask, streams_of(store, person, stream), "time", since, until, most)
        return {"questions": [shown_event(store, person, row) for row in rows], "next": following}


@router.get("/taught")
def taught(site: SiteOf, person: PersonOf) -> list[dict[str, Any]]:
    """Events of one's own that somebody has marked, or that a question was asked about: `event`, how many marks say
    `yes` and `no`, and how many of these are answers to questions (`answered`). How often each errs is in the status of
    a run (`taught` of a stream)."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"yes": 0, "no": 0, "answered": 0})
    with closing(store_of(site)) as store:
        for row in store.events(kind=REVIEW, newest=500):
            if person.sees(row["stream"]) and row.get("event"):
                counts[row["event"]]["yes"] += 0
        for row in store.marks():
            if person.sees(row["stream"]):
                own = counts[row["event"]]
                own["yes" if row["yes"] else "no"] += 1
                own["answered"] += row["question"] is not None
    return [{"event": event, **own} for event, own in sorted(counts.items())]


def _of_event(site: Site, person: Person, asked: MarkAsked, id: str) -> Mark:
    """The time of an event in the store; of what has no duration a second to each side."""
    if asked.stream is not None or asked.begin is not None or asked.end is not None:
        raise ConfigError("`id` says which moment it is: leave out `stream`, `begin` and `end`")
    with closing(store_of(site)) as store:
        row, run = event_of(store, person, id), store.run_of(id)
    assert run is not None
    end = row["pts"] if row.get("ended_pts") is None else row["ended_pts"]
    begin = row.get("started_pts")
    if begin is None:
        begin = end - (row["lasted_s"] or 0.0)
    if end <= begin:
        begin, end = max(begin - MOMENT_S, 0.0), end + MOMENT_S
    asks = row["kind"] == REVIEW and row.get("event") == asked.event
    question = (id, bool(row["said"]), row.get("classifier")) if asks else (None, None, None)
    place = time.time(), run, row["stream"], asked.event, begin, end
    return Mark(*place, asked.yes, by_of(person), *question)


def _of_stream(site: Site, person: Person, asked: MarkAsked) -> Mark:
    """A time of a run of this process."""
    if asked.stream is None or asked.begin is None or asked.end is None:
        raise ConfigError("say which moment: the `id` of an event, or `stream`, `begin` and `end`")
    if asked.end <= asked.begin:
        raise ConfigError(f"it ends at {asked.end:g} s, which is not after {asked.begin:g} s")
    run = run_with(site.run(asked.run), person, asked.stream)
    if not run.begun:
        raise ElsewhereError(f"run {run.name} is of another process: mark it on the page that it serves by --serve")
    newest = run.answers().get(asked.stream)
    if newest is None or asked.end > newest.pts + MOMENT_S:
        known = "there is none yet" if newest is None else f"the newest is of {newest.pts:.1f} s"
        raise ConfigError(f"{asked.end:g} s is behind the newest answer of {asked.stream}: {known}")
    place = time.time(), run.begun, asked.stream, asked.event, asked.begin, asked.end
    return Mark(*place, asked.yes, by_of(person))
