"""The engine that runs everything in this process: for tests, debugging and notebooks."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from threading import Event
from typing import Any

from vidpipe.cascade import Ticket
from vidpipe.engine import wire
from vidpipe.engine.below import Below, Reply
from vidpipe.engine.heads import Heads
from vidpipe.engine.host import Counts, Host, Position, those_open
from vidpipe.engine.opening import opened
from vidpipe.engine.pipeline import Pipeline
from vidpipe.engine.plan import Link, Plan
from vidpipe.engine.records import Batch
from vidpipe.engine.tail import Tail
from vidpipe.engine.taps import Tap
from vidpipe.engine.usage import own_cpu_s
from vidpipe.sources.base import StreamInfo
from vidpipe.stages.base import StageConfig


class CodecLink:
    """A link inside one process: frames go through its codec as they would between two, so that answers are equal.

    Raw planes lose nothing and are only counted. Credits and the shaper are matters of time and have no place here.
    """

    def __init__(self, link: Link, below: Below, host: Host) -> None:
        self._spec = link.spec
        self._far = link.far
        self._host = host
        self._below = below
        self.frames = 0
        self.bytes = 0

    def ask(self, ticket: Ticket, *, settle: bool) -> Reply:
        if self._spec.codec == "raw":
            self.bytes += ticket.frame.picture.nbytes
            ticket = Ticket(ticket.frame.across(), due=ticket.due, straight=ticket.straight)
        else:
            packed = wire.pack(ticket, self._spec, settle=settle)
            ticket = wire.unpack(packed, ticket.frame.knobs, self._host.views)
            self.bytes += packed.nbytes
        self.frames += 1
        reply = self._below.ask(ticket, settle=settle)
        return reply.from_far() if self._far else reply

    def settle(self, stream: str, seq: int) -> None:
        self._below.settle(stream, seq)


class Stack:
    """Neighbouring segments in one process, one below the other, with the links between them.

    Args:
        segments: their indices in the plan.
        below: where frames go that the last of them passes on.

    Attributes:
        top: where the first one hands its frames to, in its own stages' stead where it has none to share.
    """

    def __init__(self, plan: Plan, segments: range, below: Below | None, host: Host) -> None:
        self._tails: list[Tail] = []
        self._links: dict[str, CodecLink] = {}
        self.top = below
        for index in reversed(segments):
            if index == 0 and not plan.segments[0].tail:
                break
            tail = host.tail(index, self.top)
            self._tails.insert(0, tail)
            self.top = tail
            if index > segments[0]:
                link = plan.links[index - 1]
                self.top = self._links[link.name] = CodecLink(link, tail, host)

    def start(self) -> list[Future[Any]]:
        """Open the stages; a future for each segment that has any."""
        return [tail.start() for tail in self._tails]

    def restore(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Have the stages take up what they kept, by stream and stage id."""
        for tail in self._tails:
            tail.restore(states)

    def counts(self) -> dict[str, tuple[int, int]]:
        """Frames and bytes that the links have carried, by name."""
        return {name: (link.frames, link.bytes) for name, link in self._links.items()}

    def close(self, until: float) -> None:
        """Close the stages, from the first on, and wait for that until this time of the monotonic clock."""
        for tail in self._tails:
            tail.stop(max(0.0, until - time.monotonic()))


class InlineEngine:
    """Segments as threads of this process."""

    def __init__(self, plan: Plan, taps: Sequence[Tap] = ()) -> None:
        self._host = Host(plan)
        self._stack = Stack(plan, range(len(plan.segments)), None, self._host)
        self._heads = Heads(self._host, self._stack.top, taps, plan.at_once * max(1, len(plan.groups)))
        self._streams = [stream for group in plan.groups for stream in group]
        self._cpu_at_start_s = 0.0

    def open(self, stop: Event) -> list[StreamInfo]:
        """Open everything, unless `stop` is set meanwhile; raises what kept a part from opening."""
        opened(self._stack.start(), stop)
        if stop.is_set():
            return []
        return those_open(self._heads.open(dict.fromkeys(self._streams, Position()), stop))

    def start(self) -> None:
        self._cpu_at_start_s = own_cpu_s()
        self._heads.start()

    def take(self, timeout_s: float, *, hold: bool = False) -> list[Batch]:
        batch = self._heads.take(timeout_s, hold=hold)
        return [batch] if batch else []

    def stop(self) -> None:
        self._heads.stop()

    def update(self, pipeline: Pipeline) -> None:
        """Know other streams from now on."""
        self._host.update(pipeline)

    def prepare(self, configs: Mapping[str, Sequence[StageConfig]]) -> None:
        """Load what these settings of stages need."""
        self._host.prepare(configs)

    def remove(self, streams: Collection[str]) -> None:
        """End these streams; each is told of when it has ended."""
        self._heads.stop(streams)

    def add(self, positions: Mapping[str, Position]) -> None:
        """Begin these streams, each where it stands."""
        self._heads.add(positions)

    def counts(self) -> Counts:
        return self._host.counts(self._stack.counts())

    def cpu_s(self) -> float:
        """CPU seconds of the process and its trainings since `start`."""
        return own_cpu_s() - self._cpu_at_start_s

    def close(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        self._heads.close(deadline)
        self._stack.close(deadline)
