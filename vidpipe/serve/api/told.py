"""What happens, as it happens: status, events and answers by server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request
from starlette.concurrency import run_in_threadpool

from vidpipe.core.errors import VidpipeError
from vidpipe.results.records import Result
from vidpipe.serve.api.endless import Endless
from vidpipe.serve.api.run import RunName, funnels_for, status_for
from vidpipe.serve.runs import ShownRun
from vidpipe.serve.shots import answer_told
from vidpipe.serve.site import PersonOf, SiteOf, Still
from vidpipe.serve.telling import Telling
from vidpipe.serve.users import Person

router = APIRouter(prefix="/api", tags=["live"])

STATUS_EVERY_S = 1.0
_AGAIN_MS = 2000  # after which a browser connects again

LastId = Annotated[str | None, Header(alias="Last-Event-ID", description="go on behind this one")]


@router.get("/told", response_class=Endless, responses={200: {"content": {"text/event-stream": {}}}})
async def told(
    request: Request,
    site: SiteOf,
    person: PersonOf,
    run: RunName = None,
    answers: Annotated[float, Query(ge=0, le=10, description="of each stream, most a second; 0: none")] = 0,
    after: Annotated[str | None, Query(description="as Last-Event-ID")] = None,
    last_event_id: LastId = None,
) -> Endless:
    """Server-sent events: `status` once a second (with `funnel`), `event` as rules tell them, `answer` of each stream.

    Each `event` has an id; who was away for a while and names the last one gets what was told meanwhile. `gap` says
    that some of it is kept no more: the store has it.
    """
    asked = site.run(run)
    return Endless(
        _all_told(asked, person, last_event_id or after, answers),
        site,
        Still(request, person),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _all_told(run: ShownRun, person: Person, last_id: str | None, answers: float) -> AsyncGenerator[bytes, None]:
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    telling = run.telling or Telling()
    seen, gap = _begin(telling, last_id)
    sent: dict[str, int] = {}
    status_at = answers_at = loop.time()
    telling.listeners.add(changed)
    try:
        yield f"retry: {_AGAIN_MS}\n\n".encode()
        if gap:
            yield _packed("gap", {})
        while True:
            if loop.time() >= status_at:
                status_at = loop.time() + STATUS_EVERY_S
                yield await run_in_threadpool(_status, run, person)
            if answers and loop.time() >= answers_at:
                answers_at = loop.time() + 1 / answers
                for name, result in list(run.answers().items()):
                    if person.sees(name) and sent.get(name) != result.seq:
                        sent[name] = result.seq
                        yield _packed("answer", _answer(result))
            changed.clear()
            fresh, gap = telling.since(seen)
            if gap:
                yield _packed("gap", {})
            for each in fresh:
                seen = each.number
                if person.sees(str(each.event["stream"])):
                    # An alarm's id names its camera, which may not be theirs to see.
                    event = each.event if person.sees_all else {**each.event, "joins": None}
                    yield _packed("event", event, telling.id_of(each.number))
            due = min(status_at, answers_at) if answers else status_at
            try:
                async with asyncio.timeout_at(due):
                    await changed.wait()
            except TimeoutError:
                pass
    finally:
        telling.listeners.discard(changed)


def _begin(telling: Telling, last_id: str | None) -> tuple[int, bool]:
    """Behind which event to begin, and whether some may be missing before it."""
    if last_id is None:
        return telling.newest, False
    number = telling.number_of(last_id)
    return (telling.newest, True) if number is None else (min(number, telling.newest), False)


def _status(run: ShownRun, person: Person) -> bytes:
    try:
        return _packed("status", status_for(run, person) | {"funnel": funnels_for(run, person)})
    except (VidpipeError, HTTPException) as error:
        return _packed("away", {"error": str(error)})


def _answer(result: Result) -> dict[str, Any]:
    place = {"stream": result.stream, "seq": result.seq, "pts": round(result.pts, 3), "at": result.captured_at}
    return place | {"size": result.size, **answer_told(result.answer)}


def _packed(kind: str, told: Mapping[str, Any], id: str | None = None) -> bytes:
    text = f"event: {kind}\n" + (f"id: {id}\n" if id is not None else "")
    return f"{text}data: {json.dumps(told)}\n\n".encode()
