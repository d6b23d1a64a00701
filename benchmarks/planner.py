"""`python -m benchmarks planner [PART ...]`: how good plans are, and how far what they expect is from what comes.

`exact`, `many`, `fair` and `changes` plan for made-up cameras: against the exact optimum, for ten thousand of them,
against fair sharing, and anew when machines change. `tuned FOLDER` is `fair` with what `tune follow --out FOLDER`
has tried of clips in place of what is made up. `predict` holds what is expected against runs (`predictions.py`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.footage import ASSETS
from benchmarks.predictions import predicted
from vidpipe.pipeline.yaml.load import load
from vidpipe.tuning.budget.limits import BudgetConfig
from vidpipe.tuning.budget.offers import offers
from vidpipe.tuning.budget.plan import Option, Plan, Wish, demand_of, exact, fits, greedy, worth
from vidpipe.tuning.floor.configuration import roles_of
from vidpipe.tuning.paths import TUNED
from vidpipe.tuning.planner.assign import assign, moved, replan

CASES = 1000
MANY = 10_000
SHARES = (0.2, 0.33, 0.5, 0.7)  # of what all cameras would take at their best

Wishes = dict[str, Wish]


def report(arguments: Sequence[str], _: Path) -> Iterator[str]:
    """A line for each figure, as it is found."""
    parts = {"exact": near_exact, "many": many, "fair": fair, "changes": changes}
    if arguments and arguments[0] == "tuned":
        yield from tuned(Path(arguments[1]))
        return
    asked = [part for part in arguments if part in (*parts, "predict")] or [*parts, "predict"]
    for part in asked:
        if part != "predict":
            yield from parts[part]()
    if "predict" in asked:
        yield from predicted([name for name in arguments if name not in asked])


def cameras(rng: np.random.Generator, count: int) -> Wishes:
    """Cameras with three to eight configurations, each on the edge or in the cloud.

    What accuracy costs follows what `tune` finds on clips: a step that halves what is lost takes two to four times as
    much CPU, and how much the cheapest takes differs by ten from camera to camera.
    """
    wishes: Wishes = {}
    for number in range(count):
        cpu, lost = 0.02 * 10 ** rng.uniform(0, 1), rng.uniform(0.3, 0.7)
        options = []
        for rung in range(rng.integers(3, 9)):
            options.append(Option(1 - lost, {"edge": cpu, "cloud": 0.0, "mbps": 0.02}, (rung, "edge")))
            options.append(
                Option(1 - lost, {"edge": 0.2 * cpu, "cloud": cpu, "mbps": rng.uniform(0.2, 4)}, (rung, "cloud"))
            )
            cpu, lost = cpu * rng.uniform(1.3, 2.5), lost * rng.uniform(0.5, 0.9)
        wishes[f"cam{number}"] = Wish(options)
    return wishes


def limits_of(wishes: Wishes, share: float) -> dict[str, float]:
    """A share of what all would take at their best: half of the CPU on the edge, half in the cloud."""
    best = [max(wish.options, key=lambda option: option.accuracy) for wish in wishes.values()]
    cpu = share * sum(option.demand["edge"] for option in best)
    return {"edge": cpu / 2, "cloud": cpu / 2, "mbps": share * 2.0 * len(best)}


def near_exact() -> Iterator[str]:
    rng = np.random.default_rng(0)
    found: list[float] = []
    quick: list[float] = []
    while len(found) < CASES:
        wishes = cameras(rng, int(rng.integers(2, 9)))
        limits = limits_of(wishes, float(rng.uniform(0.2, 0.8)))
        best = exact(wishes, limits)
        if best is None:
            continue
        plans = (assign(wishes, limits).plan, greedy(wishes, limits))
        for plan_, shares in zip(plans, (found, quick), strict=True):
            shares.append(worth(wishes, plan_) / worth(wishes, best) if fits(plan_, limits) else 0.0)
    for name, shares in (("the planner", found), ("greedy alone", quick)):
        within = np.mean(np.array(shares) >= 0.95)
        yield (
            f"{len(shares)} small cases, {name}: mean {np.mean(shares):.4f} of the exact optimum, least "
            f"{min(shares):.3f}, within 5 % in {within:.1%}"
        )


def many() -> Iterator[str]:
    wishes = cameras(np.random.default_rng(1), MANY)
    limits = limits_of(wishes, 0.33)
    began, spent = time.monotonic(), time.process_time()
    found = assign(wishes, limits)
    wall_s, cpu_s = time.monotonic() - began, time.process_time() - spent
    bound = found.bound or float("nan")
    yield (
        f"{MANY} cameras, {sum(len(wish.options) for wish in wishes.values())} options: {wall_s:.1f} s, {cpu_s:.1f} s "
        f"of CPU, {found.worth / bound:.4f} of the bound, fits: {found.fits}"
    )


def fair() -> Iterator[str]:
    """Mean accuracy against an equal share of each resource for each camera, and what no plan exceeds."""
    for share in SHARES:
        yield _against_fair(
            f"capacity {share:.0%} of demand, 50 cameras",
            [(wishes := cameras(np.random.default_rng(seed), 50), limits_of(wishes, share)) for seed in range(20)],
        )


def tuned(profiles: Path) -> Iterator[str]:
    """The same for cameras with what `vidpipe tune follow` has tried of clips, as profiles in a folder tell it."""
    names = sorted({path.parent.name for path in profiles.rglob(TUNED)})
    os.chdir(ASSETS / "models")
    roles = roles_of(load("follow", sources={name: f"live+file:{name}.mp4" for name in names}))
    found = offers(roles, profiles, BudgetConfig(cpu=1e9))
    of = [wish for name, wish in found.anything.items() if name not in found.untuned]
    wishes = {f"cam{number}": of[number % len(of)] for number in range(50)}
    best = [wish.options[-1].demand for wish in wishes.values()]
    for share in SHARES:
        limits = {name: share * sum(each.get(name, 0.0) for each in best) for name in best[0]}
        yield _against_fair(
            f"capacity {share:.0%} of demand, 50 cameras like {len(of)} tuned clips", [(wishes, limits)]
        )


def _against_fair(what: str, cases: Sequence[tuple[Wishes, Mapping[str, float]]]) -> str:
    ratios, ours, theirs, bounds, unserved = [], [], [], [], []
    for wishes, limits in cases:
        found = assign(wishes, limits)
        each = _fairly(wishes, limits)
        mean, shared = found.worth / len(wishes), float(np.mean(each))
        ratios.append(mean / shared if shared else float("inf"))
        ours.append(mean)
        theirs.append(shared)
        bounds.append((found.bound or float("nan")) / len(wishes) / shared if shared else float("inf"))
        unserved.append(np.mean(np.array(each) == 0))
    return (
        f"{what}: mean accuracy {np.mean(ours):.3f}, fair sharing {np.mean(theirs):.3f} (nothing fits for "
        f"{np.mean(unserved):.0%} of the cameras): {np.median(ratios):.2f} times, where no plan exceeds "
        f"{np.median(bounds):.2f}"
    )


def _fairly(wishes: Wishes, limits: Mapping[str, float]) -> list[float]:
    """The accuracy of each camera if it takes the best that fits into an equal share; 0 where nothing does."""
    shares = {name: limit / len(wishes) for name, limit in limits.items()}
    return [
        max(
            (o.accuracy for o in wish.options if all(o.demand.get(r, 0.0) <= shares[r] * (1 + 1e-9) for r in shares)),
            default=0.0,
        )
        for wish in wishes.values()
    ]


def changes() -> Iterator[str]:
    """A machine that loses a fifth of its CPU."""
    for what, factor in (("edge loses 20 %", 0.8), ("edge gains 20 %", 1.2)):
        again, anew, lost = [], [], []
        for seed in range(10):
            wishes = cameras(np.random.default_rng(seed), 100)
            limits = limits_of(wishes, 0.5)
            now: Plan = assign(wishes, limits).plan
            changed = {**limits, "edge": factor * limits["edge"]}
            free, found = assign(wishes, changed), replan(wishes, changed, now)
            again.append(len(moved(now, found.plan)))
            anew.append(len(moved(now, free.plan)))
            lost.append(1 - found.worth / free.worth)
            assert set(demand_of(found.plan)) == set(changed)
        yield (
            f"{what}, 100 cameras: {np.mean(again):.1f} are moved, by a plan from nothing {np.mean(anew):.1f}; "
            f"{np.mean(lost):.2%} of the worth is given up for that"
        )
