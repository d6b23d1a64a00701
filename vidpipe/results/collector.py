"""Where all answers of a run come together: ledger, sinks, and where each stream stands."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from vidpipe.core.answer import How, nothing, unknown
from vidpipe.core.clock import REAL, Clock
from vidpipe.results.ledger import Latencies, StreamLedger
from vidpipe.results.records import Batch, Counts, Covered, Ended, Position, Result
from vidpipe.results.status import StatusMonitor
from vidpipe.results.usage import machine
from vidpipe.sources.base import Resume, Want


class Collector:
    """Counts, hands on and remembers; a `seq` that repeats or leaves a gap is a fault of ours, and raises.

    Args:
        live: the streams whose latency counts from when a picture was captured, not from when it was decoded.
        catch_up: whether transforms ask for what was published since their last snapshot.

    Attributes:
        sink_counts: tells what sinks have counted, by their names.
        taught: tells how good the events are that were taught, by stream and rule; see `results.taught`.
        counts: tells what stages, models and links have counted, as of late.
    """

    def __init__(
        self, streams: Iterable[str], *, live: Collection[str] = (), clock: Clock = REAL, catch_up: bool = False
    ) -> None:
        nothing()  # imports what answers are made of now, not under the first batch
        self._clock = clock
        self.ledgers: dict[str, StreamLedger] = {}
        self.ended: dict[str, Ended] = {}
        self.latencies = Latencies()
        self.status_monitors: dict[str, StatusMonitor] = {}
        self.sink_counts: Callable[[], Mapping[str, Mapping[str, int]]] = dict
        self.taught: Callable[[], Mapping[str, Mapping[str, Mapping[str, Any]]]] = dict
        self.counts: Callable[[], Counts] = lambda: Counts({}, {}, {})
        self._last: dict[str, Result] = {}
        self._states: dict[str, dict[str, bytes]] = {}
        self._since: dict[str, deque[Result]] | None = {} if catch_up else None  # what was published since, by stream
        self._looked_at: dict[str, float] = {}  # by the monotonic clock
        for stream in streams:
            self.begin(stream, live=stream in live)

    def take(self, batch: Batch) -> None:
        same_clock = batch.machine == machine()
        for record in batch.published:
            self._count(record)
            self._time(record, same_clock)
        for audit in batch.late_audits:
            self.ledgers[audit.stream].count_late_audit(audit)
        for late in batch.late_answers:
            self.ledgers[late.stream].count_late(late)
            self._note(late.stream, answered=True)
        for stream, count in batch.refused.items():
            self.ledgers[stream].refused += count
        for stream, counts in batch.reached_back.items():
            self.ledgers[stream].reachback.update(counts)
        for stream in batch.begun_anew:
            if stream in self.status_monitors:
                self.status_monitors[stream].begin_anew()
        for stream, health in batch.health.items():
            self.status_monitors[stream].look(health)
        for snapshot in batch.snapshots:
            self._states[snapshot.stream] = snapshot.states
            since = self._since.get(snapshot.stream) if self._since is not None else None
            while since and since[0].seq <= snapshot.seq:
                since.popleft()
        for ended in batch.ended:
            self.ended[ended.stream] = ended
            if ended.stream in self.status_monitors:
                self.status_monitors[ended.stream].end(ended.health)

    def begin(self, stream: str, *, live: bool) -> None:
        """Count a stream that joins, or begins anew behind its last answer, when nothing of the old picture holds."""
        self.ended.pop(stream, None)
        self._states.pop(stream, None)
        if self._since is not None:
            self._since[stream] = deque()
        if (last := self._last.get(stream)) is not None:
            self._last[stream] = last._replace(answer=unknown(), model=None)
        ledger = self.ledgers.setdefault(stream, StreamLedger())
        if live:
            self.status_monitors[stream] = StatusMonitor(ledger, self._clock)
        else:
            self.status_monitors.pop(stream, None)

    def promise(self, stream: str, floor: float | None, want: Want) -> None:
        """Hold the stream's accuracy against this from now on; see `StreamSpec`."""
        accuracy = self.ledgers[stream].accuracy
        accuracy.floor, accuracy.want = floor, want

    def note_away(self, away: Mapping[str, Mapping[str, float]]) -> None:
        """By stream, parts of the pipeline that nobody reaches now, and since when, by the monotonic clock."""
        for stream, monitor in self.status_monitors.items():
            monitor.away = away.get(stream, {})

    @property
    def done(self) -> bool:
        return len(self.ended) == len(self.ledgers)

    def frames_in(self) -> int:
        return sum(ledger.frames_in for ledger in self.ledgers.values())

    def position(self, stream: str) -> Position:
        """Where a stream has to go on, if what ran it is gone."""
        last = self._last.get(stream)
        if last is None:
            return Position()
        since = tuple(self._since[stream]) if self._since is not None else ()
        resume, states = Resume(last.seq, last.pts, last.captured_at), self._states.get(stream, {})
        return Position(resume, last.answer, states, since, model=last.model)

    def oldest_epoch(self, stream: str) -> int:
        """Of the settings of the oldest result that `position` may give again."""
        since = self._since.get(stream) if self._since is not None else None
        oldest = since[0] if since else self._last.get(stream)
        return 0 if oldest is None else oldest.epoch

    def newest(self, stream: str) -> Result | None:
        """What was published last of a stream."""
        return self._last.get(stream)

    def look_age_s(self, stream: str) -> float | None:
        """Seconds since somebody was last known to have looked at a picture of the stream; None: never."""
        at = self._looked_at.get(stream)
        return None if at is None else self._clock.monotonic() - at

    def _count(self, record: Result) -> None:
        last = self._last.get(record.stream)
        answer = record.answer
        # A late answer is not published, but those that carry it on are as of its frame.
        if answer.how is How.MEASURED or (last and last.answer.as_of < answer.as_of < record.seq):
            self._looked_at[record.stream] = self._clock.monotonic()
        if last is not None and record.seq != last.seq + 1:
            raise AssertionError(f"stream {record.stream}: frame {record.seq} came behind frame {last.seq}")
        kept = self._last[record.stream] = record._replace(picture=None)
        if self._since is not None:
            self._since[record.stream].append(kept)
        self.ledgers[record.stream].count(record)
        if record.covered in (Covered.LATE, Covered.AWAY) or (answer.how is How.FAILED and answer.by == "engine"):
            self._note(record.stream, answered=False)
        elif record.look is not None:
            self._note(record.stream, answered=True)

    def _note(self, stream: str, *, answered: bool) -> None:
        if (monitor := self.status_monitors.get(stream)) is not None:
            monitor.note(answered=answered)

    def _time(self, record: Result, same_clock: bool) -> None:
        """Count how old an answer is: by the clock that no one sets, where the stream is read on this machine."""
        if same_clock and record.since:
            self.latencies.add((self._clock.monotonic() - record.since) * 1000)
        elif not same_clock and record.captured_at is not None and record.stream in self.status_monitors:
            self.latencies.add((self._clock.utc() - record.captured_at) * 1000)
