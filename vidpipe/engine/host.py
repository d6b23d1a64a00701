"""What a process needs to run its part of a pipeline: models, stages and streams, opened and counted."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from vidpipe.answer import Answer, nothing
from vidpipe.cascade import Cascade
from vidpipe.engine.below import Below
from vidpipe.engine.caution import Caution
from vidpipe.engine.head import Head, Parts
from vidpipe.engine.pipeline import Pipeline, PlacedStage
from vidpipe.engine.plan import Plan
from vidpipe.engine.records import Outbox
from vidpipe.engine.tail import Tail
from vidpipe.engine.taps import StreamTaps, Tap
from vidpipe.errors import SourceError, StageError, VidpipeError, text_of
from vidpipe.frame import Frame
from vidpipe.knobs import Knobs
from vidpipe.models.library import Library
from vidpipe.models.meter import thread_cpu_ns
from vidpipe.seat import Meter, Seat
from vidpipe.sources.base import Resume, StreamInfo
from vidpipe.sources.open import open_source
from vidpipe.sources.view import View
from vidpipe.stages.base import Context, Stage


class Position(NamedTuple):
    """Where a stream goes on after a restart.

    Attributes:
        resume: behind this picture; None: from the beginning.
        last: the last published answer, if any.
        states: of the stream's stages, pickled, by stage id.
        poison: pictures that are not to be tried again.
        careful: the process died here before: ask and answer the next pictures one at a time, each told of before, so
            that it will be known on which one it dies.
    """

    resume: Resume | None = None
    last: Answer | None = None
    states: Mapping[str, bytes] = {}
    poison: frozenset[int] = frozenset()
    careful: bool = False


class Counts(NamedTuple):
    """What a process has counted so far.

    Attributes:
        stages: by stage id.
        models: (pictures, wall ns, CPU ns) by model name.
        links: (frames, bytes) by link name.
        deaths: of processes, by the name of what ran there: UTC seconds, of each one that was seen.
    """

    stages: dict[str, Meter]
    models: dict[str, tuple[int, int, int]]
    links: dict[str, tuple[int, int]]
    deaths: Mapping[str, tuple[float, ...]] = {}

    def __add__(self, other: Counts) -> Counts:  # type: ignore[override]
        stages = dict(self.stages)
        for stage, meter in other.stages.items():
            stages[stage] = stages.get(stage, Meter()) + meter
        deaths = {name: times + self.deaths.get(name, ()) for name, times in other.deaths.items()}
        return Counts(stages, _add(self.models, other.models), _add(self.links, other.links), {**self.deaths, **deaths})


class Host:
    """Opens what stands in this process, for all threads of it.

    Args:
        pack: makes bytes of a stage's state that `pickle.loads` reads; where custom stages are known by value only,
            `pickle.dumps` cannot.
    """

    def __init__(self, plan: Plan, pack: Callable[[Any], bytes] = pickle.dumps) -> None:
        import cv2

        # Calls of OpenCV are small here, and the streams are the parallelism.
        cv2.setNumThreads(1)
        nothing()  # imports what answers are made of now, not under the first frame
        pipeline = plan.pipeline
        # Behind Python's own, as where the pipeline was checked: a user's random.py must not be everybody's.
        sys.path += [path for path in pipeline.search_paths if path not in sys.path]
        self._library = Library(
            pipeline.models,
            pipeline.classes,
            search_paths=[Path(path) for path in pipeline.search_paths],
            threads=os.cpu_count(),
        )
        self._cascades: list[Cascade] = []  # that are open
        self._closed = Counts({}, {}, {})  # of those that were
        self._counting = threading.Lock()
        self._pack = pack
        self._plan = plan
        self.knobs: dict[str, Knobs] = {}
        self.views: dict[str, View] = {}
        self.weights: dict[str, float] = {}  # of the streams on a detour
        self._live: dict[str, bool] = {}
        self.update(pipeline)

    def update(self, pipeline: Pipeline) -> None:
        """Take up other streams, while those that stay go on."""
        self._plan = replace(self._plan, pipeline=pipeline)
        streams = pipeline.streams.items()
        _put(self.knobs, {name: _knobs(pipeline, name) for name in pipeline.streams})
        _put(self.views, {name: view for name, stream in streams if (view := View.of(stream.spec))})
        _put(self._live, {name: True for name, stream in streams if stream.spec.live})
        _put(self.weights, {name: stream.spec.weight for name, stream in streams if pipeline.detours(name)})

    def tail(self, index: int, below: Below | None) -> Tail:
        """The thread for the shared stages of segment `index`: all its stages, below the device."""
        segment = self._plan.segments[index]
        stages = segment.tail if index == 0 else segment.stages
        return Tail(lambda: self._open(stages, (), top=False), below, segment.name, self.weights)

    def head(
        self,
        stream: str,
        below: Below | None,
        outbox: Outbox,
        taps: Sequence[Tap],
        position: Position,
        caution: Caution | None = None,
        *,
        joins: bool = False,
    ) -> Head:
        """The thread of one stream, with its source and its own stages of the first segment.

        Args:
            joins: the run goes on already, and must not end because a tap does not open.
        """
        plan = self._plan
        return Head(
            stream,
            lambda: self._parts(stream, taps, position, joins),
            below,
            outbox,
            # What is late anyway is not waited for until others have been asked.
            ahead=0 if plan.pipeline.detours(stream) else plan.ahead,
            settle_later=plan.ahead > 0 and plan.learns_below(0),
            hold_bytes=plan.hold_bytes,
            free=plan.free,
            detour=plan.pipeline.detours(stream),
            live=plan.pipeline.streams[stream].spec.live,
            caution=caution,
        )

    def counts(self, links: Mapping[str, tuple[int, int]]) -> Counts:
        """What the stages and models of this process have done, with what its links have carried."""
        counts = Counts({}, self._library.meters(), dict(links))
        with self._counting:
            open_, counts = list(self._cascades), counts + self._closed
        return sum((Counts(cascade.meters(), {}, {}) for cascade in open_), counts)

    def _let_go(self, cascade: Cascade) -> None:
        """Keep of a cascade that has closed what it counted, and nothing else: streams come and go for months."""
        meters = cascade.meters()
        with self._counting:
            if cascade in self._cascades:
                self._cascades.remove(cascade)
            self._closed += Counts(meters, {}, {})

    def _parts(self, stream: str, taps: Sequence[Tap], position: Position, joins: bool) -> Parts:
        spec = self._plan.pipeline.streams[stream].spec
        resumed = position.resume is not None
        with ExitStack() as opened:  # what keeps one of them from opening closes the others
            source = open_source(stream, spec, knobs=self.knobs[stream], resume=position.resume)
            opened.callback(source.close)
            cascade = self._open(self._plan.segments[0].head, (stream,), top=True)
            opened.callback(cascade.close)
            if position.last is not None:
                cascade.restore(stream, position.states, position.last)
            writers = StreamTaps.opened(taps, source.info, resumed=resumed, must=not (resumed or joins))
            opened.pop_all()
        view = View.of(spec)
        return Parts(
            source,
            cascade,
            writers,
            partial(_hide, view) if view else None,
            position.poison,
            dict(position.states),
        )

    def _open(self, stages: Sequence[PlacedStage], streams: Sequence[str], *, top: bool) -> Cascade:
        """A cascade of these stages, opened by the thread that calls."""
        pipeline = self._plan.pipeline
        last = pipeline.stages[-1].id
        cascade = Cascade(
            [self._seat(stage, last) for stage in stages],
            pipeline.audit,
            last=last,
            top=top,
            # Below the device the check goes up as it is: a stream on a detour has published something else by then.
            publish_checked=not any(map(pipeline.detours, streams)),
            closed=self._let_go,
        )
        cascade.open(streams)
        with self._counting:
            self._cascades.append(cascade)
        return cascade

    def _seat(self, placed: PlacedStage, last: str) -> Seat:
        return Seat(
            placed.id,
            placed.type.shared,
            placed.id == last,
            lambda stream: self._stage(placed, stream, placed.id == last),
            self._plan.pipeline.classes.names,
            thread_cpu_ns,
            self.knobs,
            self._pack,
        )

    def _stage(self, placed: PlacedStage, stream: str | None, last: bool) -> Stage[Any]:
        try:
            stage = placed.type()
            stage.id = placed.id
            stage.config = placed.config if stream is None else self.knobs[stream].stages[placed.id]
            classes = self._plan.pipeline.classes.names
            stage.open(Context(placed.id, stream, self._library, classes, last, stream in self._live, self._live))
        except VidpipeError:
            raise
        except BaseException as error:
            raise StageError(f"stage {placed.id} does not open: {type(error).__name__}: {text_of(error)}") from error
        return stage


def those_open(opened: Sequence[StreamInfo | SourceError]) -> list[StreamInfo]:
    """What is known of the streams that are open; where none is, raises what kept the first from opening."""
    infos = [info for info in opened if isinstance(info, StreamInfo)]
    errors = [error for error in opened if isinstance(error, SourceError)]
    if errors and not infos:
        raise errors[0]
    return infos


def _hide(view: View, answer: Answer, frame: Frame) -> Answer:
    """The answer without boxes that are hidden."""
    left = view.without_hidden(answer.detections, frame.width, frame.height)
    return answer if left is answer.detections else replace(answer, detections=left)


def _put(kept: dict[str, Any], fresh: Mapping[str, Any]) -> None:
    """Change what other threads look things up in, never leaving out what they may look up meanwhile."""
    kept.update(fresh)
    for name in kept.keys() - fresh.keys():
        del kept[name]


def _knobs(pipeline: Pipeline, stream: str) -> Knobs:
    own = pipeline.streams[stream].configs
    return Knobs(0, {stage.id: own.get(stage.id, stage.config) for stage in pipeline.stages})


def _add(one: Mapping[str, tuple[int, ...]], other: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    total: dict[str, tuple[int, ...]] = dict(one)
    for name, counts in other.items():
        total[name] = tuple(map(sum, zip(total[name], counts, strict=True))) if name in total else counts
    return total
