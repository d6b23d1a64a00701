"""An archive: recordings to index, cut, answer and join; what workers get next, and what becomes of it."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Protocol

from vidpipe.archive.answering import ChunkTask, IndexTask, NotAsIndexedError
from vidpipe.archive.chunk_file import failed
from vidpipe.archive.chunks import Chunk
from vidpipe.archive.folder import Folder
from vidpipe.archive.index import Identity, Index
from vidpipe.archive.joining import Answered, Joiner
from vidpipe.core.errors import ConfigError, SourceError
from vidpipe.pipeline.spec import Stream
from vidpipe.results.provenance import stream_settings
from vidpipe.runtime.tasks import Done, TaskWorkers

TRIES = 3  # of a chunk that kills its process, or hangs
SILENT_S = 120.0  # that a worker may be silent at least: then it hangs
SILENT_CHUNKS = 3  # times as long as a chunk takes in the middle, that it may be
LOOK_S = 0.2  # between two looks at what is done
NOTED_EVERY_S = 5.0
_REMEMBERED = 101  # chunks
MOST_PICTURES = 20_000_000  # whose times are in memory: 160 MB


@dataclass(slots=True)
class Recording:
    """A recording on its way.

    Attributes:
        index: None: it is not made yet.
        digest: names the chunks that go together.
        waiting: chunks that are not answered; None: it is not known which there are.
        left_out: why it is; "" where it is not.
    """

    name: str
    stream: Stream
    index: Index | None = None
    digest: str = ""
    chunks: list[Chunk] = field(default_factory=list)
    waiting: set[Chunk] | None = None
    left_out: str = ""


@dataclass(slots=True)
class Progress:
    """How far an archive is.

    Attributes:
        joined, left_out: recordings.
        chunks: that are known; done ones among them, failed ones among those, and those at work.
        media_s: media seconds that are done, those of other starts included; `now_s`: of this start.
        left_s: media seconds that are known to be left; what is not indexed yet is left out.
    """

    recordings: int = 0
    indexed: int = 0
    joined: int = 0
    left_out: int = 0
    chunks: int = 0
    done: int = 0
    failed: int = 0
    at_work: int = 0
    media_s: float = 0.0
    now_s: float = 0.0
    left_s: float = 0.0


class Watcher(Protocol):
    """Is shown how far an archive is."""

    def look(self, progress: Progress) -> None: ...


class Archive:
    """Has workers answer recordings until all are joined.

    Recordings come in order, and so do the chunks of one: as soon as one is complete it is joined, while workers go on.

    Args:
        streams: by name; each a recording.
        chunk_s, warm_up_s: as of `cut`.
        stop: ends it in order: what workers are at is lost, and all else stays.
    """

    def __init__(
        self,
        streams: Mapping[str, Stream],
        folder: Folder,
        workers: TaskWorkers,
        joiner: Joiner,
        watchers: Sequence[Watcher],
        *,
        chunk_s: float,
        warm_up_s: float,
        stop: threading.Event,
    ) -> None:
        self.progress = Progress(len(streams))
        self._recordings = {name: Recording(name, stream) for name, stream in streams.items()}
        self._folder = folder
        self._workers = workers
        self._joiner = joiner
        self._watchers = watchers
        self._lengths = chunk_s, warm_up_s
        self._stop = stop
        self._to_index = deque(self._recordings.values())
        self._to_answer: deque[tuple[Recording, Chunk]] = deque()
        self._to_join = deque(self._recordings.values())
        self._given_at: dict[tuple[str, Chunk], float] = {}
        self._took_s: deque[float] = deque(maxlen=_REMEMBERED)  # seconds of the newest chunks
        self._deaths: Counter[tuple[str, int]] = Counter()
        self._joining: tuple[Recording, Future[None]] | None = None
        self._pictures = 0  # whose times are in memory
        self._noted_at = time.monotonic()
        self._worked_before_s = folder.worked_s
        self._began = time.monotonic()

    @property
    def left_out(self) -> dict[str, str]:
        """Why recordings are, by name."""
        return {name: each.left_out for name, each in self._recordings.items() if each.left_out}

    @property
    def deaths(self) -> int:
        """How often a worker has died, in this start."""
        return self._deaths.total()

    @property
    def worked_s(self) -> float:
        """Seconds that were worked on it, by all starts together."""
        return self._worked_before_s + time.monotonic() - self._began

    def leave_out(self, name: str, why: str) -> None:
        """Go on without a recording."""
        recording = self._recordings[name]
        if recording.left_out:
            return
        recording.left_out = why
        self.progress.left_out += 1
        for chunk in recording.waiting or ():
            self._count(recording, chunk, -1)
        recording.waiting = None
        self._forget(recording)

    def run(self) -> None:
        """Until all is joined or left out, or `stop` is set.

        Raises:
            ConfigError: no recording can be answered.
            RunError: the disk is full, or workers cannot be had.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="vidpipe-join") as joining:
            try:
                while not self._stop.is_set() and (self._to_join or self._joining):
                    self._give_out()
                    self._workers.end_silent(self._longest_silent_s)
                    for done in self._workers.take(LOOK_S):
                        self._take(done)
                    if not self._stop.is_set():
                        self._join_next(joining)
                    self._tell()
            except BaseException:
                self._stop.set()  # the joiner gives up
                raise
            finally:
                self._workers.close()
                self._folder.worked_s = self.worked_s

    @property
    def _longest_silent_s(self) -> float:
        """Seconds without a sign of a worker, after which it hangs: no chunk is to be given up for a slow machine."""
        return max(SILENT_S, SILENT_CHUNKS * median(self._took_s)) if self._took_s else SILENT_S

    def _give_out(self) -> None:
        while self._workers.free and (task := self._next()) is not None:
            self._workers.put(task)
            if isinstance(task, ChunkTask):
                self._given_at[task.name, task.chunk] = time.monotonic()
            self.progress.at_work += isinstance(task, ChunkTask)

    def _next(self) -> IndexTask | ChunkTask | None:
        """What a worker does next: an index only where too few chunks wait."""
        while self._to_index and len(self._to_answer) <= self._workers.free and self._pictures < MOST_PICTURES:
            recording = self._to_index.popleft()
            if recording.left_out:
                continue
            try:
                index = self._folder.index(recording.name, Identity.of(Path(recording.stream.spec.url)))
            except SourceError as error:
                self.leave_out(recording.name, str(error))
                continue
            if index is None:
                return IndexTask(recording.name, recording.stream)
            self._cut(recording, index)
        while self._to_answer:
            recording, chunk = self._to_answer.popleft()
            if recording.waiting and chunk in recording.waiting and recording.index is not None:
                resume, end_s = recording.index.resume(chunk), recording.index.end_s(chunk)
                place = recording.index.identity, chunk, resume, end_s, len(recording.chunks) == 1
                return ChunkTask(recording.name, recording.stream, *place)
        return None

    def _cut(self, recording: Recording, index: Index) -> None:
        """Know the chunks of a recording, and which of them are left."""
        recording.index = index
        self._pictures += len(index.times_us)
        recording.digest = index.digest(stream_settings(recording.stream))
        recording.chunks = index.chunks(*self._lengths)
        self._folder.forget_others(recording.name, recording.digest)
        recording.waiting = set()
        self.progress.indexed += 1
        for chunk in recording.chunks:
            self._count(recording, chunk, 1)
            if self._folder.chunk(recording.name, recording.digest, chunk).exists():
                self._note(recording, chunk)
            else:
                recording.waiting.add(chunk)
                self._to_answer.append((recording, chunk))

    def _take(self, done: Done) -> None:
        task = done.task
        recording = self._recordings[task.name]
        if isinstance(task, ChunkTask):
            self.progress.at_work -= 1
            took_s = time.monotonic() - self._given_at.pop((task.name, task.chunk))
            if done.error is None and not done.died:
                self._took_s.append(took_s)
        if recording.left_out:
            return
        if isinstance(done.error, NotAsIndexedError) and recording.index is not None:
            self._keep_whole(recording, recording.index, str(done.error))
        elif isinstance(done.error, SourceError):
            self.leave_out(task.name, str(done.error))
        elif isinstance(done.error, ConfigError):
            raise done.error
        elif done.error is not None or done.died:
            self._again(recording, task, str(done.error) if done.error is not None else done.died)
        elif isinstance(task, IndexTask):
            self._folder.write_index(task.name, done.value)
            self._cut(recording, done.value)
        else:
            self._answered(recording, task.chunk, done.value)

    def _answered(self, recording: Recording, chunk: Chunk, answers: bytes) -> None:
        if recording.waiting is None or chunk not in recording.waiting:  # it is cut otherwise by now
            return
        self._folder.write_chunk(recording.name, recording.digest, chunk, answers)
        recording.waiting.discard(chunk)
        self._note(recording, chunk)
        self.progress.now_s += _seconds(recording, chunk)

    def _again(self, recording: Recording, task: IndexTask | ChunkTask, why: str) -> None:
        """Have a task tried again whose worker died, unless it has cost too many."""
        place = task.chunk.begin if isinstance(task, ChunkTask) else -1
        self._deaths[task.name, place] += 1
        tried = self._deaths[task.name, place] < TRIES
        if isinstance(task, IndexTask):
            if tried:
                self._to_index.appendleft(recording)
            else:
                self.leave_out(task.name, f"it cannot be indexed: {why}, {TRIES} times")
        elif tried:
            self._to_answer.appendleft((recording, task.chunk))
        elif recording.waiting is not None and task.chunk in recording.waiting:
            self._answered(recording, task.chunk, failed(f"{why}, {TRIES} times"))
            self.progress.failed += 1

    def _keep_whole(self, recording: Recording, index: Index, why: str) -> None:
        """Answer a recording in one go, as its pictures do not lie where its key frames say."""
        if index.uncut:
            return
        for chunk in recording.chunks:
            if recording.waiting is not None and chunk not in recording.waiting:
                self.progress.done -= 1
                self.progress.media_s -= _seconds(recording, chunk)
                self.progress.left_s += _seconds(recording, chunk)
            self._count(recording, chunk, -1)
        self.progress.indexed -= 1
        self._forget(recording)
        whole = replace(index, uncut=why)
        self._folder.write_index(recording.name, whole)
        self._cut(recording, whole)

    def _join_next(self, joining: ThreadPoolExecutor) -> None:
        """Join the next recording in order, once it is complete and the one before it is joined."""
        if self._joining is not None:
            joined, result = self._joining
            if not result.done():
                return
            result.result()
            self._joining = None
            self._forget(joined)
            self.progress.joined += 1
        while self._to_join and self._to_join[0].left_out:
            self._to_join.popleft()
        if not self._to_join or self._to_join[0].waiting != set():
            return
        recording = self._to_join.popleft()
        assert recording.index is not None
        files = [self._folder.chunk(recording.name, recording.digest, chunk) for chunk in recording.chunks]
        chunks = list(zip(recording.chunks, files, strict=True))
        answered = Answered(recording.name, recording.stream, recording.index, chunks)
        self._joining = recording, joining.submit(self._joiner.join, answered)

    def _forget(self, recording: Recording) -> None:
        """Let go of what takes memory."""
        if recording.index is not None:
            self._pictures -= len(recording.index.times_us)
        recording.index = None

    def _tell(self) -> None:
        for watcher in self._watchers:
            watcher.look(self.progress)
        if time.monotonic() - self._noted_at > NOTED_EVERY_S:
            self._noted_at = time.monotonic()
            self._folder.worked_s = self.worked_s

    def _count(self, recording: Recording, chunk: Chunk, sign: int) -> None:
        self.progress.chunks += sign
        self.progress.left_s += sign * _seconds(recording, chunk)

    def _note(self, recording: Recording, chunk: Chunk) -> None:
        self.progress.done += 1
        self.progress.media_s += _seconds(recording, chunk)
        self.progress.left_s -= _seconds(recording, chunk)


def _seconds(recording: Recording, chunk: Chunk) -> float:
    index = recording.index
    if index is None:
        return 0.0
    return (index.pts(chunk.end) if chunk.end < len(index.times_us) else index.pts(-1)) - index.pts(chunk.begin)
