"""What a process needs to run its part of a pipeline: models, stages and streams, opened and counted."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from vidpipe.cascade.cascade import Away, Cascade
from vidpipe.cascade.runner import StageRunner
from vidpipe.cascade.stage import Context
from vidpipe.core import traces
from vidpipe.core.answer import nothing
from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import SourceError, StageError, VidpipeError, text_of
from vidpipe.core.extensions import find_on
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.models.library import Library, threads_of_a_look
from vidpipe.models.meter import thread_cpu_ns
from vidpipe.models.runtimes.opening import NetworkFile, Opens
from vidpipe.pipeline.plan import Plan
from vidpipe.pipeline.spec import Pipeline, PlacedStage, PlacedTransform
from vidpipe.results.carried import Carried
from vidpipe.results.frame_sink import FrameSink, StreamFrameSinks
from vidpipe.results.outbox import Outbox
from vidpipe.results.records import Counts, Position
from vidpipe.runtime.downstream import Downstream
from vidpipe.runtime.leaves import check_stages
from vidpipe.runtime.segment_worker import SegmentWorker
from vidpipe.runtime.shadow.ask import ShadowAsk, Tell, refuse
from vidpipe.runtime.shadow.messages import Setup
from vidpipe.runtime.shadow.worker import ShadowWorker, split
from vidpipe.runtime.sharing import QueryShare
from vidpipe.runtime.streams.caution import Caution
from vidpipe.runtime.streams.evidence import Evidence
from vidpipe.runtime.streams.hiding import hiding
from vidpipe.runtime.streams.ordering import Detour, InOrder, Ordering
from vidpipe.runtime.streams.parts import Parts
from vidpipe.runtime.streams.reachback import reachback_of
from vidpipe.runtime.streams.stream_worker import StreamWorker
from vidpipe.sources.base import Resume, Source, StreamInfo, StreamSpec
from vidpipe.sources.decoding.packets import PacketRing
from vidpipe.sources.open import open_source
from vidpipe.sources.reading import origin
from vidpipe.sources.view import View
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.runner import TransformRunner


class Settings(NamedTuple):
    """What a process goes by for one stream. A link brings it before the first frame that it is for.

    Attributes:
        knobs: of its stages, with the number of their epoch.
        view: what its pictures hide; None: nothing.
        weight: its share of looks under overload; None where its answers are waited for.
        live: whether it comes at its own pace.
    """

    knobs: Knobs = Knobs()
    view: View | None = None
    weight: float | None = None
    live: bool = False


class WorkerRuntime:
    """Opens what stands in this process, for all threads of it.

    Args:
        pack: makes bytes of a stage's state that `pickle.loads` reads; where custom stages are known by value only,
            `pickle.dumps` cannot.
        clock: that sources and waits in this process go by.
        library: the models, where others have loaded them.
        opens: gives the networks of those that are loaded here.
        share: what this run has in common with the other queries of the process; None: it is alone.
    """

    def __init__(
        self,
        plan: Plan,
        pack: Callable[[Any], bytes] = pickle.dumps,
        clock: Clock = REAL,
        library: Library | None = None,
        opens: Opens = NetworkFile.open,
        share: QueryShare | None = None,
    ) -> None:
        import cv2

        # Calls of OpenCV are small here, and the streams are the parallelism.
        cv2.setNumThreads(1)
        nothing()  # imports what answers are made of now, not under the first frame
        pipeline = plan.pipeline
        find_on(pipeline.search_paths)
        self.library = library or Library(
            pipeline.models,
            pipeline.classes,
            search_paths=[Path(path) for path in pipeline.search_paths],
            threads=threads_of_a_look(len(pipeline.streams)),
            opens=opens if share is None else share.network,
        )
        self._share = share
        self._metered: list[Cascade | TransformRunner] = []  # what is open and counts
        self._closed = Counts({}, {}, {})  # of those that were
        self._counting = threading.Lock()
        self._here: set[str] = set()  # ids of the stages that stand in this process
        self._pack = pack
        setup = Setup(pipeline.models, pipeline.classes, pipeline.search_paths, pipeline.stages)
        self.shadows = ShadowWorker(setup, pack)
        self.clock = clock
        self._media = Evidence(pipeline.media, clock)
        self.plan = plan
        self.knobs: dict[str, Knobs] = {}
        self.views: dict[str, View] = {}
        self.weights: dict[str, float] = {}  # of the streams on a detour
        self._live: dict[str, bool] = {}
        self.update(pipeline)
        if share is not None:
            share.expect(self.knobs)

    def update(self, pipeline: Pipeline) -> None:
        """Take up other streams, while those that stay go on."""
        self.plan = replace(self.plan, pipeline=pipeline)
        streams = pipeline.streams.items()
        for name in self.knobs.keys() - pipeline.streams.keys():
            self._forget(name)
        for name, stream in streams:
            weight = stream.spec.weight if pipeline.detours(name) else None
            self.go_by(name, Settings(_knobs(pipeline, name), View.of(stream.spec), weight, stream.spec.live))

    def is_live(self, stream: str) -> bool:
        return self.plan.pipeline.streams[stream].spec.live

    def settings(self, stream: str) -> Settings:
        """What is gone by for a stream here."""
        weight = self.weights.get(stream)
        return Settings(self.knobs.get(stream, Knobs()), self.views.get(stream), weight, stream in self._live)

    def go_by(self, stream: str, settings: Settings) -> None:
        """Go by these settings, from the next frame of the stream on that comes here."""
        self.knobs[stream] = settings.knobs
        # Other threads look things up meanwhile: what stays is never left out.
        _keep(self.views, stream, settings.view)
        _keep(self.weights, stream, settings.weight)
        _keep(self._live, stream, settings.live or None)

    def _forget(self, stream: str) -> None:
        for kept in (self.knobs, self.views, self.weights, self._live):
            _keep(kept, stream, None)

    def segment_worker(self, index: int, downstream: Downstream | None) -> SegmentWorker:
        """The thread for the shared stages of segment `index`: all its stages, below the device."""
        segment = self.plan.segments[index]
        stages = segment.shared if index == 0 else segment.stages
        ids = frozenset(stage.id for stage in stages)
        shadow = partial(self.shadow, ids, downstream)
        away = downstream.away if downstream is not None else _nobody
        make = lambda: self._open(stages, (), away, top=False)  # noqa: E731
        return SegmentWorker(make, downstream, segment.name, self.weights, shadow, ids)

    def stream_worker(
        self,
        stream: str,
        downstream: Downstream | None,
        outbox: Outbox,
        frame_sinks: Sequence[FrameSink],
        position: Position,
        caution: Caution | None = None,
        *,
        joins: bool = False,
    ) -> StreamWorker:
        """The thread of one stream, with its source and its own stages of the first segment.

        Args:
            joins: the run goes on already, and must not end because a frame sink does not open.
        """
        plan = self.plan
        return StreamWorker(
            stream,
            lambda: self._parts(stream, downstream, outbox, frame_sinks, position, joins),
            downstream,
            outbox,
            ordering=self._ordering(stream),
            knobs=partial(self.knobs.get, stream),
            pictures=plan.pictures,
            traces=plan.traces,
            live=plan.pipeline.streams[stream].spec.live,
            caution=caution,
            expires_s=plan.pipeline.audit.expires_s,
            shadow=partial(self.shadow, frozenset(stage.id for stage in plan.segments[0].per_stream), downstream),
            clock=self.clock,
        )

    def shadow(
        self,
        stages: Collection[str],
        downstream: Downstream | None,
        frame: Frame,
        asks: Sequence[ShadowAsk],
        tell: Tell,
    ) -> None:
        """Have shadow asks of these stages answered here, and hand the others on down."""
        own, others = split(asks, stages)
        self.shadows.ask(frame, self.views.get(frame.stream), own, tell)
        if others and downstream is not None:
            downstream.shadow(frame, others, tell)
        else:
            refuse(others, tell, "no such stage is there")

    def _ordering(self, stream: str) -> Ordering:
        plan = self.plan
        if plan.pipeline.detours(stream):
            return Detour(self.clock, live=self.is_live(stream))
        two_phase = plan.ahead > 0 and plan.learns_below(0)
        return InOrder(plan.ahead, two_phase=two_phase, unordered=plan.unordered, hold_bytes=plan.hold_bytes)

    def prepare(self, configs: Mapping[str, Sequence[StageConfig]]) -> None:
        """Load what these settings of stages that stand here need, beside what is in use; from any thread.

        Raises:
            VidpipeError: what keeps it from loading.
        """
        for placed in self.plan.pipeline.stages:
            for config in configs.get(placed.id, ()) if placed.id in self._here else ():
                placed.type.prepare(config, self.library)

    def cascade(self, stages: Sequence[PlacedStage], stream: str) -> Cascade:
        """Some stages for whoever asks them himself about one stream; opened by the thread that calls."""
        return self._open(stages, (stream,), _nobody, top=False)

    def counts(self, links: Mapping[str, Carried]) -> Counts:
        """What the stages and models of this process have done, with what its links have carried."""
        shadows, media = self.shadows.meters(), self._media.counts()
        models, shared = self.library.meters(), self.library.shared()
        counts = Counts({}, models, dict(links), shadows=shadows, media=media, shared=shared)
        with self._counting:
            open_, counts = list(self._metered), counts + self._closed
        return sum((Counts(each.meters(), {}, {}) for each in open_), counts)

    def close(self) -> None:
        """End what goes on beside the streams, which have ended."""
        self.shadows.close()
        if self._share is not None:
            self._share.leave()
        traces.send()
        self._media.close()

    def _let_go(self, metered: Cascade | TransformRunner) -> None:
        """Keep of what has closed what it counted, and nothing else: streams come and go for months."""
        meters = metered.meters()
        with self._counting:
            if metered in self._metered:
                self._metered.remove(metered)
            self._closed += Counts(meters, {}, {})

    def _parts(
        self,
        stream: str,
        downstream: Downstream | None,
        outbox: Outbox,
        frame_sinks: Sequence[FrameSink],
        position: Position,
        joins: bool,
    ) -> Parts:
        check_stages(self.plan, stream)
        spec = self.plan.pipeline.streams[stream].spec
        resumed = position.resume is not None
        with ExitStack() as opened:  # what keeps one of them from opening closes the others
            ring = self._media.ring(stream, spec, self.plan.pipeline.streams[stream].configs.get(RULES))
            kept = ring if spec.record_url is None else None
            source = self._source(stream, spec, position.resume, kept)
            opened.callback(source.close)
            media = self._media.of(stream, spec, origin(source), ring)
            if media is not None:
                opened.callback(media.close)
            away = downstream.away if downstream is not None else _nobody
            cascade = self._open(self.plan.segments[0].per_stream, (stream,), away, top=True)
            opened.callback(cascade.close)
            transforms = self.transforms(stream)
            opened.callback(transforms.close)
            if position.last is not None:
                cascade.restore(stream, position.states, position.last)
                transforms.restore(position.states)
                since = ((result.answer, result.moment) for result in position.since)
                transforms.catch_up(since, position.configs)
            info = replace(source.info, stays=spec.leaves_device == "never")
            writers = StreamFrameSinks.opened(frame_sinks, info, resumed=resumed, must=not (resumed or joins))
            writers.take_packets(kept)
            opened.pop_all()
        view = View.of(spec)
        return Parts(
            source,
            cascade,
            transforms,
            writers,
            media,
            hiding(view) if view else None,
            position.poison,
            (-1 if position.last is None else position.last.as_of, position.model),
            dict(position.states),
            reachback_of(self.plan, stream, partial(self.shadow, (), downstream), source, outbox, self.clock),
        )

    def _source(self, stream: str, spec: StreamSpec, resume: Resume | None, ring: PacketRing | None) -> Source:
        knobs = self.knobs[stream]
        if self._share is not None:
            return self._share.source(stream, spec, knobs=knobs, resume=resume, ring=ring)
        return open_source(stream, spec, knobs=knobs, resume=resume, clock=self.clock, ring=ring)

    def _open(
        self, stages: Sequence[PlacedStage], streams: Sequence[str], away: Callable[[str], Away | None], *, top: bool
    ) -> Cascade:
        """A cascade of these stages, opened by the thread that calls."""
        pipeline = self.plan.pipeline
        last = pipeline.stages[-1].id
        cascade = Cascade(
            [self._runner(stage, last) for stage in stages],
            pipeline.audit,
            last=last,
            top=top,
            # Below the device the check's answer is returned: with `late: detour` the stream has published by then.
            publish_checked=not any(map(pipeline.detours, streams)),
            closed=self._let_go,
            away=away,
        )
        cascade.open(streams)
        with self._counting:
            self._metered.append(cascade)
        return cascade

    def transforms(self, stream: str) -> TransformRunner:
        """The transforms of a stream's results, opened by the thread that calls."""
        pipeline = self.plan.pipeline
        opened = [self._opened(placed, stream, last=False) for placed in pipeline.transforms]
        runner = TransformRunner(opened, pipeline.classes.names, self._let_go, self._pack)
        with self._counting:
            self._metered.append(runner)
        return runner

    def _runner(self, placed: PlacedStage, last: str) -> StageRunner:
        self._here.add(placed.id)
        return StageRunner(
            placed.id,
            placed.type.shared,
            placed.id == last,
            lambda stream: self._opened(placed, stream, last=placed.id == last),
            self.plan.pipeline.classes.names,
            thread_cpu_ns,
            self.knobs,
            self._pack,
            stands_in=placed.only_when_away,
        )

    def _opened(self, placed: PlacedStage | PlacedTransform, stream: str | None, *, last: bool) -> Any:
        """A stage or a transform, with the settings of its stream."""
        try:
            part = placed.type()
            part.id = placed.id
            part.config = placed.config if stream is None else self.knobs[stream].stages[placed.id]
            classes = self.plan.pipeline.classes.names
            part.open(Context(placed.id, stream, self.library, classes, last, stream in self._live, self._live))
        except VidpipeError:
            raise
        except BaseException as error:
            kind = "stage" if isinstance(placed, PlacedStage) else "transform"
            raise StageError(f"{kind} {placed.id} does not open: {type(error).__name__}: {text_of(error)}") from error
        return part


def those_open(opened: Sequence[StreamInfo | SourceError]) -> list[StreamInfo]:
    """What is known of the streams that are open; where none is, raises what kept the first from opening."""
    infos = [info for info in opened if isinstance(info, StreamInfo)]
    errors = [error for error in opened if isinstance(error, SourceError)]
    if errors and not infos:
        raise errors[0]
    return infos


def _nobody(stream: str) -> Away | None:
    """Nobody is away where there is nobody further down."""
    return None


def _keep(kept: dict[str, Any], stream: str, value: Any) -> None:
    if value is None:
        kept.pop(stream, None)
    else:
        kept[stream] = value


def _knobs(pipeline: Pipeline, stream: str) -> Knobs:
    own = pipeline.streams[stream].configs
    settings = {id: own.get(id, part.config) for id, part in pipeline.placed.items()}
    return Knobs(pipeline.streams[stream].epoch, settings)
