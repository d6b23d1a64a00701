"""The status of a run at one moment, as immutable data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_jsonable_python

from vidpipe.core.answer import boxes_by_class
from vidpipe.core.clock import Clock
from vidpipe.results.accuracy import Evidence
from vidpipe.results.collector import Collector
from vidpipe.results.machinery import Machinery
from vidpipe.results.records import Counts, Result
from vidpipe.results.report import models_report, stage_report
from vidpipe.results.status import StreamStatus, stream_statuses
from vidpipe.runtime.driver.control import Control
from vidpipe.runtime.driver.epochs import Epoch
from vidpipe.runtime.driver.feed import Feed


@dataclass(frozen=True, slots=True)
class StreamNow:
    """One stream.

    Attributes:
        state: of a camera as `Health` has it ("live", "stalled", ...), of a recording "running" or "ended".
        frames_in: pictures so far; the sum of `how`, and of `by`.
        pts: media seconds of the newest result; 0.0 before the first.
        epoch: of the newest result.
        seen: boxes of the newest result, by class.
        answered_by: the stage that gave the newest result.
        look_age_s: seconds since a model last ran on one of its frames, as far as is known; None: never.
        audits: by stage, as the report has them.
        accuracy: as the report has it, for all stages and epochs together.
        evidence: what that rests on, by epoch of the settings: counts that add up and are judged anew.
        lost: of a live stream, pictures that nobody had time for; some of them a fallback has answered.
        detail: why it is in this state, for people.
        paused: whether it has ended until somebody resumes it.
        health: of a live stream, as the report has it: rates, what it is encoded as; empty of a recording.
        site: that it belongs to; "": to none.
        taught: how good its events are that were taught, by rule, as the report has it.
        away: of a live stream, parts of the pipeline that nobody reaches, and since when, by the monotonic clock.
    """

    state: str
    frames_in: int
    pts: float
    how: Mapping[str, int]
    by: Mapping[str, int]
    epoch: int
    seen: Mapping[str, int]
    answered_by: str
    look_age_s: float | None
    audits: Mapping[str, Mapping[str, float]]
    accuracy: Mapping[str, Any]
    evidence: Mapping[int, Evidence]
    lost: int = 0
    detail: str = ""
    paused: bool = False
    health: Mapping[str, Any] = field(default_factory=dict)
    site: str = ""
    away: Mapping[str, float] = field(default_factory=dict)
    taught: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Status:
    """A run.

    Attributes:
        state: see `RunState`.
        at: UTC seconds.
        streams: by name.
        stages: asked, answered, errors and mean milliseconds, by stage id; empty unless it runs.
        links: frames and bytes, by name; where it is measured, milliseconds that crossing takes, megabits a second that
            cross now, frames that wait, the age of the oldest, how pictures are packed, and how circuit breakers stand;
            empty unless it runs.
        models: pictures and milliseconds for each, by name; empty unless it runs.
        machinery: the machines and processes that there are; none unless it runs.
        troubles: what is wrong though the run goes on, for people: a sink that cannot write, a time of day that jumped.
        epochs: all changes of settings so far.
        waiting: results that wait for whoever iterates.
        lost: results of live streams that were left out, because nobody took them in time.
        is_held: whether recordings wait for whoever iterates.
        deaths: of processes, as the report has them; empty unless it runs.
    """

    state: str
    at: float
    streams: Mapping[str, StreamNow]
    stages: Mapping[str, Mapping[str, float]]
    links: Mapping[str, Mapping[str, Any]]
    epochs: Sequence[Epoch]
    waiting: int
    lost: int
    is_held: bool
    deaths: Mapping[str, Sequence[float]] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    machinery: Machinery = field(default_factory=Machinery)
    troubles: Sequence[str] = ()


def states_of(collector: Collector) -> dict[str, str]:
    """The state of each stream; nobody may change what it is made of meanwhile."""
    return _states(collector, stream_statuses(collector.status_monitors))


def _states(collector: Collector, fares: Mapping[str, StreamStatus]) -> dict[str, str]:
    states = {name: "ended" if name in collector.ended else "running" for name in collector.ledgers}
    return states | {name: fare.health.state.value for name, fare in fares.items()}


def status_of(
    state: str,
    collector: Collector,
    control: Control,
    counts: Counts | None,
    machinery: Machinery,
    feed: Feed[Result],
    clock: Clock,
    troubles: Sequence[str] = (),
) -> Status:
    """The snapshot; nobody may change what it is made of meanwhile.

    Args:
        counts: of all processes; None where there are none any more.
        machinery: the machines and processes that there are.
        feed: what waits for whoever iterates.
        troubles: as of `Status`.
    """
    fares, paused = stream_statuses(collector.status_monitors), control.paused
    states = _states(collector, fares)
    streams, taught = {}, collector.taught()
    for name, ledger in collector.ledgers.items():
        last = collector.newest(name)
        streams[name] = StreamNow(
            states[name],
            ledger.frames_in,
            last.pts if last else 0.0,
            dict(ledger.how),
            dict(ledger.by),
            last.epoch if last else 0,
            dict(boxes_by_class(last.answer)) if last else {},
            last.answer.by if last else "",
            collector.look_age_s(name),
            {stage: count.report() for stage, count in ledger.audits.items()},
            ledger.accuracy.summary(),
            ledger.accuracy.copies(),
            ledger.lost,
            fares[name].health.detail if name in fares else "",
            name in paused,
            fares[name].report() if name in fares else {},
            control.pipeline.site(name) if name in control.pipeline.streams else "",
            dict(collector.status_monitors[name].away) if name in collector.status_monitors else {},
            taught.get(name, {}),
        )
    return Status(
        state,
        clock.utc(),
        streams,
        {id: stage_report(meter) for id, meter in counts.stages.items()} if counts else {},
        {name: carried.status() for name, carried in counts.links.items()} if counts else {},
        control.epochs,
        len(feed),
        feed.lost,
        feed.is_full,
        {name: tuple(times) for name, times in counts.deaths.items()} if counts else {},
        models_report(counts.models) if counts else {},
        machinery,
        tuple(troubles),
    )


def as_json(status: Status) -> dict[str, Any]:
    """A status as plain data, as `vidpipe status --json` prints it."""
    return {
        "state": str(status.state),
        "at": status.at,
        "streams": {
            name: {
                "state": "paused" if stream.paused else stream.state,
                "detail": stream.detail,
                "frames_in": stream.frames_in,
                "pts": stream.pts,
                "how": dict(stream.how),
                "by": dict(stream.by),
                "epoch": stream.epoch,
                "seen": dict(stream.seen),
                "answered_by": stream.answered_by,
                "look_age_s": stream.look_age_s,
                "lost": stream.lost,
                "audits": {stage: dict(found) for stage, found in stream.audits.items()},
                "accuracy": dict(stream.accuracy),
                "health": dict(stream.health),
                "site": stream.site,
                "taught": dict(stream.taught),
            }
            for name, stream in status.streams.items()
        },
        "stages": {id: dict(meter) for id, meter in status.stages.items()},
        "links": {name: dict(counts) for name, counts in status.links.items()},
        "deaths": {name: [round(at, 3) for at in times] for name, times in status.deaths.items()},
        "troubles": list(status.troubles),
        "models": {name: dict(asked) for name, asked in status.models.items()},
        "machines": [machine.report() for machine in status.machinery.machines],
        "processes": [process.report() for process in status.machinery.processes],
        "epochs": [
            {
                "epoch": epoch.number,
                "at": epoch.at,
                "by": epoch.by,
                "reason": epoch.reason,
                "streams": list(epoch.streams),
                "changes": to_jsonable_python(epoch.changes, by_alias=True),
            }
            for epoch in status.epochs
        ],
    }
