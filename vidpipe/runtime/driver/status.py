"""The status of a run at one moment, as immutable data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidpipe.core.answer import boxes_by_class
from vidpipe.core.clock import Clock
from vidpipe.results.accuracy import Evidence
from vidpipe.results.collector import Collector
from vidpipe.results.records import Counts, Result
from vidpipe.results.report import stage_report
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
        site: that it belongs to; "": to none.
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
    site: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """A run.

    Attributes:
        state: see `RunState`.
        at: UTC seconds.
        streams: by name.
        stages: asked, answered, errors and mean milliseconds, by stage id; empty unless it runs.
        links: frames and bytes, by name; empty unless it runs.
        epochs: all changes of settings so far.
        waiting: results that wait for whoever iterates.
        lost: results of live streams that were left out, because nobody took them in time.
        is_held: whether recordings wait for whoever iterates.
    """

    state: str
    at: float
    streams: Mapping[str, StreamNow]
    stages: Mapping[str, Mapping[str, float]]
    links: Mapping[str, Mapping[str, int]]
    epochs: Sequence[Epoch]
    waiting: int
    lost: int
    is_held: bool


def states_of(collector: Collector) -> dict[str, str]:
    """The state of each stream; nobody may change what it is made of meanwhile."""
    return _states(collector, stream_statuses(collector.status_monitors))


def _states(collector: Collector, fares: Mapping[str, StreamStatus]) -> dict[str, str]:
    states = {name: "ended" if name in collector.ended else "running" for name in collector.ledgers}
    return states | {name: fare.health.state.value for name, fare in fares.items()}


def status_of(
    state: str, collector: Collector, control: Control, counts: Counts | None, feed: Feed[Result], clock: Clock
) -> Status:
    """The snapshot; nobody may change what it is made of meanwhile.

    Args:
        counts: of all processes; None where there are none any more.
        feed: what waits for whoever iterates.
    """
    fares, paused = stream_statuses(collector.status_monitors), control.paused
    states = _states(collector, fares)
    streams = {}
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
            control.pipeline.site(name) if name in control.pipeline.streams else "",
        )
    return Status(
        state,
        clock.utc(),
        streams,
        {id: stage_report(meter) for id, meter in counts.stages.items()} if counts else {},
        {name: {"frames": frames, "bytes": size} for name, (frames, size) in counts.links.items()} if counts else {},
        control.epochs,
        len(feed),
        feed.lost,
        feed.is_full,
    )
