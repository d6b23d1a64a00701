"""The course of a run of one stream: what had been done when, and from when on it goes on in the same way.

At the beginning much is looked at that is not later, since stages have yet to learn. So figures are those of a part in
which this is over: what the first half of it took of the stages is what the second half did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from vidpipe.results.collector import Collector
from vidpipe.results.ledger import StreamLedger
from vidpipe.results.records import Counts
from vidpipe.results.usage import tree_cpu_s
from vidpipe.sources.base import StreamInfo

LEAST_S = 30.0
"""Media seconds that are measured at least, before a part of them is taken to be steady: of a few seconds two halves
are alike by chance."""

ALIKE = 0.1
"""How far two halves of a steady part may be from each other, as a share of their mean."""

_EVERY_S = 1.0  # media seconds between two samples
_TIMES = 3  # samples in a row that have to find it steady: one may by chance


class Sample(NamedTuple):
    """What had been done at one moment.

    Attributes:
        video_s: media seconds of the stream.
        frames: of the stream; `all_frames`: of all streams.
        cpu_s: of all processes since the run began.
        asked, audited: frames, by stage.
        cpu_ms: CPU milliseconds, by stage.
    """

    video_s: float
    frames: int
    all_frames: int
    cpu_s: float
    asked: Mapping[str, int]
    audited: Mapping[str, int]
    cpu_ms: Mapping[str, float]


class Part(NamedTuple):
    """What a part of a run took.

    Attributes:
        cpu_ms: CPU time a frame, in all; `other_ms`: of it outside of stages.
        asked, audited: share of the frames, by stage.
        stage_ms: CPU time of a frame that a stage is asked about; a stage that was not asked is left out.
    """

    cpu_ms: float
    other_ms: float
    asked: dict[str, float]
    audited: dict[str, float]
    stage_ms: dict[str, float]


def part(first: Sample, last: Sample) -> Part:
    """What was done between two samples."""
    frames = max(1, last.all_frames - first.all_frames)
    asked = {stage: count - first.asked.get(stage, 0) for stage, count in last.asked.items()}
    spent = {stage: ms - first.cpu_ms.get(stage, 0.0) for stage, ms in last.cpu_ms.items()}
    audited = {stage: count - first.audited.get(stage, 0) for stage, count in last.audited.items()}
    cpu_ms = 1000 * (last.cpu_s - first.cpu_s) / frames
    return Part(
        cpu_ms,
        max(0.0, cpu_ms - sum(spent.values()) / frames),
        {stage: count / frames for stage, count in asked.items()},
        {stage: count / max(1, last.frames - first.frames) for stage, count in audited.items()},
        {stage: spent[stage] / count for stage, count in asked.items() if count},
    )


def steady_from(samples: Sequence[Sample]) -> int | None:
    """The sample from which on a run was steady; None: it was not.

    The second half of a run is, if its stages worked as much in its first half as in its second one. Their work is that
    of the frames that they were asked about at what one takes in the mean of the run: what others take of the machine
    meanwhile makes no difference.
    """
    if not samples or samples[-1].video_s < LEAST_S:
        return None
    last = samples[-1]
    begin, middle = (_at(samples, share * last.video_s) for share in (0.5, 0.75))
    mean_ms = {stage: last.cpu_ms[stage] / count for stage, count in last.asked.items() if count}
    halves = [
        sum(found.asked.get(stage, 0.0) * ms for stage, ms in mean_ms.items())
        for found in (part(samples[begin], samples[middle]), part(samples[middle], last))
    ]
    return begin if abs(halves[0] - halves[1]) <= ALIKE * sum(halves) / 2 else None


def _at(samples: Sequence[Sample], video_s: float) -> int:
    """The last sample that is not behind a time."""
    return max((at for at, each in enumerate(samples) if each.video_s <= video_s), default=0)


class Course:
    """A `Watcher` that takes a sample each second of a stream.

    Args:
        since_s: media second from which on figures are wanted; None: from where the run is steady.
        on_steady: called once it is.
    """

    def __init__(self, stream: str, since_s: float | None, on_steady: Callable[[], None]) -> None:
        self._stream, self._since_s, self._on_steady = stream, since_s, on_steady
        self._samples = [Sample(0.0, 0, 0, 0.0, {}, {}, {})]
        self._began_s = 0.0
        self._in_a_row = 0

    def started(self, infos: Sequence[StreamInfo]) -> None:
        self._began_s = tree_cpu_s()

    def progressed(self, collector: Collector) -> None:
        ledger = collector.ledgers[self._stream]
        if ledger.video_s < self._samples[-1].video_s + _EVERY_S or self._in_a_row >= _TIMES:
            return
        self._samples.append(_sample(ledger, collector.frames_in(), tree_cpu_s() - self._began_s, collector.counts()))
        if self._since_s is not None:
            return
        self._in_a_row = self._in_a_row + 1 if steady_from(self._samples) is not None else 0
        if self.is_steady:
            self._on_steady()

    @property
    def is_steady(self) -> bool:
        """Whether figures are those of a steady part, as far as is known."""
        return self._in_a_row >= _TIMES

    def figures(self, report: Mapping[str, Any]) -> tuple[Part, int]:
        """What the part took that is wanted, by the report at the end, and how many frames came before it."""
        told = report["streams"][self._stream]
        stages = report["stages"]
        last = Sample(
            told["video_s"],
            told["frames_in"],
            sum(stream["frames_in"] for stream in report["streams"].values()),
            report["cpu_s"],
            {stage: each["asked"] for stage, each in stages.items()},
            {stage: audit["audited"] for stage, audit in told["audits"].items()},
            {stage: each["asked"] * each["cpu_ms"] for stage, each in stages.items()},
        )
        # Where it was never steady, its second half is nearest to what goes on.
        begin_s = last.video_s / 2 if self._since_s is None else self._since_s
        first = self._samples[_at(self._samples, begin_s)]
        if first.frames >= last.frames:
            first = self._samples[0]
        return part(first, last), first.frames


def _sample(ledger: StreamLedger, all_frames: int, cpu_s: float, counts: Counts) -> Sample:
    return Sample(
        ledger.video_s,
        ledger.frames_in,
        all_frames,
        cpu_s,
        {stage: meter.asked for stage, meter in counts.stages.items()},
        {stage: audit.audited for stage, audit in ledger.audits.items()},
        {stage: meter.cpu_ns / 1e6 for stage, meter in counts.stages.items()},
    )
