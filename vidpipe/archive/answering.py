"""What a worker does: index a recording, or answer a chunk of one, in one process and with a thread for each model."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vidpipe.archive.ahead.run import AheadRun
from vidpipe.archive.chunk_file import ChunkWriter, End, Told
from vidpipe.archive.chunks import Chunk
from vidpipe.archive.index import Identity, Index, index
from vidpipe.core.errors import ConfigError, RunError, SourceError
from vidpipe.core.event import Event
from vidpipe.models.library import Library
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.results.records import Counts, Ended, Position, Result
from vidpipe.results.usage import machine, own_cpu_s
from vidpipe.runtime.inline import InlineEngine
from vidpipe.runtime.remote.values import CannotCrossError
from vidpipe.sources.base import Resume
from vidpipe.transforms.rules.rules import RULES

CLOSE_S = 10.0  # for threads of a chunk that has been answered


class NotAsIndexedError(RunError):
    """A chunk does not hold the pictures that its index says: it cannot be joined to its neighbours."""


@dataclass(frozen=True, slots=True)
class IndexTask:
    """Make the index of a recording."""

    name: str
    stream: Stream


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """Answer a chunk of a recording.

    Attributes:
        resume: what its first picture comes behind; None: it is the first of the recording.
        end_s: media seconds at which it ends; None: with the recording.
        alone: it is the whole recording, and joined to nothing.
    """

    name: str
    stream: Stream
    identity: Identity
    chunk: Chunk
    resume: Resume | None
    end_s: float | None
    alone: bool


class Answerer:
    """Does the tasks of one worker, one after the other; models stay loaded from one to the next.

    Args:
        pipeline: without streams.
        driver: the machine that lists the recordings, as `usage.machine` calls it.
        look_ahead: boxes between two looks come from both of them.

    Attributes:
        beat: is called as pictures are answered.
    """

    def __init__(self, pipeline: Pipeline, driver: str, *, look_ahead: bool = False) -> None:
        self._pipeline = pipeline
        self._look_ahead = look_ahead
        self.beat: Callable[[], None] = lambda: None
        self._far = machine() != driver
        self._cpu_s = 0.0  # of this process up to the end of the task before
        paths = [Path(path) for path in pipeline.search_paths]
        self._library = Library(pipeline.models, pipeline.classes, search_paths=paths, threads=1)

    def __call__(self, task: IndexTask | ChunkTask) -> Index | bytes:
        """The index, or the answers as a chunk file has them.

        Raises:
            SourceError: of this recording; others may be better.
            NotAsIndexedError: the recording must not be cut.
            VidpipeError: no recording can be answered.
        """
        path = Path(task.stream.spec.url)
        if self._far and not path.exists():
            raise ConfigError(
                f"recording {path} is not on machine {socket.gethostname()}: workers read recordings by the paths that "
                "they have where the archive is driven; mount the folder there as well, or leave out --address"
            )
        if isinstance(task, IndexTask):
            return replace(index(task.stream.spec, self.beat), cpu_s=self._took_cpu_s())
        return self._answer(task)

    def _answer(self, task: ChunkTask) -> bytes:
        task.identity.check()
        began = time.perf_counter()
        writer, chunk = ChunkWriter(), task.chunk
        engine = self._begun(task)
        seq, ended = chunk.warm, None
        try:
            for came in engine:
                self.beat()
                if isinstance(came, Ended):
                    ended = came
                    continue
                if came.result.seq != seq:
                    raise NotAsIndexedError(f"frame {came.result.seq} came in place of frame {seq}")
                seq += 1
                writer.add(came)
            counts = engine.counts()
        except CannotCrossError as error:
            raise ConfigError(f"an answer holds what no file can keep: {error}") from None
        finally:
            engine.close(CLOSE_S)
        task.identity.check()
        broken_off = _broken_off(ended)
        if seq != chunk.end and not task.alone:
            raise NotAsIndexedError(f"{seq - chunk.begin} frames came in place of {chunk.end - chunk.begin}")
        notes = ended.notes if ended is not None else ()
        wall_s = time.perf_counter() - began
        return writer.end(End(counts.past(), wall_s, self._took_cpu_s(), notes, broken_off))

    def _took_cpu_s(self) -> float:
        """CPU seconds since the task before; of the first one, with those that the process took to begin."""
        before, self._cpu_s = self._cpu_s, own_cpu_s()
        return self._cpu_s - before

    def _begun(self, task: ChunkTask) -> _OneRun | AheadRun:
        end_s = task.stream.spec.end_s if task.end_s is None else task.end_s
        spec = task.stream.spec.model_copy(update={"end_s": end_s})
        # The models that are loaded go from chunk to chunk; what they are asked is counted by chunk.
        self._library = self._library.sharing()
        pipeline = replace(self._pipeline, streams={task.name: replace(task.stream, spec=spec)})
        if self._look_ahead:
            return AheadRun(pipeline, task.name, self._library, task.resume)
        return _OneRun(
            InlineEngine(plan(pipeline), library=self._library, positions={task.name: Position(task.resume)})
        )


def without_rules(pipeline: Pipeline) -> Pipeline:
    """The pipeline as chunks are answered: all of it here, every answer is waited for, and nothing is told of it.

    Rules are held against the joined results: at a joint they would know nothing of what came before.
    """
    transforms = tuple(each for each in pipeline.transforms if each.id != RULES)
    return replace(pipeline.without_outputs, transforms=transforms, late="wait", tuner=None)


class _OneRun:
    """A chunk as a run answers it: each frame when it comes."""

    def __init__(self, engine: InlineEngine) -> None:
        self._engine = engine

    def __iter__(self) -> Iterator[Told | Ended]:
        """What comes of its one recording, which begins now; each result with the events up to it."""
        engine = self._engine
        engine.open(threading.Event())
        engine.start()
        waiting: deque[Result] = deque()
        events: deque[Event] = deque()
        while True:
            for batch in engine.take(0.2):
                waiting += batch.published
                events += batch.events
                while waiting:
                    result = waiting.popleft()
                    with_it = []
                    while events and events[0].seq <= result.seq:
                        with_it.append(events.popleft())
                    yield Told(result, tuple(with_it))
                if batch.ended:
                    yield batch.ended[0]
                    return

    def counts(self) -> Counts:
        """What stages and models have done."""
        return self._engine.counts()

    def close(self, patience_s: float) -> None:
        """End its threads."""
        self._engine.close(patience_s)


def _broken_off(ended: Ended | None) -> str:
    """Why the recording gave no more than it did; raises what else has ended it."""
    if ended is None or ended.error is None:
        return ""
    if isinstance(ended.error, SourceError):
        return str(ended.error)
    raise RunError(str(ended.error))
