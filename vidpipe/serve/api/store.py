"""What happened: events, reviews and counts of the store, pictures and clips of events."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import FileResponse

from vidpipe.core.errors import ConfigError
from vidpipe.media.folder import is_ours
from vidpipe.results.store.queries import Row, Store
from vidpipe.serve.site import PersonOf, Site, SiteOf, is_here
from vidpipe.serve.users import Person

router = APIRouter(prefix="/api", tags=["store"])

Since = Annotated[float | None, Query(ge=0, le=1e11, description="UTC seconds")]
Until = Annotated[float | None, Query(ge=0, le=1e11, description="UTC seconds, not included")]
Name = Annotated[str | None, Query(max_length=500)]
Class = Annotated[str | None, Query(alias="class", max_length=500)]
Severity = Literal["alert", "notice"] | None
Most = Annotated[int, Query(ge=1, le=500, description="of a page")]
EventId = Annotated[str, Query(description="`id` of an event", max_length=2000)]
Every = Annotated[int, Query(ge=60, le=31 * 86_400, multiple_of=60, description="seconds that a row stands for")]
_KINDS = {".jpg": "image/jpeg", ".mp4": "video/mp4", ".mkv": "video/x-matroska"}


@router.get("/events")
def events(
    site: SiteOf,
    person: PersonOf,
    since: Since = None,
    until: Until = None,
    stream: Name = None,
    class_: Class = None,
    zone: Name = None,
    line: Name = None,
    kind: Name = None,
    rule: Name = None,
    severity: Severity = None,
    review: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    unended: bool = False,
    most: Most = 100,
) -> dict[str, Any]:
    """Events, newest first; `further`: cameras whose events join it. `next` is the `until` of the page behind; null:
    there is none."""
    named = {"class_": class_, "zone": zone, "line": line, "kind": kind, "rule": rule, "severity": severity}
    with closing(store_of(site)) as store:

        def ask(stream: str | None, since: float | None, until: float | None, newest: int | None) -> Iterator[Row]:
            times = {"since": since, "until": until, "newest": newest}
            return store.events(stream=stream, review=review, unended=unended, **named, **times)  # type: ignore[arg-type]

        rows, following = paged(ask, streams_of(store, person, stream), "time", since, until, most)
        return {"events": [shown_event(store, person, row) for row in rows], "next": following}


@router.get("/reviews")
def reviews(
    site: SiteOf,
    person: PersonOf,
    since: Since = None,
    until: Until = None,
    stream: Name = None,
    severity: Severity = None,
    most: Most = 100,
) -> dict[str, Any]:
    """Reviews, newest first, each with its first event that has a picture. `further`: cameras whose events join one of
    its events; `joins`: id of another camera's alarm that all of its events join. `next` as of events."""
    with closing(store_of(site)) as store:

        def ask(stream: str | None, since: float | None, until: float | None, newest: int | None) -> Iterator[Row]:
            return iter(store.reviews(stream=stream, severity=severity, since=since, until=until, newest=newest))

        rows, following = paged(ask, streams_of(store, person, stream), "began", since, until, most)
        for row in rows:
            shown = [event for event in store.events(review=row["id"], newest=20) if event["snapshot"]]
            row["picture"] = shown[0]["id"] if shown else None
        rows = [_seen_by(store, person, row) for row in rows]
    return {"reviews": rows, "next": following}


@router.get("/verdicts")
def verdicts(
    site: SiteOf, person: PersonOf, since: Since = None, until: Until = None, stream: Name = None, most: Most = 100
) -> dict[str, Any]:
    """What people said of audits, of all runs, newest first: that the last stage was wrong in them. `at`: when they
    said it, `by`: who, `run`: when that began, `stage` whose answer was audited, `seq` and `frame_at` of the frame,
    `missed` and `false`: what the audit had counted. `next` as of events."""
    with closing(store_of(site)) as store:

        def ask(stream: str | None, since: float | None, until: float | None, newest: int | None) -> Iterator[Row]:
            return iter(store.verdicts(stream=stream, since=since, until=until))

        rows, following = paged(ask, streams_of(store, person, stream), "at", since, until, most)
    return {"verdicts": rows, "next": following}


@router.get("/counts")
def counts(
    site: SiteOf,
    person: PersonOf,
    since: Since = None,
    until: Until = None,
    stream: Name = None,
    class_: Class = None,
    every: Every = 3600,
    most: Most = 100,
) -> dict[str, Any]:
    """How many of each class were in view, by time and stream, newest first. `next` as of events."""
    with closing(store_of(site)) as store:

        def ask(stream: str | None, since: float | None, until: float | None, newest: int | None) -> Iterator[Row]:
            times = {"since": since, "until": until}
            return iter(store.counts(stream=stream, class_=class_, every_s=every, newest=newest, **times))

        rows, following = paged(ask, streams_of(store, person, stream), "time", since, until, most)
    return {"counts": rows, "next": following}


@router.get("/event-counts")
def event_counts(
    site: SiteOf,
    person: PersonOf,
    since: Since = None,
    until: Until = None,
    stream: Name = None,
    kind: Name = None,
    rule: Name = None,
    every: Every = 3600,
    most: Most = 100,
) -> dict[str, Any]:
    """How many events began, by time, stream, kind, zone, line, direction and class, newest first. `next` as of
    events."""
    with closing(store_of(site)) as store:

        def ask(stream: str | None, since: float | None, until: float | None, newest: int | None) -> Iterator[Row]:
            named = {"stream": stream, "kind": kind, "rule": rule}
            return iter(store.event_counts(since=since, until=until, every_s=every, newest=newest, **named))

        rows, following = paged(ask, streams_of(store, person, stream), "time", since, until, most)
    return {"counts": rows, "next": following}


@router.get("/event")
def event(id: EventId, site: SiteOf, person: PersonOf) -> dict[str, Any]:
    """An event, by its id."""
    with closing(store_of(site)) as store:
        return shown_event(store, person, event_of(store, person, id))


@router.get("/alike")
def alike(
    id: EventId,
    site: SiteOf,
    person: PersonOf,
    since: Since = None,
    until: Until = None,
    most: Annotated[int, Query(ge=1, le=100)] = 24,
) -> dict[str, Any]:
    """Events of objects that look like that of an event, over all cameras, most alike first, with their `likeness`: the
    cosine of what both look like, -1 to 1. Of runs whose boxes `describe` has described."""
    with closing(store_of(site)) as store:
        event_of(store, person, id)
        try:
            rows = store.alike(id, since=since, until=until, most=most if person.sees_all else 10 * most)
        except ConfigError as error:  # nobody has described that object, or some were described by another model
            raise HTTPException(404, str(error)) from None
        return {"events": [shown_event(store, person, row) for row in rows if person.sees(row["stream"])][:most]}


@router.get("/cameras/graph")
def camera_graph(site: SiteOf, person: PersonOf, since: Since = None, class_: Class = None) -> dict[str, Any]:
    """Where those who leave a camera are seen next, after how many seconds, and cameras whose clocks seem to differ;
    of runs whose boxes `describe` has described. Paths of cameras that one may not see are left out."""
    from vidpipe.across.tracks import learn, read

    if site.store is None:
        raise HTTPException(404, "nothing is kept: run with --store FILE.db")
    try:
        learnt = learn(read(site.store, since=since, class_=class_))
    except ConfigError as error:  # a page is nobody's who may know where files lie
        raise HTTPException(404, str(error).replace(str(site.store), site.store.name)) from None
    return {
        "cameras": [name for name in learnt.graph.cameras if person.sees(name)],
        "paths": [path.as_json() for path in learnt.graph.paths() if person.sees(path.begin) and person.sees(path.end)],
        "clocks": [str(each) for each in learnt.suspicions if person.sees(each.first) and person.sees(each.second)],
        "unclear": learnt.unclear,
    }


@router.get("/event/picture", response_class=FileResponse)
def picture(id: EventId, request: Request, site: SiteOf, person: PersonOf) -> FileResponse:
    """The best picture of an event's object."""
    return _file(site, person, request, id, "snapshot")


@router.get("/event/clip", response_class=FileResponse)
def clip(id: EventId, request: Request, site: SiteOf, person: PersonOf) -> FileResponse:
    """The clip of an event; parts of it, where they are asked for."""
    return _file(site, person, request, id, "clip")


def store_of(site: Site) -> Store:
    """The store of a page, to be closed; raises 404 where nothing is kept."""
    if site.store is None:
        raise HTTPException(404, "nothing is kept: run with --store FILE.db")
    return Store(site.store)


def streams_of(store: Store, person: Person, asked: str | None) -> list[str | None]:
    """Streams to ask about; [None]: all at once."""
    if asked is not None:
        return [asked] if person.sees(asked) else []
    if person.sees_all:
        return [None]
    return sorted({stream for run in store.runs() for stream in run["positions"] if person.sees(stream)})


def paged(
    ask: Callable[[str | None, float | None, float | None, int | None], Iterator[Row]],
    streams: list[str | None],
    time: str,
    since: float | None,
    until: float | None,
    most: int,
) -> tuple[list[Row], float | None]:
    """The newest rows, newest first, and where the next page ends.

    A page ends between two times, as the next one is asked for by a time: what happened at one moment is on one page.
    """

    def newest(since: float | None, until: float | None, count: int | None) -> list[Row]:
        rows = [row for stream in streams for row in ask(stream, since, until, count)]
        return sorted(rows, key=lambda row: row[time], reverse=True)

    rows = newest(since, until, most + 1)[: most + 1]  # of counts there may be more: those of whole times
    if len(rows) <= most:
        return rows, None
    cut = rows[-1][time]
    page = [row for row in rows if row[time] > cut]
    if page:
        return page, math.nextafter(cut, math.inf)
    page = [row for row in newest(cut, math.nextafter(cut, math.inf), None) if row[time] == cut]
    return page, cut


def _staying(store: Store, site: Site) -> set[str]:
    """Streams whose pictures may not leave this machine, by a run that is shown, or one that the store knows."""
    streams = [run["provenance"].get("streams", {}) for run in store.runs()]
    stored = {name for told in streams for name, stream in told.items() if stream.get("leaves_device") == "never"}
    return stored.union(*(run.staying() for run in site.runs.values()))


def event_of(store: Store, person: Person, id: str) -> Row:
    """An event that a person may see; raises 404 where there is none."""
    row = store.event(id)
    if row is None or not person.sees(row["stream"]):
        raise HTTPException(404, "there is no such event")
    return row


def shown_event(store: Store, person: Person, row: Row) -> Row:
    """An event without where its files lie: they are asked for by its id."""
    return _seen_by(store, person, row) | {name: bool(row[name]) for name in ("snapshot", "clip")}


def _seen_by(store: Store, person: Person, row: Row) -> Row:
    """An event or a review without cameras that are not the person's to see."""
    joins = row["joins"]
    if joins is not None and not person.sees_all:
        alarm = store.event(joins)
        joins = joins if alarm is not None and person.sees(alarm["stream"]) else None
    return row | {"joins": joins, "further": sorted(name for name in row["further"] if person.sees(name))}


def _file(site: Site, person: Person, request: Request, id: str, what: str) -> FileResponse:
    """A file that an event names, where it lies in a folder of pictures and clips and has such a name."""
    with closing(store_of(site)) as store:
        row = event_of(store, person, id)
        stays = row["stream"] in _staying(store, site)
    if stays and not is_here(request):
        raise HTTPException(403, f"pictures of {row['stream']} do not leave that machine: `leaves_device` says never")
    if not row[what]:
        raise HTTPException(404, f"that event has no {'picture' if what == 'snapshot' else what}")
    path = Path(row[what]).resolve()
    inside = any(path.is_relative_to(folder.resolve()) for folder in site.media)
    if not inside or not is_ours(path.name):
        raise HTTPException(404, "it does not lie in the media folder of this page: name that by --media")
    if not path.is_file():
        raise HTTPException(404, "it is not there yet, or no more")
    return FileResponse(path, media_type=_KINDS[path.suffix])
