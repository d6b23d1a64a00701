"""Configurations: which model, at which size of its input, on every how many frames; and what each costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

_NEWEST = 0.1  # weight of the newest figure in what a look is known to cost


class Look(NamedTuple):
    """A model at one size of its input.

    Attributes:
        level: 0 is the largest size, each further one the next smaller.
    """

    model: str
    level: int


class Configuration(NamedTuple):
    """A value of each knob.

    Attributes:
        stride: one frame in so many, of the golden rate, is looked at; the result is held in between.
    """

    model: str
    level: int
    stride: int

    @property
    def look(self) -> Look:
        """What it looks with."""
        return Look(self.model, self.level)


Accuracies = Mapping[Configuration, float]
"""F1 against golden, 0..1, by configuration."""


class Space:
    """All configurations of a stream.

    Args:
        levels: how many sizes each model has, the most expensive model first. Sizes that this one does not have cannot
            be judged, and are left out.
        strides: rising, from 1.
        cpu_ms: CPU time of a look, as far as it is known.
    """

    def __init__(
        self, levels: Mapping[str, int], strides: Sequence[int], cpu_ms: Mapping[Look, float] | None = None
    ) -> None:
        most = next(iter(levels.values()))
        self.strides = tuple(strides)
        self.looks = tuple(Look(model, level) for model, count in levels.items() for level in range(min(count, most)))
        self.golden = Configuration(next(iter(levels)), 0, self.strides[0])
        self._models = tuple(levels)
        self._cpu_ms = dict(cpu_ms or {})

    @classmethod
    def of(cls, cpu_ms: Mapping[Look, float], strides: Sequence[int]) -> Space:
        """The space of these looks, the most expensive model first."""
        models = sorted({look.model for look in cpu_ms}, key=lambda model: (-cpu_ms[Look(model, 0)], model))
        levels = {model: sum(look.model == model for look in cpu_ms) for model in models}
        return cls(levels, strides, cpu_ms)

    def note(self, look: Look, cpu_ms: float) -> None:
        """Take into account what a look has just cost."""
        known = self._cpu_ms.setdefault(look, cpu_ms)
        self._cpu_ms[look] = known + _NEWEST * (cpu_ms - known)

    def cost(self, configuration: Configuration) -> float:
        """CPU ms a frame: the share of frames that are looked at, times what such a look takes.

        A look that never ran takes what its model and its size were seen to take apart from each other.
        """
        model, level, stride = configuration
        golden = self.golden.model
        if (own := self._cpu_ms.get(Look(model, level))) is None:
            smaller = self._cpu_ms[Look(golden, level)] / self._cpu_ms[Look(golden, 0)]
            own = self._cpu_ms[Look(model, 0)] * smaller
        return own / stride

    def knobs(self) -> list[list[Configuration]]:
        """For each knob its values below golden, in falling cost, with all others held at golden."""
        golden = self.golden
        levels = [look.level for look in self.looks if look.model == golden.model]
        return [
            [golden._replace(model=model) for model in self._models[1:]],
            [golden._replace(level=level) for level in levels[1:]],
            [golden._replace(stride=stride) for stride in self.strides[1:]],
        ]

    def estimated(self, measured: Accuracies) -> dict[Configuration, float]:
        """The accuracy of every configuration: the product of what its knobs have, each measured by itself.

        A value that was not measured is in none of them.
        """
        known = {**measured, self.golden: 1.0}
        made = {}
        for configuration in self._all():
            parts = self._parts(configuration)
            if all(part in known for part in parts):
                made[configuration] = prod(known[part] for part in parts)
        return made

    def cheapest(self, accuracies: Accuracies, alpha: float, k: int) -> tuple[Configuration, ...]:
        """The k cheapest of at least this accuracy, in rising cost; as golden is accurate, there is always one."""
        enough = [configuration for configuration, accuracy in accuracies.items() if accuracy >= alpha]
        return tuple(sorted(enough, key=lambda each: (self.cost(each), each))[:k])

    def _all(self) -> Iterator[Configuration]:
        return (Configuration(*look, stride) for look in self.looks for stride in self.strides)

    def _parts(self, configuration: Configuration) -> tuple[Configuration, ...]:
        golden = self.golden
        return (
            golden._replace(model=configuration.model),
            golden._replace(level=configuration.level),
            golden._replace(stride=configuration.stride),
        )
