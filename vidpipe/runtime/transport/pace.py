"""A link that adapts: how its pictures are packed, and how many may be under way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from vidpipe.cascade.cascade import Ticket
from vidpipe.pipeline.spec import LinkSpec, RungSpec
from vidpipe.runtime.transport.quality import coded_size
from vidpipe.runtime.transport.rate import RateControl, Rung
from vidpipe.runtime.transport.traffic import Traffic

_EVERY_S = 0.1  # AWStream's tick
_COUNTED_S = 2.0  # over which frames a second are counted
_SIZE_KEPT = 0.9
LADDER = (
    RungSpec(quality=75),
    RungSpec(quality=75, share=0.5),
    RungSpec(quality=50, share=0.5),
    RungSpec(quality=50, share=0.25),
    RungSpec(quality=35, share=0.125),
)
"""By default, below the link's own setting. Quality 75 costs .03 of F1 for a quarter of the bytes, 50 another .05 for
30 % of the rest; half of the frames, where boxes are tracked between looks, about as much for half of them. Less width
never pays: fewer bytes of the same F1 come from less quality (`python -m benchmarks links quality`).
"""


_FEATURES = (
    RungSpec(bits=4),
    RungSpec(bits=4, share=0.5),
    RungSpec(bits=3, share=0.5),
    RungSpec(bits=3, share=0.25),
    RungSpec(bits=3, share=0.125),
)
"""The same of a link that is split: 4 bits cost .02 of F1 for a fifth of the bytes of 5, 3 another .02 to .06 for a
quarter of the rest, and 2 are good for nothing (`python -m benchmarks links split`).
"""


class Step(NamedTuple):
    """How a link packs pictures, and the share of the frames that cross."""

    spec: LinkSpec
    share: float = 1.0

    @property
    def name(self) -> str:
        """For people."""
        return self.spec.setting + (f", {self.share:.0%} of the frames" if self.share < 1 else "")


class Pace:
    """Steps of a link, and the one in use. Not for several threads at once.

    What may be under way is bounded by what crosses within `adapt_ms`: all else waits where newer frames take its
    place.
    """

    def __init__(self, spec: LinkSpec, traffic: Traffic) -> None:
        steps = [Step(spec), *(Step(spec.at(rung), rung.share) for rung in spec.rungs or ladder(spec))]
        self._steps = steps
        self._traffic = traffic
        self._late_s = spec.adapt_ms / 1000
        self._rungs = [Rung(_size(step.spec, spec), step.share) for step in steps]
        self._control = RateControl(self._rungs, self._late_s)
        self._went_on_at = -math.inf
        self._began_s: float | None = None
        self._frames = 0.0  # lately, older ones counting less
        self._counted_at = 0.0
        self._nbytes: float | None = None  # of a picture, against the size of its rung
        self._due: dict[str, float] = {}  # of each stream, the frames that it may still send

    @property
    def step(self) -> Step:
        """The one in use."""
        return self._steps[self._control.rung]

    def admits(self, ticket: Ticket, now_s: float) -> bool:
        """Whether a frame that has come is to cross; one that checks an answer always is."""
        self._count(now_s)
        self.go_on(now_s)
        stream, share = ticket.frame.stream, self.step.share
        due = min(self._due.get(stream, 1.0) + share, 2.0)
        admitted = due >= 1 or ticket.due or ticket.straight
        self._due[stream] = due - admitted
        return admitted

    def packed(self, nbytes: int, step: Step) -> None:
        """A picture takes so many bytes on a step."""
        first = nbytes / _size(step.spec, self._steps[0].spec)
        self._nbytes = first if self._nbytes is None else _SIZE_KEPT * self._nbytes + (1 - _SIZE_KEPT) * first

    def fits(self, under_way: int, now_s: float) -> bool:
        """Whether one more may be under way beside so many bytes."""
        rate = self._traffic.rate(now_s)
        return rate is None or not under_way or under_way < rate * (self._late_s + self._traffic.held_s)

    def go_on(self, now_s: float) -> None:
        """Step, if it is time to."""
        if now_s - self._went_on_at < _EVERY_S:
            return
        self._went_on_at = now_s
        age_s, rate = self._traffic.age_s(now_s), self._traffic.rate(now_s)
        self._control.go_on(now_s, age_s, self._load(now_s), rate)

    def _count(self, now_s: float) -> None:
        if self._began_s is None:
            self._began_s = self._counted_at = now_s
        self._frames = self._frames * math.exp((self._counted_at - now_s) / _COUNTED_S) + 1
        self._counted_at = now_s

    def _load(self, now_s: float) -> float:
        """Bytes a second that come to be sent on the rung in use."""
        if self._began_s is None or self._nbytes is None:
            return 0.0
        counted_s = _COUNTED_S * (1 - math.exp((self._began_s - now_s) / _COUNTED_S))
        a_second = self._frames * math.exp((self._counted_at - now_s) / _COUNTED_S) / max(counted_s, _EVERY_S)
        return a_second * self._nbytes * self._rungs[self._control.rung].load


def ladder(spec: LinkSpec) -> Sequence[RungSpec]:
    """The rungs below a link's own setting, where it names none."""
    if spec.split is not None:
        return [rung for rung in _FEATURES if rung.bits is not None and rung.bits < spec.split.bits]
    return [rung for rung in LADDER if rung.quality is None or rung.quality < spec.quality]


def _size(spec: LinkSpec, first: LinkSpec) -> float:
    """Bytes of a picture against those on the first rung: a guess, for steps over several rungs."""
    if spec.split is not None and first.split is not None:
        return spec.split.bits / first.split.bits
    size = coded_size(spec.codec, spec.quality) / coded_size(first.codec, first.quality)
    if spec.width is not None and spec.width != first.width:
        size *= min(1.0, (spec.width / (first.width or 1280)) ** 1.5)
    return size
