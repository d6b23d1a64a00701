"""From chunks to what one run would have left: results in order, events, the report, and how well chunks fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidpipe.archive.chunk_file import End, Told, read
from vidpipe.archive.chunks import Chunk
from vidpipe.archive.index import Index
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import RunError, SourceError
from vidpipe.core.event import Event
from vidpipe.core.settings import Knobs
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.results.collector import Collector
from vidpipe.results.provenance import Provenance
from vidpipe.results.records import Batch, Counts, Ended, Result
from vidpipe.results.sinks.base import Sink
from vidpipe.results.sinks.lines import LinesConfig
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.statistics.agreement import Matched, match, together
from vidpipe.transforms.rules.rules import RULES, Rules
from vidpipe.transforms.rules.spec import RulesConfig
from vidpipe.transforms.runner import TransformRunner

_AT_ONCE = 256  # results that are counted and written together
_NONE = Matched(0, 0)
SETTLED_S = 1.0  # of a warm-up: its end, from which the published answers of a chunk go on


@dataclass(slots=True)
class Joints:
    """How far chunks agree with those before them on the frames that both have answered.

    Attributes:
        count: how many joints.
        frames: that were asked twice.
        whole: boxes of both chunks on all these frames.
        settled: the same in the last second before each joint.
        worst: F1 of that at the joint where it is least; None where no box is.
    """

    count: int = 0
    frames: int = 0
    whole: Matched = _NONE
    settled: Matched = _NONE
    worst: float | None = None

    def add(self, frames: int, whole: Sequence[Matched], settled: Sequence[Matched]) -> None:
        """One more joint."""
        at_end = together(settled)
        self.count += 1
        self.frames += frames
        self.whole, self.settled = together([self.whole, *whole]), together([self.settled, at_end])
        if at_end.f1 is not None:
            self.worst = at_end.f1 if self.worst is None else min(self.worst, at_end.f1)

    def __add__(self, other: Joints) -> Joints:
        worst = [each for each in (self.worst, other.worst) if each is not None]
        whole, settled = together([self.whole, other.whole]), together([self.settled, other.settled])
        return Joints(
            self.count + other.count, self.frames + other.frames, whole, settled, min(worst) if worst else None
        )

    def report(self) -> dict[str, Any]:
        """As the report has it."""
        return {
            "joints": self.count,
            "asked_twice": self.frames,
            "f1_warm_up": _rounded(self.whole.f1),
            "f1_at_joint": _rounded(self.settled.f1),
            "f1_at_worst_joint": _rounded(self.worst),
        }


@dataclass(frozen=True, slots=True)
class Answered:
    """A recording of which every chunk is there.

    Attributes:
        chunks: with the file of each, in order.
    """

    name: str
    stream: Stream
    index: Index
    chunks: Sequence[tuple[Chunk, Path]]


class Joiner:
    """Joins recordings, one after the other.

    Counts, accuracy and the report are those of a run: its collector gets the same records. Published is a result when
    its recording was complete, as its file says; so the results are the same, to the byte, however often they are made.

    Args:
        pipeline: with rules, and without streams.
        sinks: that get all results and events, beside a results file for each recording.
        results: where that goes.
        start: of the archive.
        stopped: asks whether to give up.

    Attributes:
        collector: has counted what is joined.
        counts: what stages and models have done for that, warm-ups included.
        cpu_s: CPU seconds that indexes and chunks of it took.
        joints: by recording.
        errors: chunks that nobody could answer, a line each.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        sinks: Sequence[Sink],
        results: Callable[[str], Path],
        start: str,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.collector = Collector([])
        self.joints: dict[str, Joints] = {}
        self.errors: list[str] = []
        self._pipeline = pipeline
        self._sinks = sinks
        self._results = results
        self._start = start
        self._stopped = stopped
        self.counts = Counts({}, {}, {})
        self.cpu_s = 0.0
        self._provenance = Provenance(pipeline)
        for sink in sinks:
            sink.begin(self.provenance(pipeline, {}))

    def provenance(self, pipeline: Pipeline, sizes: Mapping[str, tuple[int, int] | None]) -> dict[str, Any]:
        """Where answers come from, as of a run that began with the archive."""
        return {**self._provenance.told(pipeline, sizes), "start": self._start}

    def join(self, recording: Answered) -> None:
        """Write the results and events of a recording; where they are there already, the same again.

        Raises:
            RunError: they cannot be written, a chunk is damaged, or it was stopped.
        """
        name, file = recording.name, self._results(recording.name)
        part = file.with_name(f".{file.name}.part")
        lines = ResultsFile(part, config=LinesConfig(path=str(part)), keep=False)
        pipeline = replace(self._pipeline, streams={name: recording.stream})
        self.collector.begin(name, live=False)
        lines.begin(self.provenance(pipeline, {name: recording.index.picture}))
        try:
            self._hand_on(recording, pipeline, [lines, *self._sinks])
            lines.close()
            part.replace(file)
        except OSError as error:
            raise RunError(f"results {file} cannot be written: {error.strerror}") from None
        finally:
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Have sinks keep what they got. Raises RunError."""
        for sink in self._sinks:
            sink.close()

    def _hand_on(self, recording: Answered, pipeline: Pipeline, sinks: Sequence[Sink]) -> None:
        published_at = recording.index.identity.mtime_ns / 1e9
        rules = _rules(pipeline, recording.stream)
        for batch in self._batches(recording):
            if self._stopped():
                raise RunError("stopped")
            results = [told.result for told in batch]
            self.collector.take(Batch(results))
            events: list[Event] = []
            for told in batch:
                events += told.events
                if rules is not None:
                    events += rules.complete(None, told.result.answer, told.result.moment, Knobs())[1]
            _tell(sinks, results, published_at, events)
        if rules is not None:
            _tell(sinks, [], published_at, rules.ended())
            self.counts += Counts(rules.meters(), {}, {})

    def _batches(self, recording: Answered) -> Iterator[list[Told]]:
        batch: list[Told] = []
        for told in self._told(recording):
            batch.append(told)
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
        if batch:
            yield batch

    def _told(self, recording: Answered) -> Iterator[Told]:
        """What is published of a recording, in order."""
        name, index = recording.name, recording.index
        joints, notes, broken_off = Joints(), dict[str, None](), ""
        last: Answer | None = None
        tail: dict[int, Result] = {}  # what the chunk before has answered from where the next one is asked
        for place, (chunk, file) in enumerate(recording.chunks):
            after = recording.chunks[place + 1][0].warm if place + 1 < len(recording.chunks) else chunk.end
            before, tail = tail, {}
            again: list[tuple[int, Matched]] = []
            for told in read(file, name):
                if isinstance(told, End):
                    self.counts += told.counts
                    self.cpu_s += told.cpu_s
                    if told.failed:
                        again_by = f"to have them tried again delete {file} and start again"
                        self.errors.append(f"{name}: {_span(index, chunk)} failed: {told.failed}; {again_by}")
                        for result in _failed(name, index, chunk, told.failed, last):
                            yield Told(result)
                    notes |= dict.fromkeys(told.notes)
                    broken_off = told.broken_off or broken_off
                    continue
                result = told.result
                if result.seq < chunk.begin:
                    if (other := before.get(result.seq)) is not None:
                        again.append((result.seq, match(result.answer.detections, other.answer.detections)))
                    continue
                if result.seq >= after:
                    tail[result.seq] = result
                last = result.answer
                yield told
            if again:
                settled_us = index.times_us[chunk.begin] - SETTLED_S * 1e6
                settled = [matched for seq, matched in again if index.times_us[seq] >= settled_us]
                joints.add(chunk.begin - chunk.warm, [matched for _, matched in again], settled)
        self.joints[name] = joints
        self.cpu_s += index.cpu_s
        ended = Ended(name, SourceError(broken_off) if broken_off else None, tuple(notes))
        self.collector.take(Batch(ended=[ended]))


def _rules(pipeline: Pipeline, stream: Stream) -> TransformRunner | None:
    """The rules of a recording, from its beginning; None where there are none."""
    placed = pipeline.placed.get(RULES)
    config = stream.configs.get(RULES, None if placed is None else placed.config)
    if not isinstance(config, RulesConfig):
        return None
    rules = Rules()
    rules.id, rules.config = RULES, config
    rules.begin()
    return TransformRunner([rules], pipeline.classes.names)


def _tell(sinks: Sequence[Sink], results: Sequence[Result], published_at: float, events: Sequence[Event]) -> None:
    for sink in sinks:
        if results:
            sink.write(results, published_at)
        if events:
            sink.tell(events)


def _failed(name: str, index: Index, chunk: Chunk, reason: str, last: Answer | None) -> Iterator[Result]:
    """What is published of a chunk that nobody could answer: the newest answer before it, carried on."""
    detections, as_of = (nothing(), -1) if last is None else (last.detections, last.as_of)
    answer = Answer(detections, How.FAILED, "engine", as_of, reason)
    for seq in range(chunk.begin, chunk.end):
        place = seq, index.pts(seq), index.captured_at(seq)
        yield Result(name, *place, 0.0, 0, answer, size=index.picture)


def _span(index: Index, chunk: Chunk) -> str:
    return f"frames {chunk.begin} to {chunk.end - 1}, from {index.pts(chunk.begin):.1f} s on,"


def _rounded(f1: float | None) -> float | None:
    return None if f1 is None else round(f1, 4)
