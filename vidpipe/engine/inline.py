"""The engine that runs everything in this process: for tests, debugging and notebooks."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from vidpipe.cascade import Ticket
from vidpipe.engine import wire
from vidpipe.engine.below import Below, Reply
from vidpipe.engine.heads import Heads
from vidpipe.engine.host import Counts, Host, Position, those_open
from vidpipe.engine.pipeline import Pipeline
from vidpipe.engine.plan import Link, Plan
from vidpipe.engine.records import Batch
from vidpipe.engine.tail import Tail
from vidpipe.engine.taps import Tap
from vidpipe.engine.usage import own_cpu_s
from vidpipe.sources.base import StreamInfo


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
            ticket = wire.unpack(packed, self._host.knobs, self._host.views)
            self.bytes += packed.nbytes
        self.frames += 1
        reply = self._below.ask(ticket, settle=settle)
        return reply.from_far() if self._far else reply

    def settle(self, stream: str, seq: int) -> None:
        self._below.settle(stream, seq)


class InlineEngine:
    """Segments as threads of this process."""

    def __init__(self, plan: Plan, taps: Sequence[Tap] = ()) -> None:
        self._host = Host(plan)
        self._tails: list[Tail] = []
        self._links: dict[str, CodecLink] = {}
        self._heads = Heads(self._host, self._build_below(plan), taps)
        self._streams = [stream for group in plan.groups for stream in group]
        self._cpu_at_start_s = 0.0

    def open(self) -> list[StreamInfo]:
        """Open everything; raises what kept a part from opening."""
        for opened in [tail.start() for tail in self._tails]:
            opened.result()
        return those_open(self._heads.open(dict.fromkeys(self._streams, Position())))

    def start(self) -> None:
        self._cpu_at_start_s = own_cpu_s()
        self._heads.start()

    def take(self, timeout_s: float) -> list[Batch]:
        batch = self._heads.take(timeout_s)
        return [batch] if batch else []

    def stop(self) -> None:
        self._heads.stop()

    def update(self, pipeline: Pipeline) -> None:
        """Know other streams from now on."""
        self._host.update(pipeline)

    def remove(self, streams: Collection[str]) -> None:
        """End these streams; each is told of when it has ended."""
        self._heads.stop(streams)

    def add(self, positions: Mapping[str, Position]) -> None:
        """Begin these streams, each where it stands."""
        self._heads.add(positions)

    def counts(self) -> Counts:
        return self._host.counts({name: (link.frames, link.bytes) for name, link in self._links.items()})

    def cpu_s(self) -> float:
        """CPU seconds of the process and its trainings since `start`."""
        return own_cpu_s() - self._cpu_at_start_s

    def close(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        self._heads.close(deadline)
        for tail in self._tails:
            tail.stop(max(0.0, deadline - time.monotonic()))

    def _build_below(self, plan: Plan) -> Below | None:
        below: Below | None = None
        for index in range(len(plan.segments) - 1, 0, -1):
            below = self._add_tail(index, below)
            link = plan.links[index - 1]
            below = self._links[link.name] = CodecLink(link, below, self._host)
        return self._add_tail(0, below) if plan.segments[0].tail else below

    def _add_tail(self, index: int, below: Below | None) -> Tail:
        tail = self._host.tail(index, below)
        self._tails.append(tail)
        return tail
