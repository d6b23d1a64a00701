"""Runs: how they fare, who answers, what it costs; and what may be changed of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from vidpipe.serve.funnel import cost, funnel
from vidpipe.serve.runs import ShownRun
from vidpipe.serve.site import AdminOf, PersonOf, SiteOf, check_sees
from vidpipe.serve.users import Person

router = APIRouter(prefix="/api", tags=["runs"])

RunName = Annotated[str | None, Query(description="name of a run; the only one, where none is given")]
StreamName = Annotated[str, Query(description="name of a stream")]
Reason = Annotated[str, Field(max_length=500, description="why, for the report")]
Version = Annotated[
    int | None,
    Field(ge=0, description="that the change is made from: 409 where somebody else has changed the same thing since"),
]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    run: Annotated[str | None, Field(description="name of a run; the only one, where none is given")] = None


class SettingsChange(_Asked):
    stages: Annotated[dict[str, dict[str, Any]], Field(description="new values, by stage id and field")]
    streams: Annotated[list[str] | None, Field(description="whose settings change; null: of all")] = None
    reason: Reason = ""
    version: Version = None


class RulesEdit(_Asked):
    stream: str
    add: Annotated[dict[str, Any] | None, Field(description="`rules` a list, `zones` and `lines` by name")] = None
    change: Annotated[dict[str, Any] | None, Field(description="the same, whole, of what is there")] = None
    remove: Annotated[dict[str, list[str]] | None, Field(description="ids of rules, names of zones, lines")] = None
    reason: Reason = ""
    version: Version = None


class StreamAsked(_Asked):
    stream: str


class StageAsked(StreamAsked):
    stage: Annotated[str, Field(description="id of a stage")]


class Verdict(StageAsked):
    seq: Annotated[int, Field(ge=0, description="of the frame that was audited")]


@router.get("/runs")
def runs(site: SiteOf, person: PersonOf) -> list[dict[str, Any]]:
    """All runs that are shown."""
    return [{"name": name, "here": run.gallery is not None} for name, run in site.runs.items()]


@router.get("/status")
def status(site: SiteOf, person: PersonOf, run: RunName = None) -> dict[str, Any]:
    """How a run fares: what `vidpipe status --json` prints, of the streams that one may see."""
    return status_for(site.run(run), person)


@router.get("/machinery")
def machinery(site: SiteOf, person: PersonOf, run: RunName = None) -> dict[str, Any]:
    """The machines and processes of a run, as of a second or so ago; of `status`, `machines` and `processes` alone.

    A machine: `name`, `address`, `tiers`, `site`, `away_since` (UTC seconds; null: it is there), `cores`, `cpu` (share
    of them in use, 0..1), `memory_bytes` and `memory_used_bytes` (null where no process of the run tells), `gpus` and
    `free_gpus`. A process: `name` (what runs there), `kind` (driver, actor, standby), `state` (starting, running,
    silent, away), `tier`, `site`, `machine`, `pid`, `streams` that it reads, `deaths` so far, `silent_s` since its last
    word, `cpu_s`, `memory_bytes`.
    """
    told = status_for(site.run(run), person)
    return {part: told.get(part, []) for part in ("machines", "processes")}


@router.get("/funnel")
def funnels(site: SiteOf, person: PersonOf, run: RunName = None) -> dict[str, Any]:
    """Who answers each stream's frames, with what audits found of it; and the cost of all, against all frames."""
    return funnels_for(site.run(run), person)


@router.get("/plan")
def plan(site: SiteOf, person: PersonOf, run: RunName = None) -> dict[str, Any]:
    """The segments that the run consists of, and the links between them with what has crossed them."""
    asked = site.run(run)
    laid, counts = asked.plan(), asked.status()["links"]
    return {**laid, "links": [link | counts.get(link["name"], {}) for link in laid["links"]]}


@router.get("/missed")
def missed(stream: StreamName, site: SiteOf, person: PersonOf, run: RunName = None) -> list[dict[str, Any]]:
    """The newest audits that found an answer of a cheap stage wrong, newest first.

    `missed`: the last stage saw a class that the answer lacks; `false`: the reverse. Of `said` and `found` boxes
    `same_boxes` agree. `seq` is the frame itself, `pts` and `at` those of the one at which the outcome became known;
    `seen` is what the last stage saw, where that was published. `picture`: whether `missed/picture` has it;
    `relabelled_by`: who says that the last stage was wrong; `loosened`: the values that `loosen` gives to settings.
    """
    return run_with(site.run(run), person, stream).missed(stream)


@router.post("/loosen")
def loosen(asked: StageAsked, site: SiteOf, person: AdminOf) -> dict[str, Any]:
    """Have a stage leave a little more to the stages below: one of its settings goes one step to caution."""
    return run_with(site.run(asked.run), person, asked.stream).loosen(asked.stream, asked.stage, by=by_of(person))


@router.post("/relabel")
def relabel(verdict: Verdict, site: SiteOf, person: AdminOf) -> dict[str, Any]:
    """Say that the last stage was wrong in an audit of `missed`. It is left out of the miss rate, and counted apart.
    `kept`: whether that outlives the run, in its store (`/api/verdicts`)."""
    run = run_with(site.run(verdict.run), person, verdict.stream)
    kept = run.relabel(verdict.stream, verdict.stage, verdict.seq, by=by_of(person))
    said = {"stream": verdict.stream, "stage": verdict.stage, "seq": verdict.seq}
    return {**said, "relabelled_by": by_of(person), "kept": kept}


@router.get("/settings")
def settings(stream: StreamName, site: SiteOf, person: PersonOf, run: RunName = None) -> dict[str, Any]:
    """The settings of a stream that may change while it runs, and the version that this is."""
    return run_with(site.run(run), person, stream).settings(stream)


@router.post("/settings")
def change_settings(change: SettingsChange, site: SiteOf, person: AdminOf) -> dict[str, Any]:
    """Change settings; what is read from now on is answered under them. Returns once every tier knows them."""
    asked = site.run(change.run)
    streams = change.streams
    if streams is None and not person.sees_all:
        streams = [name for name in asked.status()["streams"] if person.sees(name)]
    for stream in streams or ():
        run_with(asked, person, stream)
    return asked.apply(change.stages, streams, reason=change.reason, by=by_of(person), version=change.version)


@router.get("/rules")
def rules(stream: StreamName, site: SiteOf, person: PersonOf, run: RunName = None) -> dict[str, Any]:
    """Rules, zones and lines of a stream, and the version that this is."""
    return run_with(site.run(run), person, stream).rules(stream)


@router.post("/rules")
def edit_rules(edit: RulesEdit, site: SiteOf, person: AdminOf) -> dict[str, Any]:
    """Change rules, zones and lines of a stream. Edits of different things are both kept, whoever comes first."""
    asked = run_with(site.run(edit.run), person, edit.stream)
    parts = {verb: getattr(edit, verb) for verb in ("add", "change", "remove")}
    return asked.edit_rules(edit.stream, parts, reason=edit.reason, by=by_of(person), version=edit.version)


@router.post("/pause")
def pause(asked: StreamAsked, site: SiteOf, person: AdminOf) -> dict[str, Any]:
    """End a stream until it is resumed."""
    run_with(site.run(asked.run), person, asked.stream).pause(asked.stream, on=True, by=by_of(person))
    return {"stream": asked.stream, "paused": True}


@router.post("/resume")
def resume(asked: StreamAsked, site: SiteOf, person: AdminOf) -> dict[str, Any]:
    """Have a stream that was paused begin anew."""
    run_with(site.run(asked.run), person, asked.stream).pause(asked.stream, on=False, by=by_of(person))
    return {"stream": asked.stream, "paused": False}


def status_for(run: ShownRun, person: Person) -> dict[str, Any]:
    """A status without the streams that a person may not see."""
    told = run.status()
    if person.sees_all:
        return told
    epochs = [
        epoch | {"streams": seen}
        for epoch in told["epochs"]
        if (seen := [stream for stream in epoch["streams"] if person.sees(stream)])
    ]
    processes = [
        process | {"streams": [stream for stream in process["streams"] if person.sees(stream)]}
        for process in told.get("processes", ())
    ]
    streams = {name: stream for name, stream in told["streams"].items() if person.sees(name)}
    # Troubles are of the whole run, and may say where its files lie.
    return told | {"epochs": epochs, "processes": processes, "streams": streams, "troubles": []}


def funnels_for(run: ShownRun, person: Person) -> dict[str, Any]:
    """The funnels of the streams that a person may see, and the cost of all."""
    told, stages = run.status(), run.stages()
    window_s, before = run.by_before()
    return {
        "window_s": round(window_s, 1),
        "streams": {
            name: funnel(stream, stages, before.get(name, {}))
            for name, stream in told["streams"].items()
            if person.sees(name)
        },
        "cost": cost(told, stages),
    }


def run_with(run: ShownRun, person: Person, stream: str) -> ShownRun:
    """The run, where it has that stream and the person may see it; else raises 404."""
    check_sees(person, stream)
    if stream not in run.status()["streams"]:
        check_sees(Person("", cameras=()), stream)
    return run


def by_of(person: Person) -> str:
    """What is written down of who asked."""
    return "page" if person.name == "local" else f"page: {person.name}"
