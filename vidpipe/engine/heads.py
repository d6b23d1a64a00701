"""The streams of one device: begun, ended and asked for what has come, together or one by one."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from vidpipe.engine.below import Below
from vidpipe.engine.caution import FRAMES, Caution
from vidpipe.engine.head import Head
from vidpipe.engine.host import Host, Position
from vidpipe.engine.records import Batch, Ended, Outbox
from vidpipe.engine.taps import Tap
from vidpipe.engine.usage import machine
from vidpipe.engine.vitals import Checkup
from vidpipe.errors import SourceError
from vidpipe.sources.base import StreamInfo


class Heads:
    """Runs the streams of one process, which share an outbox.

    Args:
        below: where frames go that a stream's own stages pass on.
        taps: see each stream's frames and answers.
    """

    def __init__(self, host: Host, below: Below | None, taps: Sequence[Tap]) -> None:
        self._host = host
        self._below = below
        self._taps = taps
        self._outbox = Outbox()
        self._caution = Caution(self._outbox)
        self._checkup = Checkup()
        self._heads: Mapping[str, Head] = {}  # made anew when it changes: who takes and who adds may be two threads

    def open(self, positions: Mapping[str, Position]) -> list[StreamInfo | SourceError]:
        """Open these streams, each where it stands; raises what kept one from opening, unless it is a live one."""
        careful = sum(position.careful for position in positions.values())
        self._caution.begin(FRAMES * careful)
        return [opened.result() for opened in [self._made(stream, at).open() for stream, at in positions.items()]]

    def start(self) -> None:
        """Have all that are open begin together."""
        for head in self._heads.values():
            head.start()

    def add(self, positions: Mapping[str, Position]) -> None:
        """Begin these streams while others go on: what keeps one from opening ends it, and nothing else."""
        for stream, position in positions.items():
            head = self._made(stream, position, joins=True)
            head.open().add_done_callback(partial(self._tell, stream))
            head.start()

    def take(self, timeout_s: float) -> Batch:
        """What has come, as soon as there is something, and now and then how sources fare."""
        batch = self._outbox.take(timeout_s)
        batch.machine = machine()
        batch.health = self._checkup((stream, head.health) for stream, head in self._heads.items())
        return batch

    def stop(self, streams: Collection[str] | None = None) -> None:
        """End these streams, by default all; each is told of when it has ended."""
        for stream, head in self._heads.items():
            if streams is None or stream in streams:
                head.stop()

    def close(self, until: float) -> None:
        """End all, and wait for them until this time of the monotonic clock."""
        self.stop()
        self._outbox.close()
        for head in self._heads.values():
            head.join(max(0.0, until - time.monotonic()))

    def _made(self, stream: str, position: Position, *, joins: bool = False) -> Head:
        head = self._host.head(stream, self._below, self._outbox, self._taps, position, self._caution, joins=joins)
        self._heads = {**self._heads, stream: head}
        return head

    def _tell(self, stream: str, opened: Future[StreamInfo | SourceError]) -> None:
        if error := opened.exception():
            self._outbox.ended(Ended(stream, error if isinstance(error, Exception) else None))
