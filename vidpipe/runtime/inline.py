"""The engine that runs everything in this process: for tests, debugging and notebooks."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from threading import Event
from typing import Any

from vidpipe.cascade.cascade import Away, Ticket
from vidpipe.core.clock import REAL, Clock
from vidpipe.core.frame import Frame
from vidpipe.core.settings import StageConfig
from vidpipe.models.library import Library
from vidpipe.pipeline.plan import Link, Plan
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.carried import Carried
from vidpipe.results.frame_sink import FrameSink
from vidpipe.results.machinery import LoadMeter, Machinery, driver, this_machine
from vidpipe.results.records import Batch, Counts, Position
from vidpipe.results.usage import own_cpu_s
from vidpipe.runtime.downstream import Downstream, PendingResult
from vidpipe.runtime.links.absences import Absences
from vidpipe.runtime.opening import opened
from vidpipe.runtime.remote.link import way_out
from vidpipe.runtime.segment_worker import SegmentWorker
from vidpipe.runtime.shadow.ask import ShadowAsk, Tell
from vidpipe.runtime.sharing import QueryShare
from vidpipe.runtime.stream_pool import StreamPool
from vidpipe.runtime.transport import codec
from vidpipe.runtime.transport.packing import packed, packed_shadow
from vidpipe.runtime.transport.parts import parts_of
from vidpipe.runtime.transport.size import own_size
from vidpipe.runtime.worker import WorkerRuntime, those_open
from vidpipe.sources.base import StreamInfo


class CodecLink:
    """A link inside one process: frames go through its codec as they would between two, so that answers are equal.

    Raw planes lose nothing and are only counted. Credits and the emulator are matters of time and have no place here.
    """

    def __init__(self, link: Link, downstream: Downstream, runtime: WorkerRuntime) -> None:
        self._link = link
        self._spec = link.spec
        self._far = link.far
        self._runtime = runtime
        self._downstream = downstream
        self.frames = 0
        self.bytes = 0

    def ask(self, ticket: Ticket, *, complete: bool) -> PendingResult:
        if self._spec.codec == "raw":
            places = parts_of(ticket, self._link, self._spec, own_size(ticket.frame, self._spec))
            self.bytes += codec.raw_nbytes(ticket.frame, places)
            frame = ticket.frame.across()
            frame.in_parts = places is not None
            ticket = Ticket(frame, due=ticket.due, straight=ticket.straight)
        else:
            heads = self._runtime.library.head
            item = packed(ticket, self._link, self._spec, complete=complete, heads=heads)
            ticket = codec.unpack(item, ticket.frame.knobs, self._runtime.views)
            self.bytes += item.nbytes
        self.frames += 1
        pending = self._downstream.ask(ticket, complete=complete)
        return pending.from_far() if self._far else pending

    def complete(self, stream: str, seq: int) -> None:
        self._downstream.complete(stream, seq)

    def away(self, stream: str) -> Away | None:
        return None

    def shadow(self, frame: Frame, asks: Sequence[ShadowAsk], tell: Tell) -> None:
        if self._spec.codec != "raw":
            item = packed_shadow(frame, self._link, [(ask.stage, ask.config) for ask in asks])
            frame = codec.unpack(item, frame.knobs, self._runtime.views).frame
        self._downstream.shadow(frame, asks, tell)


class Stack:
    """Neighbouring segments in one process, one below the other, with the links between them.

    Args:
        segments: their indices in the plan.
        downstream: where frames go that the last of them passes on.

    Attributes:
        top: where the first one hands its frames to, in its own stages' stead where it has none to share.
    """

    def __init__(self, plan: Plan, segments: range, downstream: Downstream | None, runtime: WorkerRuntime) -> None:
        self._segment_workers: list[SegmentWorker] = []
        self._links: dict[str, CodecLink] = {}
        self.top = downstream
        for index in reversed(segments):
            if index == 0 and not plan.segments[0].shared:
                break
            segment_worker = runtime.segment_worker(index, self.top)
            self._segment_workers.insert(0, segment_worker)
            self.top = segment_worker
            if index > segments[0]:
                link = plan.links[index - 1]
                self.top = self._links[link.name] = CodecLink(link, segment_worker, runtime)

    def start(self) -> list[Future[Any]]:
        """Open the stages; a future for each segment that has any."""
        return [segment_worker.start() for segment_worker in self._segment_workers]

    def restore(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Have the stages take up what they kept, by stream and stage id."""
        for segment_worker in self._segment_workers:
            segment_worker.restore(states)

    def counts(self) -> dict[str, Carried]:
        """What the links have carried, by name."""
        return {name: Carried(link.frames, link.bytes) for name, link in self._links.items()}

    def close(self, until: float) -> None:
        """Close the stages, from the first on, and wait for that until this time of the monotonic clock."""
        for segment_worker in self._segment_workers:
            segment_worker.stop(max(0.0, until - time.monotonic()))


class InlineEngine:
    """Segments as threads of this process, those aside that a server runs.

    Args:
        library: the models, where others have loaded them.
        positions: where streams begin; from their beginning, where nothing is said.
        share: what it has in common with the other queries of this process; None: it is alone.
    """

    waiting = False

    def __init__(
        self,
        plan: Plan,
        frame_sinks: Sequence[FrameSink] = (),
        clock: Clock = REAL,
        *,
        library: Library | None = None,
        positions: Mapping[str, Position] | None = None,
        share: QueryShare | None = None,
    ) -> None:
        self._runtime = WorkerRuntime(plan, clock=clock, library=library, share=share)
        self._positions = positions or {}
        self._link = way_out(plan, self._runtime)
        self._away = Absences(clock)
        self._stack = Stack(plan, range(plan.here), self._link, self._runtime)
        self._stream_pool = StreamPool(
            self._runtime, self._stack.top, frame_sinks, plan.at_once * max(1, len(plan.groups))
        )
        self._streams = [stream for group in plan.groups for stream in group]
        self._cpu_at_start_s = 0.0
        self._load = LoadMeter(clock)

    def open(self, stop: Event) -> list[StreamInfo]:
        """Open everything, unless `stop` is set meanwhile; raises what kept a part from opening."""
        opened([*self._stack.start(), *([self._link.start()] if self._link else [])], stop)
        if stop.is_set():
            return []
        positions = {stream: self._positions.get(stream, Position()) for stream in self._streams}
        return those_open(self._stream_pool.open(positions, stop))

    def start(self) -> None:
        self._cpu_at_start_s = own_cpu_s()
        self._stream_pool.start()

    def take(self, timeout_s: float, *, hold: bool = False) -> list[Batch]:
        if self._link is not None:
            self._away.note(self._link.absent)
        batch = self._stream_pool.take(timeout_s, hold=hold)
        return [batch] if batch else []

    def rest(self) -> list[Batch]:
        return []

    def stop(self) -> None:
        self._stream_pool.stop()
        if self._link is not None:
            self._link.stop()

    def update(self, pipeline: Pipeline) -> None:
        """Know other streams from now on."""
        self._runtime.update(pipeline)

    def check(self, pipeline: Pipeline) -> None:
        """All of them could."""

    def prepare(self, configs: Mapping[str, Sequence[StageConfig]]) -> None:
        """Load what these settings of stages need."""
        self._runtime.prepare(configs)
        if self._link is not None:
            self._link.prepare(configs)

    def remove(self, streams: Collection[str]) -> None:
        """End these streams; each is told of when it has ended."""
        self._stream_pool.stop(streams)

    def add(self, positions: Mapping[str, Position]) -> None:
        """Begin these streams, each where it stands."""
        self._stream_pool.add(positions)

    def ask(self, stream: str, asks: Sequence[ShadowAsk]) -> None:
        """Have these asked of the stream's next picture, in the shadow of its own answer."""
        self._stream_pool.ask(stream, asks)

    def away(self) -> Mapping[str, Mapping[str, float]]:
        away = self._away.segments
        return dict.fromkeys(self._runtime.plan.pipeline.streams, away) if away else {}

    def counts(self, *, fresh: bool = True) -> Counts:
        if self._link is None:
            return self._runtime.counts(self._stack.counts())
        counts = self._runtime.counts(self._stack.counts() | self._link.counts())
        return counts + self._link.server_counts(fresh=fresh)

    def machinery(self) -> Machinery:
        tiers = dict.fromkeys(str(segment.tier) for segment in self._runtime.plan.segments[: self._runtime.plan.here])
        load, streams = self._load.look(), tuple(self._runtime.plan.pipeline.streams)
        tier = next(iter(tiers)) if len(tiers) == 1 else ""
        return Machinery([this_machine(load, list(tiers))], [driver(load, self.cpu_s(), tier=tier, streams=streams)])

    def cpu_s(self) -> float:
        """CPU seconds of the process, its trainings and its shadow asks since `start`."""
        return own_cpu_s() + self._runtime.shadows.cpu_s - self._cpu_at_start_s

    def close(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        self._stream_pool.close(deadline)
        self._stack.close(deadline)
        if self._link is not None:
            self._link.close()
        self._runtime.close()
