"""The streams of one device: begun, ended and asked for what has come, together or one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Event

from vidpipe.core.errors import SourceError
from vidpipe.results.frame_sink import FrameSink
from vidpipe.results.outbox import Outbox
from vidpipe.results.records import Batch, Ended, Position
from vidpipe.results.status import HealthPoll
from vidpipe.results.usage import machine
from vidpipe.runtime.downstream import Downstream
from vidpipe.runtime.opening import opened
from vidpipe.runtime.shadow.ask import ShadowAsk
from vidpipe.runtime.shadow.stream import StreamShadows
from vidpipe.runtime.streams.caution import FRAMES, Caution
from vidpipe.runtime.streams.stream_worker import StreamWorker
from vidpipe.runtime.worker import WorkerRuntime
from vidpipe.sources.base import StreamInfo


class StreamPool:
    """Runs the streams of one process, which share an outbox.

    Args:
        downstream: where frames go that a stream's own stages pass on.
        frame_sinks: see each stream's frames and answers.
        at_once: how many recordings are open at a time; others wait until one has ended. No live stream waits.
    """

    def __init__(
        self, runtime: WorkerRuntime, downstream: Downstream | None, frame_sinks: Sequence[FrameSink], at_once: int
    ) -> None:
        self._runtime = runtime
        self._at_once = at_once
        self._recordings: set[str] = set()  # those that are open
        self._waiting: dict[str, Position] = {}
        self._turn = threading.Lock()
        self._downstream = downstream
        self._frame_sinks = frame_sinks
        self._outbox = Outbox(Outbox.LIMIT_PICTURES if runtime.plan.pictures else Outbox.LIMIT)
        self._caution = Caution(self._outbox)
        self._health_poll = HealthPoll(runtime.clock)
        self._workers: Mapping[
            str, StreamWorker
        ] = {}  # made anew when it changes: who takes and who adds may be two threads

    def open(self, positions: Mapping[str, Position], stop: Event) -> list[StreamInfo | SourceError]:
        """Open these streams, each where it stands, as far as it is their turn and `stop` is not set.

        Raises what kept one from opening, unless it is a live one.
        """
        positions = self._in_turn(positions)
        careful = sum(position.careful for position in positions.values())
        self._caution.begin(FRAMES * careful)
        return opened([self._made(stream, at).open() for stream, at in positions.items()], stop)

    def start(self) -> None:
        """Have all that are open begin together."""
        for worker in self._workers.values():
            worker.start()

    def add(self, positions: Mapping[str, Position]) -> None:
        """Begin these streams while others go on: what keeps one from opening ends it, and nothing else."""
        for stream, position in self._in_turn(positions).items():
            worker = self._made(stream, position, joins=True)
            worker.open().add_done_callback(partial(self._tell, stream))
            worker.start()

    def ask(self, stream: str, asks: Sequence[ShadowAsk]) -> None:
        """Have these asked of the stream's next picture, in the shadow of its own answer."""
        if worker := self._workers.get(stream):
            worker.shadows.put(asks)
            return
        StreamShadows(stream, self._outbox, None).refuse(asks, "the stream is not open")

    def take(self, timeout_s: float, *, hold: bool = False) -> Batch:
        """What has come, as soon as there is something, and now and then how sources fare; see `Outbox.take`."""
        batch = self._outbox.take(timeout_s, hold=hold)
        batch.machine = machine()
        batch.health = self._health_poll((stream, worker.health) for stream, worker in self._workers.items())
        if batch.ended:
            self._let_next(ended.stream for ended in batch.ended)
        return batch

    def stop(self, streams: Collection[str] | None = None) -> None:
        """End these streams, by default all; each is told of when it has ended."""
        with self._turn:
            leaving = [stream for stream in self._waiting if streams is None or stream in streams]
            for stream in leaving:
                del self._waiting[stream]
        for stream in leaving:
            self._outbox.ended(Ended(stream))
        for stream, worker in self._workers.items():
            if streams is None or stream in streams:
                worker.stop()

    def close(self, until: float) -> None:
        """End all, and wait for them until this time of the monotonic clock."""
        self.stop()
        self._outbox.close()
        for worker in self._workers.values():
            worker.join(max(0.0, until - time.monotonic()))

    def _in_turn(self, positions: Mapping[str, Position]) -> dict[str, Position]:
        """Of these streams those that begin now; the others wait for their turn."""
        begin = {}
        with self._turn:
            for stream, position in positions.items():
                if not self._runtime.is_live(stream):
                    if len(self._recordings) >= self._at_once:
                        self._waiting[stream] = position
                        continue
                    self._recordings.add(stream)
                begin[stream] = position
        return begin

    def _let_next(self, ended: Iterable[str]) -> None:
        """Let go of streams that have ended, and begin those whose turn it is."""
        with self._turn:
            gone = set(ended)
            self._recordings -= gone
            self._workers = {stream: worker for stream, worker in self._workers.items() if stream not in gone}
            waiting, self._waiting = self._waiting, {}
        self.add(waiting)

    def _made(self, stream: str, position: Position, *, joins: bool = False) -> StreamWorker:
        worker = self._runtime.stream_worker(
            stream, self._downstream, self._outbox, self._frame_sinks, position, self._caution, joins=joins
        )
        self._workers = {**self._workers, stream: worker}
        return worker

    def _tell(self, stream: str, opened: Future[StreamInfo | SourceError]) -> None:
        if error := opened.exception():
            self._outbox.ended(Ended(stream, error if isinstance(error, Exception) else None))
