"""Streams on which a looker is worth the same, and what their trials say together.

Two streams are alike as long as neither's trials prove that the looker is worth more there than on the other, by the
bounds of the difference of two rates (Newcombe 1998; Zou and Donner, Statistics in Medicine 2008: from the bounds of
each). Few trials prove no difference, so likeness is not enough to go by others: a stream has to prove the floor by
trials of its own, and what others add is how far above it the looker is, never more than its own trials say in their
middle. It leaves when its newest trials prove that the looker is worth less than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from vidpipe.statistics.agreement import Matched
from vidpipe.statistics.blocks import FEWEST, Estimate, estimate

Trials = Sequence[Matched]
"""What a looker has said of frames of a stream, against the last stage; the newest last."""

_PROVING = 12  # trials, before a cheaper looker is put in force
_ROOM = 0.5  # share of the error that the floor allows, which a looker must leave for the time between looks
_NEWEST = 6  # trials that may prove by themselves that a looker has failed; and twice as many, and so on


class Judged(NamedTuple):
    """What the trials of a looker on one stream are worth.

    Attributes:
        own: by the stream's own trials alone.
        together: by these and those of its group, where its own prove nothing.
        group: the streams that are alike.
    """

    own: Estimate
    together: Estimate
    group: tuple[str, ...] = ()

    @property
    def low(self) -> float:
        """How far the looker agrees with the last stage on this stream, at least."""
        return min(self.together.low, self.own.value or 0.0)

    @property
    def is_decided(self) -> bool:
        """Whether there are trials enough for a decision."""
        return self.together.blocks >= _PROVING

    def proves(self, floor: float) -> bool:
        """Whether the looker may take the last stage's place, with room for what happens between looks."""
        return self.is_decided and self.own.low >= floor and self.low >= _least(floor)

    def proves_alone(self, floor: float) -> bool:
        """Whether the stream's own trials do."""
        return Judged(self.own, self.own).proves(floor)

    def refutes(self, floor: float) -> bool:
        """Whether it is proven that this looker leaves no such room."""
        return self.is_decided and self.together.high < _least(floor)


def judge(trials: Trials) -> Estimate:
    """Trials lie seconds apart: each is a block of its own."""
    right, boxes = np.array([(2.0 * each.right, each.boxes) for each in trials], float).reshape(-1, 2).T
    return estimate(right, boxes, np.arange(len(right)))


UNKNOWN = Judged(judge([]), judge([]))
"""What no trials are worth."""


def judged(own: Trials, others: Mapping[str, Trials], floor: float) -> Judged:
    """What a stream's trials say, with those of streams that are alike where its own do not suffice.

    Of each of these as many count, the newest, as there are of its own: whoever has run for long does not outvote it.

    Args:
        others: of the streams that may be alike.
    """
    alone = judge(own)
    if len(own) < FEWEST:
        return Judged(alone, alone)
    group = {name: trials for name, trials in others.items() if alike(alone, judge(trials))}
    told = Judged(alone, alone, tuple(group))
    if not group or told.proves(floor):
        return told
    return told._replace(together=judge([*own, *chain.from_iterable(trials[-len(own) :] for trials in group.values())]))


def alike(one: Estimate, other: Estimate) -> bool:
    """Whether the trials of two streams, enough of both, prove no difference."""
    enough = min(one.blocks, other.blocks) >= FEWEST
    return enough and not _is_worse(one, other) and not _is_worse(other, one)


def failed(own: Trials, least: float) -> Estimate | None:
    """The newest trials where they prove that the looker agrees with the last stage to less; None: they do not.

    The newest count, few or many: those that brought a looker into force would hide for long that it has failed.
    """
    newest = (judge(own[-number:]) for number in range(_NEWEST, len(own) + 1, _NEWEST))
    return next((each for each in newest if each.high < least), None)


def _least(floor: float) -> float:
    return floor + _ROOM * (1 - floor)


def _is_worse(one: Estimate, other: Estimate) -> bool:
    """Whether the one is proven to lie under the other: the upper bound of their difference is below 0."""
    if one.value is None or other.value is None:
        return False
    margin = np.hypot(one.high - one.value, other.value - other.low)
    return bool(one.value + margin < other.value)
