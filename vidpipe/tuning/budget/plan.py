"""Which option each stream gets, so that all together are worth the most and fit.

One option for each stream, several resources with limits: a multiple-choice knapsack. `exact` solves it as an integer
program: mostly in a tenth of a second, though many streams that are alike may take it long. `greedy` is what follows a
run: it goes by what an upgrade is worth for its share of the scarcest resource (VideoEdge, SEC 2018), then by exchanges
between two streams. Of many streams it needs none: what is left over is then little against all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Demand = Mapping[str, float]
"""How much is taken of each resource; one that is missing is not needed."""

_SLACK = 1e-9  # relative; sums of floats are not exact
_PASSES = 10  # of exchanges; two are usual
_FEW = 16  # streams, between which exchanges are worth their time
_GAP = 1e-4  # relative, that an integer program may be from the best
_PATIENCE_S = 5.0  # with it


@dataclass(frozen=True, slots=True)
class Option:
    """One way to treat a stream.

    Attributes:
        accuracy: of its answers, 0..1.
        demand: what it takes.
        what: is to be done.
    """

    accuracy: float
    demand: Demand
    what: Any = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a stream may get, one of `options`, and how much its accuracy counts."""

    options: Sequence[Option]
    weight: float = 1.0


Plan = Mapping[str, Option]
"""The option of each stream."""


def unbeaten(options: Iterable[Option]) -> list[Option]:
    """The options than which none is both as accurate and as frugal; the least accurate first."""
    kept: list[Option] = []
    for option in sorted(options, key=lambda each: (-each.accuracy, sum(each.demand.values()))):
        if not any(_frugal(other.demand, option.demand) for other in kept):
            kept.append(option)
    return kept[::-1]


def worth(wishes: Mapping[str, Wish], plan: Plan) -> float:
    """What a plan is worth: accuracies, each times its weight."""
    return sum(wishes[name].weight * option.accuracy for name, option in plan.items())


def demand_of(plan: Plan) -> dict[str, float]:
    """What all streams of a plan take together."""
    total: dict[str, float] = {}
    for option in plan.values():
        for resource, amount in option.demand.items():
            total[resource] = total.get(resource, 0.0) + amount
    return total


def fits(plan: Plan, limits: Demand) -> bool:
    """Whether a plan keeps to all limits."""
    taken = demand_of(plan)
    return all(taken.get(resource, 0.0) <= limit * (1 + _SLACK) for resource, limit in limits.items())


def exact(wishes: Mapping[str, Wish], limits: Demand) -> Plan | None:
    """The plan that is worth the most, to one part in ten thousand; None where nothing fits."""
    return _program(wishes, limits, lambda wish, option: -wish.weight * option.accuracy)


def least(wishes: Mapping[str, Wish], resource: str, limits: Demand) -> Plan | None:
    """The plan that takes least of one resource and keeps to the limits of all others; None where nothing does."""
    others = {name: limit for name, limit in limits.items() if name != resource}
    return _program(wishes, others, lambda _, option: option.demand.get(resource, 0.0))


def greedy(wishes: Mapping[str, Wish], limits: Demand) -> Plan:
    """A plan that is nearly worth the most, at once; where nothing fits, one that exceeds the limits little."""
    table = _Table(wishes, limits)
    table.relieve()
    table.upgrade()
    if len(wishes) <= _FEW:
        table.exchange()
    return table.plan()


def _program(wishes: Mapping[str, Wish], limits: Demand, cost: Callable[[Wish, Option], float]) -> Plan | None:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    every = [(name, option) for name, wish in wishes.items() for option in wish.options]
    if not every:
        return {}
    costs = np.array([cost(wishes[name], option) for name, option in every])
    of = {name: number for number, name in enumerate(wishes)}
    rows = [of[name] for name, _ in every]
    one_each = csr_array((np.ones(len(every)), (rows, range(len(every)))), shape=(len(wishes), len(every)))
    constraints = [LinearConstraint(one_each, 1, 1)]
    for resource, limit in limits.items():
        taken = np.array([[option.demand.get(resource, 0.0) for _, option in every]]) / max(limit, 1e-12)
        constraints.append(LinearConstraint(taken, -np.inf, 1 + _SLACK))
    patience: Any = {"mip_rel_gap": _GAP, "time_limit": _PATIENCE_S}
    whole = np.ones(len(every))
    solved = milp(costs, integrality=whole, bounds=Bounds(0, 1), constraints=constraints, options=patience)
    if solved.x is None:
        return None
    return {every[at][0]: every[at][1] for at in np.flatnonzero(solved.x > 0.5)}


class _Table:
    """The options of all streams as arrays, and which of them each has now.

    Demands are in parts of their limits.
    """

    def __init__(self, wishes: Mapping[str, Wish], limits: Demand) -> None:
        scale = {resource: max(limit, 1e-12) for resource, limit in limits.items()}
        self._wishes = wishes
        self._names = list(wishes)
        self._worth = [np.array([wish.weight * option.accuracy for option in wish.options]) for wish in wishes.values()]
        self._demand = [
            np.array([[o.demand.get(r, 0.0) / s for r, s in scale.items()] or [0.0] for o in wish.options])
            for wish in wishes.values()
        ]
        dominant = [demand.max(axis=1) for demand in self._demand]
        self._now = [int(np.lexsort((-worth, most))[0]) for most, worth in zip(dominant, self._worth, strict=True)]

    def plan(self) -> Plan:
        """The options that the streams have now."""
        return {name: self._wishes[name].options[at] for name, at in zip(self._names, self._now, strict=True)}

    def relieve(self) -> None:
        """While limits are exceeded, the change of one stream that lessens the excess the most."""
        while (excess := _excess(self._room())) > 0:
            best, to = excess, None
            for stream, demand in enumerate(self._demand):
                left = _excess(self._room() + demand[self._now[stream]] - demand)
                if left.min() < best - _SLACK:
                    best, to = float(left.min()), (stream, int(left.argmin()))
            if to is None:
                return
            self._now[to[0]] = to[1]

    def upgrade(self) -> None:
        """Again and again the upgrade of one stream that is worth most for its share of the scarcest resource."""
        while True:
            room = self._room()
            best, to = 0.0, None
            for stream in range(len(self._names)):
                gain = self._worth[stream] - self._worth[stream][self._now[stream]]
                more = self._demand[stream] - self._demand[stream][self._now[stream]]
                able = (gain > _SLACK) & _within(more, room)
                rate = np.where(able, gain / np.maximum(more.max(axis=1), _SLACK), 0.0)
                if rate.max() > best:
                    best, to = float(rate.max()), (stream, int(rate.argmax()))
            if to is None:
                return
            self._now[to[0]] = to[1]

    def exchange(self) -> None:
        """Give two streams the best pair of options that fits, as long as that is worth more."""
        for _ in range(_PASSES):
            if not sum(self._exchanged(a, b) for a, b in combinations(range(len(self._names)), 2)):
                return

    def _exchanged(self, a: int, b: int) -> bool:
        room = self._room() + self._demand[a][self._now[a]] + self._demand[b][self._now[b]]
        both = self._demand[a][:, None] + self._demand[b][None]
        value = self._worth[a][:, None] + self._worth[b][None]
        value = np.where(_within(both, room), value, -np.inf)
        at = np.unravel_index(int(value.argmax()), value.shape)
        before = self._worth[a][self._now[a]] + self._worth[b][self._now[b]]
        if value[at] <= before + _SLACK:
            return False
        self._now[a], self._now[b] = int(at[0]), int(at[1])
        return True

    def _room(self) -> NDArray[np.float64]:
        """What is left of each limit."""
        taken = sum(demand[at] for demand, at in zip(self._demand, self._now, strict=True))
        return np.asarray(1.0 - taken, np.float64)


def _frugal(one: Demand, other: Demand) -> bool:
    """Whether one takes no more of anything than the other."""
    return all(amount <= other.get(resource, 0.0) for resource, amount in one.items())


def _excess(room: NDArray[np.float64]) -> Any:
    """By how much limits are exceeded, all together."""
    return np.maximum(-room - _SLACK, 0.0).sum(axis=-1)


def _within(more: NDArray[np.float64], room: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether there is room for it; what takes nothing of a resource needs none."""
    return np.asarray(((more <= room + _SLACK) | (more <= 0)).all(axis=-1))
