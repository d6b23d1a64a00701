"""Which option each stream gets, so that all together are worth the most and fit.

One option for each stream, several resources with limits: a multiple-choice knapsack. `exact` solves it as an integer
program: mostly in a tenth of a second, though many streams that are alike may take it long. `greedy` is what follows a
run: it goes by what an upgrade is worth for its share of the scarcest resource (VideoEdge, SEC 2018), then by exchanges
between two streams. Of many streams it needs none: what is left over is then little against all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
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


@dataclass(frozen=True, slots=True)
class Relaxed:
    """What could be had if streams were divisible, each with parts of several options.

    Attributes:
        worth: of that: no plan is worth more.
        prices: what one unit more of each limit would add to it, by resource; 0: there is enough.
        plan: a plan that comes near: of each stream the option of which it has the largest part. It may exceed limits.
    """

    worth: float
    prices: Mapping[str, float]
    plan: Plan


def relaxed(wishes: Mapping[str, Wish], limits: Demand) -> Relaxed | None:
    """The linear program of a plan; None where nothing fits."""
    from scipy.optimize import linprog

    every = [(name, option) for name, wish in wishes.items() for option in wish.options]
    if not every:
        return Relaxed(0.0, dict.fromkeys(limits, 0.0), {})
    values = np.array([-wishes[name].weight * option.accuracy for name, option in every])
    taken = _taken(every, limits)
    solved = linprog(
        values,
        A_ub=taken if limits else None,
        b_ub=np.full(len(limits), 1 + _SLACK) if limits else None,
        A_eq=_one_each(every, wishes),
        b_eq=np.ones(len(wishes)),
        bounds=(0, 1),
        method="highs-ipm",
    )
    if solved.x is None or solved.status != 0:
        return None
    most: dict[str, tuple[float, Option]] = {}
    for (name, option), part in zip(every, solved.x, strict=True):
        if name not in most or part > most[name][0]:
            most[name] = (float(part), option)
    marginals = solved.ineqlin.marginals
    prices = {name: max(0.0, float(-m)) / max(limits[name], 1e-12) for name, m in zip(limits, marginals, strict=False)}
    return Relaxed(float(-solved.fun), prices, {name: option for name, (_, option) in most.items()})


def rounded(wishes: Mapping[str, Wish], limits: Demand, plan: Plan) -> Plan:
    """A plan within the limits that begins with another one, such as a relaxed one; where nothing fits, near them."""
    table = _Table(wishes, limits, plan)
    table.relieve()
    table.upgrade()
    return table.plan()


def _program(wishes: Mapping[str, Wish], limits: Demand, cost: Callable[[Wish, Option], float]) -> Plan | None:
    from scipy.optimize import Bounds, LinearConstraint, milp

    every = [(name, option) for name, wish in wishes.items() for option in wish.options]
    if not every:
        return {}
    costs = np.array([cost(wishes[name], option) for name, option in every])
    constraints = [LinearConstraint(_one_each(every, wishes), 1, 1)]
    if limits:
        constraints.append(LinearConstraint(_taken(every, limits), -np.inf, 1 + _SLACK))
    patience: Any = {"mip_rel_gap": _GAP, "time_limit": _PATIENCE_S}
    whole = np.ones(len(every))
    solved = milp(costs, integrality=whole, bounds=Bounds(0, 1), constraints=constraints, options=patience)
    if solved.x is None:
        return None
    return {every[at][0]: every[at][1] for at in np.flatnonzero(solved.x > 0.5)}


def _one_each(every: Sequence[tuple[str, Option]], wishes: Mapping[str, Wish]) -> Any:
    """A row for each stream, with 1 at each of its options."""
    from scipy.sparse import csr_array

    of = {name: number for number, name in enumerate(wishes)}
    rows = [of[name] for name, _ in every]
    return csr_array((np.ones(len(every)), (rows, range(len(every)))), shape=(len(wishes), len(every)))


def _taken(every: Sequence[tuple[str, Option]], limits: Demand) -> Any:
    """A row for each resource, with the part of its limit that each option takes."""
    from scipy.sparse import csr_array

    rows = {resource: number for number, resource in enumerate(limits)}
    found = [
        (rows[resource], at, amount / max(limits[resource], 1e-12))
        for at, (_, option) in enumerate(every)
        for resource, amount in option.demand.items()
        if resource in rows
    ]
    row, column, part = zip(*found, strict=True) if found else ((), (), ())
    return csr_array((part, (row, column)), shape=(len(limits), len(every)), dtype=np.float64)


class _Table:
    """The options of all streams as arrays, and which of them each has now.

    Demands are in parts of their limits.

    Args:
        begin: which option each has at first; None: the one that takes least.
    """

    def __init__(self, wishes: Mapping[str, Wish], limits: Demand, begin: Plan | None = None) -> None:
        scale = {resource: max(limit, 1e-12) for resource, limit in limits.items()}
        self._wishes = wishes
        self._names = list(wishes)
        self._worth = [np.array([wish.weight * option.accuracy for option in wish.options]) for wish in wishes.values()]
        self._demand = [
            np.array([[o.demand.get(r, 0.0) / s for r, s in scale.items()] or [0.0] for o in wish.options])
            for wish in wishes.values()
        ]
        if begin is not None:
            self._now = [list(wish.options).index(begin[name]) for name, wish in wishes.items()]
            return
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
                if left.min() < best * (1 - _SLACK) - _SLACK:
                    best, to = float(left.min()), (stream, int(left.argmin()))
            if to is None:
                return
            self._now[to[0]] = to[1]

    def upgrade(self) -> None:
        """Again and again the upgrade of one stream that is worth most for its share of the scarcest resource.

        What is worth most is found in a heap: while room only becomes less, no upgrade gets better than it was. One
        that gives some of a resource back makes room, so then all are looked at once more.
        """
        while self._upgrade_once():
            pass

    def _upgrade_once(self) -> bool:
        """Upgrade until nothing fits; whether room was made meanwhile."""
        room, made = self._room(), False
        heap = [(-rate, stream) for stream in range(len(self._names)) if (rate := self._best(stream, room)[0]) > 0]
        heapify(heap)
        while heap:
            before, stream = heappop(heap)
            rate, to = self._best(stream, room)
            if rate <= 0:
                continue
            if rate < -before - _SLACK:
                heappush(heap, (-rate, stream))
                continue
            more = self._demand[stream][to] - self._demand[stream][self._now[stream]]
            self._now[stream] = to
            room -= more
            made = made or bool((more < -_SLACK).any())
            if (rate := self._best(stream, room)[0]) > 0:
                heappush(heap, (-rate, stream))
        return made

    def _best(self, stream: int, room: NDArray[np.float64]) -> tuple[float, int]:
        """The upgrade of a stream that is worth most for what it takes, and for how much; 0: none fits."""
        gain = self._worth[stream] - self._worth[stream][self._now[stream]]
        more = self._demand[stream] - self._demand[stream][self._now[stream]]
        able = (gain > _SLACK) & _within(more, room)
        rate = np.where(able, gain / np.maximum(more.max(axis=1), _SLACK), 0.0)
        to = int(rate.argmax())
        return float(rate[to]), to

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
