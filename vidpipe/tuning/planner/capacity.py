"""How many cameras machines carry."""

from __future__ import annotations

from typing import NamedTuple

from vidpipe.pipeline.plan import Plan
from vidpipe.tuning.planner.costs import Costs, repeated
from vidpipe.tuning.planner.expect import expect
from vidpipe.tuning.planner.loads import Expected, Shortage
from vidpipe.tuning.planner.nodes import Nodes

MOST = 1_000_000
"""Cameras that are looked for at most; where as many fit, nothing that is planned with limits them."""


class Carries(NamedTuple):
    """How many cameras fit.

    Attributes:
        cameras: so many, like the plan's streams in turns; 0: not one.
        expected: of them; of one where none fits.
        binds: what one more would be too much for; None: nothing is.
    """

    cameras: int
    expected: Expected
    binds: Shortage | None


def how_many(laid: Plan, costs: Costs, nodes: Nodes) -> Carries:
    """The most cameras like the streams of a plan that these machines carry. Raises ConfigError as `expect` does."""
    streams = list(laid.pipeline.streams)

    def of(count: int) -> Expected:
        return expect(laid, costs, nodes, repeated(streams, count))

    fits, exceeds = 0, 1
    while exceeds <= MOST and not of(exceeds).shortages:
        fits, exceeds = exceeds, 2 * exceeds
    if exceeds > MOST:
        return Carries(fits, of(fits), None)
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        fits, exceeds = (fits, middle) if of(middle).shortages else (middle, exceeds)
    return Carries(fits, of(max(fits, 1)), of(exceeds).shortages[0])
