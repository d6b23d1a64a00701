"""What each camera gets of scarce resources, why it does not get more, and what changes when there is less of them.

VideoEdge (SEC 2018): an option of a camera is a configuration and where its stages stand; what it takes counts as its
largest share of a resource, and upgrades are made in the order of accuracy for that. Small cases are solved exactly.
Large ones begin from the linear program as well: its duals are the prices of resources, and no plan exceeds its value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vidpipe.tuning.budget.plan import (
    Demand,
    Option,
    Plan,
    Relaxed,
    Wish,
    demand_of,
    exact,
    fits,
    greedy,
    relaxed,
    rounded,
    worth,
)

EXACT = 100
"""Options of all cameras together up to which a plan is solved exactly."""

_MANY = 500  # cameras, from which one by one is too slow a way to relieve what is exceeded
_HALVINGS = 12  # of the penalty of a move, until little enough is lost


@dataclass(frozen=True, slots=True)
class Assigned:
    """A plan for all cameras.

    Attributes:
        plan: the option of each camera; it may exceed limits, where nothing fits.
        fits: whether it keeps to the limits.
        worth: accuracies, each times the weight of its camera.
        bound: that no plan's worth exceeds; None: nothing fits.
        prices: what one more unit of each resource would add to the worth.
    """

    plan: Plan
    fits: bool
    worth: float
    bound: float | None
    prices: Mapping[str, float]


def assign(wishes: Mapping[str, Wish], limits: Demand) -> Assigned:
    """Give each camera the option with which all together are worth the most."""
    loose = relaxed(wishes, limits)
    if loose is None:
        plan = greedy(wishes, limits) if len(wishes) < _MANY else _frugal(wishes, limits)
        return Assigned(plan, fits(plan, limits), worth(wishes, plan), None, {})
    plan = _solved(wishes, limits, loose)
    return Assigned(plan, fits(plan, limits), worth(wishes, plan), loose.worth, loose.prices)


def _solved(wishes: Mapping[str, Wish], limits: Demand, loose: Relaxed) -> Plan:
    if sum(len(wish.options) for wish in wishes.values()) <= EXACT and (best := exact(wishes, limits)) is not None:
        return best
    plans = [rounded(wishes, limits, loose.plan)]
    if len(wishes) < _MANY:
        plans.append(greedy(wishes, limits))
    return max(plans, key=lambda plan: (fits(plan, limits), worth(wishes, plan)))


def _frugal(wishes: Mapping[str, Wish], limits: Demand) -> Plan:
    """What takes least, of each camera by itself."""

    def dominant(option: Option) -> float:
        return max((amount / limits[name] for name, amount in option.demand.items() if name in limits), default=0.0)

    return {name: min(wish.options, key=dominant) for name, wish in wishes.items()}


@dataclass(frozen=True, slots=True)
class Why:
    """Why a camera has no more accurate option.

    Attributes:
        better: the next more accurate option that some room would be needed for; None: it has the best that there is.
        binds: the resource that it lacks most of; "": it would fit, and is worth less than what others do with it.
        lacking: how much of that.
    """

    better: Option | None
    binds: str = ""
    lacking: float = 0.0


def why(camera: str, wishes: Mapping[str, Wish], limits: Demand, assigned: Assigned) -> Why:
    """What keeps a camera from the cheapest of its more accurate options, by the prices of what it would take."""
    now = assigned.plan[camera]
    better = [option for option in wishes[camera].options if option.accuracy > now.accuracy]
    if not better:
        return Why(None)

    def priced(option: Option) -> float:
        more = {name: option.demand.get(name, 0.0) - now.demand.get(name, 0.0) for name in limits}
        return sum(assigned.prices.get(name, 0.0) * amount for name, amount in more.items())

    option = min(better, key=lambda each: (priced(each), each.accuracy))
    taken = demand_of(assigned.plan)
    short = {
        name: taken.get(name, 0.0) + option.demand.get(name, 0.0) - now.demand.get(name, 0.0) - limit
        for name, limit in limits.items()
        if option.demand.get(name, 0.0) > now.demand.get(name, 0.0)
    }
    binds = max(short, key=lambda name: short[name] / limits[name], default="")
    if not binds or short[binds] <= 0:
        return Why(option)
    return Why(option, binds, short[binds])


def moved(before: Mapping[str, Option], after: Mapping[str, Option]) -> list[str]:
    """The cameras that get something else than they had; one that had nothing is not moved."""
    return [name for name, option in after.items() if name in before and before[name].what != option.what]


def replan(
    wishes: Mapping[str, Wish],
    limits: Demand,
    now: Plan,
    *,
    penalty: float = 0.05,
    most_lost: float = 0.05,
    solve: Callable[[Mapping[str, Wish], Demand], Assigned] = assign,
) -> Assigned:
    """A plan for other limits or other cameras that leaves alone what it can.

    Args:
        wishes: what each camera may get now; one that `now` has and that is not here is gone.
        now: the plan in force.
        penalty: accuracy that a camera has to gain for it to be moved, times its weight.
        most_lost: share of the worth of the best plan that may be given up for it: where more would be, the penalty is
            halved until it is not. A plan in force that fits and loses no more stays.
        solve: makes a plan without regard to the one in force.
    """
    best = solve(wishes, limits)
    lost_at = (1 - most_lost) * best.worth
    stays = _staying(wishes, now)
    if stays is not None and fits(stays, limits) and worth(wishes, stays) >= lost_at:
        return Assigned(stays, True, worth(wishes, stays), best.bound, best.prices)
    for _ in range(_HALVINGS):
        kept = solve({name: _clinging(wish, now.get(name), penalty) for name, wish in wishes.items()}, limits)
        plan = {name: _same(wishes[name], option.what, option) for name, option in kept.plan.items()}
        found = Assigned(plan, fits(plan, limits), worth(wishes, plan), best.bound, best.prices)
        if found.fits >= best.fits and found.worth >= lost_at:
            return min(found, best, key=lambda each: (not each.fits, len(moved(now, each.plan)), -each.worth))
        penalty /= 2
    return best


def _staying(wishes: Mapping[str, Wish], now: Plan) -> Plan | None:
    """What each camera has, as the wishes price it now; None where one has nothing, or may not keep it."""
    plan: dict[str, Option] = {}
    for name, wish in wishes.items():
        kept = [each for each in wish.options if name in now and each.what == now[name].what]
        if not kept:
            return None
        plan[name] = kept[0]
    return plan


def _clinging(wish: Wish, now: Option | None, penalty: float) -> Wish:
    """The same wish, with what the camera has worth more by the penalty of a move."""
    if now is None:
        return wish
    options = [
        Option(each.accuracy + penalty, each.demand, each.what) if each.what == now.what else each
        for each in wish.options
    ]
    return Wish(options, wish.weight)


def _same(wish: Wish, what: Any, option: Option) -> Option:
    """The option as the wish has it."""
    return next(each for each in wish.options if each.what == what and each.demand == option.demand)
