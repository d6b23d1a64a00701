"""Streams whose accuracy under each configuration is known, to hold Chameleon's decisions against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vidpipe.tuning.chameleon.policy import Policy
from vidpipe.tuning.chameleon.space import Accuracies, Configuration, Look, Space

STRIDES = (1, 2, 5, 10)
CPU_MS = {
    Look("big", 0): 40.0,
    Look("big", 1): 20.0,
    Look("big", 2): 10.0,
    Look("little", 0): 8.0,
    Look("little", 1): 4.0,
    Look("little", 2): 2.0,
}


def space() -> Space:
    return Space.of(CPU_MS, STRIDES)


@dataclass(frozen=True)
class Kind:
    """How accurate each value of each knob is; that of a configuration is their product."""

    little: float
    levels: tuple[float, float] = (0.97, 0.9)
    strides: tuple[float, float, float] = (0.98, 0.95, 0.8)

    def f1(self, configuration: Configuration) -> float:
        model, level, stride = configuration
        return (
            (self.little if model == "little" else 1.0)
            * (1.0, *self.levels)[level]
            * (1.0, *self.strides)[STRIDES.index(stride)]
        )


@dataclass
class Street:
    """Streams under a policy, segment by segment.

    Attributes:
        kinds: of each stream; may be changed in between. None: nobody is in the picture.
        profiled: in which segments each stream profiled itself.
        tried: in which each tried what a profile had found.
    """

    policy: Policy
    kinds: dict[str, Kind | None]
    profiled: dict[str, list[int]] = field(default_factory=dict)
    tried: dict[str, list[int]] = field(default_factory=dict)
    segment: int = 0

    def go(self, segments: int) -> None:
        """Let so many segments pass."""
        for _ in range(segments):
            for stream in self.kinds:
                self._step(stream)
            self.segment += 1

    def accuracy(self, stream: str) -> float:
        """Of what is in force."""
        kind, chosen = self.kinds[stream], self.policy.chosen(stream)
        return 1.0 if kind is None or chosen is None else kind.f1(chosen)

    def groups(self) -> Mapping[str, str]:
        """The leader of each."""
        return {stream: self.policy.leader(stream) for stream in self.kinds}

    def _step(self, stream: str) -> None:
        question = self.policy.question(stream, self.segment)
        if question is None:
            return
        (self.profiled if question.whole else self.tried).setdefault(stream, []).append(self.segment)
        kind = self.kinds[stream]
        measured: Accuracies = {}
        if kind is not None:
            measured = {configuration: kind.f1(configuration) for configuration in question.configurations}
        self.policy.learn(stream, question, measured)
