"""`python -m benchmarks floor`: what a floor is worth on a stream that changes, against what else could be done.

Looks of a few variants at every frame of generated days are made once and cached; everything else is replayed. What is
chosen is chosen on the days before the last, which is scored, against what the big model says of every frame.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.day import FPS, darkened, turned, write_breach, write_days, write_steady
from benchmarks.policies import (
    Answered,
    Chosen,
    Footage,
    Scored,
    chameleon,
    floored,
    oracle,
    recovers,
    score,
    searched,
    static,
)
from benchmarks.watched import LITTLE, damaged, watched
from vidpipe.tuning.floor.configuration import CAREFUL

FLOORS = (0.8, 0.9, 0.95)
BREACH_S = 60.0  # length of a recording that breaks
STATIC, TUNED, CARE = "static, of the first day", "floor, tuned on the first day", "floor, big looks"
WATCHED = "floor, little looks, watched by the tuner"


Row = dict[str, Any]
"""A figure or some, by the names of the columns."""


def report(arguments: Sequence[str], folder: Path) -> Iterator[str]:
    """A line for each figure, as it is found; recordings are kept in the folder, and figures in its floor.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks floor")
    parser.add_argument("--days", type=int, default=2, help="the last one is scored (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=4.0, help="of media time a day (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="streets (default: %(default)s)")
    given = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    found = (row for seed in range(given.seeds) for make in (_changing, _steady) for row in make(folder, seed, given))
    for row in found:
        rows.append(row)
        (folder / "floor.json").write_text(json.dumps({**vars(given), "rows": rows}, indent=1))
        yield "  ".join(str(round(value, 3) if isinstance(value, float) else value) for value in row.values())


def _changing(folder: Path, seed: int, given: argparse.Namespace) -> Iterator[Row]:
    """A street of changing days, and what breaks on it."""
    clip = write_days(folder / f"days-{seed}-{given.days}x{given.minutes:g}.mp4", seed, given.days, given.minutes)
    footage = Footage.of(clip)
    tuned = fitted(footage, given.days)
    yield from compare(f"changing {seed}", footage, given.days, tuned)
    rng = np.random.default_rng(seed)
    for name, breaks in (("night", darkened), ("turned", turned)):
        at_s = BREACH_S * float(rng.uniform(0.4, 0.6))
        broken = Footage.of(write_breach(folder / f"{name}-{seed}.mp4", seed, BREACH_S, at_s, breaks))
        yield from breach(f"{name} {seed}", broken, at_s, tuned)
    yield from blindness(f"blind {seed}", footage, footage.frames / FPS * float(rng.uniform(0.6, 0.7)))


def _steady(folder: Path, seed: int, given: argparse.Namespace) -> Iterator[Row]:
    """A street where it is always day."""
    minutes = given.days * given.minutes / 4
    footage = Footage.of(write_steady(folder / f"steady-{seed}-{minutes:g}.mp4", seed, minutes))
    yield from compare(f"steady {seed}", footage, given.days, fitted(footage, given.days))


def fitted(footage: Footage, days: int) -> list[Chosen]:
    """What is chosen for each floor on all days but the last."""
    return [searched(footage, _border(footage, days), floor) for floor in FLOORS]


def compare(scene: str, footage: Footage, days: int, tuned: Sequence[Chosen]) -> Iterator[Row]:
    """How each policy fares on the last day."""
    border, whole = _border(footage, days), footage.part(0, footage.frames)
    fit, last = footage.part(0, border), footage.part(border, footage.frames)
    asked = [*tuned, *((CAREFUL, floor) for floor in FLOORS)]
    held = floored(whole, asked, footage, border)
    for place, floor in enumerate(FLOORS):
        what, fixed = static(fit, last, floor, footage)
        policies = {
            STATIC: (fixed, what),
            TUNED: (held[place], str(tuned[place][0])),
            CARE: (held[len(FLOORS) + place], ""),
            **{
                f"Chameleon 1 s in {rhythm}{group}": (
                    chameleon(whole, floor, footage, tries=rhythm == 4, cameras=cameras, scored_from=border),
                    "",
                )
                for cameras, group in ((1, ""), (4, ", four alike"))
                for rhythm in (4, 16)
            },
            "oracle each 4 s": (oracle(last, floor, footage), ""),
        }
        for policy, (answered, note) in policies.items():
            scored: Scored = score(answered, last.truth, floor, footage.safe_ms)
            yield {"scene": scene, "floor": floor, "policy": policy, **scored._asdict(), "note": note}


def breach(name: str, footage: Footage, at_s: float, tuned: Sequence[Chosen]) -> Iterator[Row]:
    """How long a planted breach lasts."""
    whole = footage.part(0, footage.frames)
    asked = [*tuned, *((CAREFUL, floor) for floor in FLOORS)]
    for number, answered in enumerate(floored(whole, asked, footage)):
        floor = FLOORS[number % len(FLOORS)]
        seconds, worst = recovers(answered, whole.truth, at_s, floor)
        policy = TUNED if number < len(FLOORS) else CARE
        yield {"scene": name, "floor": floor, "policy": policy, "seconds": seconds, "worst": worst}


def blindness(name: str, footage: Footage, at_s: float) -> Iterator[Row]:
    """How long it lasts that the little model, in use for all looks, no longer sees a half of the picture."""
    broken = damaged(footage, at_s)
    truth = broken.part(0, broken.frames).truth
    for floor in FLOORS:
        begin = replace(CAREFUL, looker=LITTLE, believed=0.97)
        run = watched(broken, begin, floor)
        seconds, worst = recovers(Answered(run.series, 0.0), truth, at_s, floor)
        changes = [(when - at_s, why) for when, why in run.changes]
        yield {"scene": name, "floor": floor, "policy": WATCHED, "seconds": seconds, "worst": worst, "note": changes}


def _border(footage: Footage, days: int) -> int:
    return footage.frames * (days - 1) // days
