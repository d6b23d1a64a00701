"""A second in which golden looks at every frame, and other configurations are held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vidpipe.statistics.agreement import match
from vidpipe.tuning.chameleon.space import Configuration, Look

if TYPE_CHECKING:
    import supervision as sv

_BAD = 0.1  # so far under what is asked for, half a trial is enough to know


@dataclass(frozen=True, slots=True)
class Question:
    """What a trial shall tell.

    Attributes:
        golden: what the others are held against.
        chains: the configurations to try. Each chain is in falling cost, and none of it is taken to be more accurate
            than the one before it.
        whole: this is a profile of all knobs; else some configurations are tried that a profile has found.
    """

    golden: Configuration
    chains: Sequence[Sequence[Configuration]]
    whole: bool

    @property
    def configurations(self) -> list[Configuration]:
        """All that are tried."""
        return [configuration for chain in self.chains for configuration in chain]


@dataclass(slots=True)
class _Tally:
    """A configuration in a trial: the boxes that it holds, and how many were right."""

    held: sv.Detections | None = None
    right: int = 0
    boxes: int = 0
    stopped: bool = False
    at_most: float = 1.0

    @property
    def f1(self) -> float:
        return min(self.at_most, 2 * self.right / self.boxes if self.boxes else 1.0)


class Trial:
    """Holds configurations against golden, frame by frame: boxes are matched at IoU 0.5, class by class.

    Half-way a chain is stopped where that is bad enough (what is cheaper is taken to be no better) and where it is good
    enough (its cheapest configuration is so accurate that nobody asks for a dearer one).

    Args:
        frames: how many it is given.
        alpha: the accuracy that is asked for.
    """

    def __init__(self, question: Question, frames: int, alpha: float) -> None:
        self.question = question
        self._frames = frames
        self._alpha = alpha
        self._seen = 0
        self._objects = 0
        self._tallies = {configuration: _Tally() for configuration in question.configurations}

    @property
    def done(self) -> bool:
        """Whether it needs no further frame."""
        return self._seen >= self._frames

    def wanted(self) -> list[Look]:
        """What has to look at the next frame, golden first."""
        looks = [self.question.golden.look]
        looks += [
            configuration.look
            for configuration, tally in self._tallies.items()
            if not tally.stopped and self._seen % configuration.stride == 0
        ]
        return list(dict.fromkeys(looks))

    def take(self, seen: Mapping[Look, sv.Detections]) -> None:
        """What those that were wanted see in the next frame."""
        golden = seen[self.question.golden.look]
        self._objects += len(golden)
        for configuration, tally in self._tallies.items():
            if tally.stopped:
                continue
            if self._seen % configuration.stride == 0:
                tally.held = seen[configuration.look]
            assert tally.held is not None, "every configuration looks at the first frame"
            right, boxes = match(tally.held, golden)
            tally.right += right
            tally.boxes += boxes
        self._seen += 1
        if self._seen == (self._frames + 1) // 2 and self._objects:
            for chain in self.question.chains:
                self._stop(chain)

    def f1(self) -> dict[Configuration, float]:
        """F1 of each configuration against golden; empty where the trial is no evidence.

        It is none where golden saw no object, for then everybody looks perfect, and where less than half of the frames
        came.
        """
        if not self._objects or 2 * self._seen < self._frames:
            return {}
        return {configuration: tally.f1 for configuration, tally in self._tallies.items()}

    def _stop(self, chain: Sequence[Configuration]) -> None:
        tallies = [self._tallies[configuration] for configuration in chain]
        bad = next((index for index, tally in enumerate(tallies) if tally.f1 < self._alpha - _BAD), len(tallies))
        for tally in tallies[bad:]:
            tally.stopped, tally.at_most = True, tallies[bad].f1
        if tallies and tallies[-1].f1 >= (1 + self._alpha) / 2:
            for tally in tallies[:-1]:
                tally.stopped = True
