"""A chunk that is answered looking ahead: by the source, stages and records of a run, with looks in another order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from vidpipe.archive.ahead.looks import LookAhead, Said
from vidpipe.archive.chunk_file import Told
from vidpipe.cascade.cascade import Ticket
from vidpipe.cascade.runner import Meter
from vidpipe.core.answer import Answer, How, unknown
from vidpipe.core.errors import ConfigError, SourceError
from vidpipe.core.frame import Frame, Missing
from vidpipe.models.library import Library
from vidpipe.models.meter import thread_cpu_ns
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Pipeline, PlacedStage
from vidpipe.results.records import Counts, Ended, Result
from vidpipe.runtime.streams.measured import MeasuringModels
from vidpipe.runtime.worker import WorkerRuntime
from vidpipe.sources.base import Resume
from vidpipe.sources.open import open_source
from vidpipe.sources.view import View
from vidpipe.stages.track.track import Track, TrackConfig


def tracker_of(pipeline: Pipeline, stream: str) -> tuple[PlacedStage, TrackConfig, Sequence[PlacedStage]]:
    """The stage whose settings say how boxes are moved between looks, and the stages below it, which look.

    Raises:
        ConfigError: there is none, or a stage above it would answer frames by itself.
    """
    own = pipeline.streams[stream].configs
    above: list[str] = []
    for place, stage in enumerate(pipeline.stages):
        config = own.get(stage.id, stage.config)
        if issubclass(stage.type, Track) and isinstance(config, TrackConfig):
            if above:
                raise ConfigError(
                    f"--look-ahead: stage {above[0]} would answer frames before {stage.id} moves boxes to them, and "
                    f"knows nothing of looks that are still to come: add --set stages.{above[0]}.enabled=false"
                )
            return stage, config, pipeline.stages[place + 1 :]
        if getattr(config, "enabled", True):
            above.append(stage.id)
    raise ConfigError(
        "--look-ahead moves boxes between looks as a stage of type track does, and the pipeline has none: add one "
        "above the last stage, as pipelines/follow.yaml has it, or leave --look-ahead out"
    )


def check_transforms(pipeline: Pipeline) -> None:
    """Raises ConfigError where a transform would have to see pictures: answers are known once these are gone."""
    for transform in pipeline.transforms:
        if transform.type.needs_frame:
            raise ConfigError(
                f"--look-ahead: transform {transform.id} may look at pictures, and most answers are known only once "
                "their pictures are gone: leave out one of the two; a transform of your own that looks at none says "
                "needs_frame = False"
            )


class _Place(NamedTuple):
    """A picture of which nothing is published yet.

    Attributes:
        missing: what it is said to be, where it never became a frame.
    """

    seq: int
    pts: float
    captured_at: float | None
    size: tuple[int, int] | None
    missing: Missing | None = None


class AheadRun:
    """One recording, or a part of it, from its source to what is published of it.

    Args:
        pipeline: with this one stream.
        resume: behind which picture it begins.
    """

    def __init__(self, pipeline: Pipeline, stream: str, library: Library, resume: Resume | None) -> None:
        self._tracker, config, below = tracker_of(pipeline, stream)
        self._stream = stream
        self._audit = pipeline.audit
        self._runtime = WorkerRuntime(plan(pipeline), library=library)
        self._knobs = self._runtime.knobs[stream]
        spec = pipeline.streams[stream].spec
        self._view = View.of(spec)
        self._source = open_source(stream, spec, knobs=self._knobs, resume=resume)
        self._cascade = self._runtime.cascade(below, stream)
        self._transforms = self._runtime.transforms(stream)
        self._ahead = LookAhead(stream, config, self._look_ahead_at, pipeline.audit.max_unchecked_s)
        self._models = MeasuringModels()
        self._open: deque[_Place] = deque()
        self._said: dict[int, Said] = {}
        self._failed: dict[int, Answer] = {}
        self._kept: dict[int, Frame] = {}  # those that audits will look at
        self._last = unknown()
        self._meter = Meter()
        self._looking_ns = [0, 0]  # CPU and wall of looks
        self._size: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[Told | Ended]:
        """All that is published, in order; at last its end."""
        error: Exception | None = None
        with closing(self._source) as source:
            try:
                for item in source:
                    self._enter(item)
                    yield from self._ready()
            except SourceError as broken:
                error = broken
            self._note(self._ahead.end)
            yield from self._ready()
            broken_off = SourceError(source.broken_off) if source.broken_off else None
            yield Ended(self._stream, error or broken_off, tuple(source.notes))

    def counts(self) -> Counts:
        """What stages and models have done."""
        meter = replace(self._meter, counts=self._ahead.counts.copy())
        return self._runtime.counts({}) + Counts({self._tracker.id: meter}, {}, {})

    def close(self, patience_s: float) -> None:
        """Close the stages."""
        with suppress(Exception):
            self._source.close()
        self._transforms.close()
        self._cascade.close()
        self._runtime.close()

    def _enter(self, item: Frame | Missing) -> None:
        if isinstance(item, Missing):
            self._open.append(_Place(item.seq, item.pts, item.captured_at, self._size, item))
            return
        item.knobs = self._knobs
        self._size = item.width, item.height
        self._open.append(_Place(item.seq, item.pts, item.captured_at, self._size))
        if self._audit.draws(self._stream, item.seq, self._tracker.id):
            self._kept[item.seq] = item
        self._note(partial(self._ahead.take, item))

    def _note(self, work: Callable[[], Sequence[Said]]) -> None:
        """Do a piece of the tracker's work, and keep what it says; metered as a stage, without the looks in it."""
        before = self._spent()
        for said in work():
            self._said[said.seq] = said
        cpu_ns, wall_ns = (now - then for now, then in zip(self._spent(), before, strict=True))
        self._meter.cpu_ns += cpu_ns
        self._meter.wall_ns += wall_ns

    def _spent(self) -> tuple[int, int]:
        """Nanoseconds of CPU and of the wall, without those of looks."""
        return thread_cpu_ns() - self._looking_ns[0], time.perf_counter_ns() - self._looking_ns[1]

    def _look(self, frame: Frame, *, straight: bool = False) -> Answer:
        cpu_ns, wall_ns = thread_cpu_ns(), time.perf_counter_ns()
        ticket = Ticket(frame, straight=straight)
        self._cascade.ask([ticket])
        answer = self._cascade.complete(ticket).answer
        if self._view is not None and answer.as_of == frame.seq:
            left = self._view.without_hidden(answer.detections, frame.width, frame.height)
            answer = replace(answer, detections=left)
        self._models.note(frame.seq, answer, self._knobs)
        self._looking_ns[0] += thread_cpu_ns() - cpu_ns
        self._looking_ns[1] += time.perf_counter_ns() - wall_ns
        return answer

    def _look_ahead_at(self, frame: Frame) -> Answer:
        answer = self._look(frame)
        if answer.how.carried:
            self._failed[frame.seq] = answer
        return answer

    def _ready(self) -> Iterator[Told]:
        """What can be published: in order, and nothing before all of it is known."""
        while self._open:
            place = self._open[0]
            if place.missing is not None:
                by = "engine" if place.missing.how is How.FAILED else "source"
                yield self._told(self._open.popleft(), self._carried(place.missing.how, by, place.missing.reason))
            elif (said := self._said.pop(place.seq, None)) is not None:
                yield self._answered(self._open.popleft(), said)
            else:
                return

    def _answered(self, place: _Place, said: Said) -> Told:
        self._meter.asked += 1
        kept = self._kept.pop(place.seq, None)
        if (failed := self._failed.pop(place.seq, None)) is not None:
            return self._told(place, self._carried(failed.how, failed.by, failed.reason))
        if said.look is not None:
            return self._told(place, replace(said.look, detections=said.detections), said.look)
        if said.as_of < 0:
            return self._told(place, self._carried(How.SKIPPED, "engine", "nobody could look"))
        self._meter.answered += 1
        told = self._told(place, self._moved(said))
        if kept is None:
            return told
        # What is published stands, so that an audited frame is one of those that it speaks for.
        audit = self._cascade.hold(place.seq, self._moved(said), self._look(kept, straight=True))
        return told._replace(result=told.result._replace(audit=audit and audit._replace(seq=place.seq)))

    def _moved(self, said: Said) -> Answer:
        count, ends = len(said.detections), sorted((said.as_of, said.other))
        way = f"between frames {ends[0]} and {ends[1]}" if said.other >= 0 else f"on from frame {said.as_of}"
        return Answer(said.detections, How.TRACKED, self._tracker.id, said.as_of, f"{count} boxes moved {way}")

    def _carried(self, how: How, by: str, reason: str) -> Answer:
        """An answer that says nothing of its own carries the one before."""
        return Answer(self._last.detections, how, by, self._last.as_of, reason)

    def _told(self, place: _Place, answer: Answer, look: Answer | None = None) -> Told:
        self._last = answer
        seen = None if look is None else self._cascade.look(place.seq, look)
        known = (self._stream, place.seq, place.pts, place.captured_at, 0.0, self._knobs.version)
        result = Result(*known, answer, size=place.size, look=seen, model=self._models.of(answer.as_of))
        completed, events = self._transforms.complete(None, answer, result.moment, self._knobs)
        return Told(result._replace(answer=completed), tuple(events))
