"""`python -m benchmarks floor`: what a floor is worth on a stream that changes, against what else could be done.

Looks of a few variants at every frame of generated days are made once and cached; everything else is replayed. What is
chosen is chosen on the days before the last, which is scored, against what the big model says of every frame.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.day import darkened, turned, write_breach, write_days, write_steady
from benchmarks.policies import (
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
from vidpipe.tuning.floor.configuration import CAREFUL, Configuration

FLOORS = (0.8, 0.9, 0.95)
KEPT = "floor.json"
BREACH_S = 60.0  # length of a recording that breaks
STATIC, TUNED, CARE = "static, of the first day", "floor, tuned on the first day", "floor, big looks"


def report(arguments: Sequence[str], folder: Path) -> Iterator[str]:
    """A line for each figure, as it is found; recordings and figures are kept in the folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks floor")
    parser.add_argument("--days", type=int, default=2, help="the last one is scored (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=4.0, help="of media time a day (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="streets (default: %(default)s)")
    given = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    for seed in range(given.seeds):
        for row in _street(folder, seed, given.days, given.minutes):
            rows.append({"seed": seed, **row})
            (folder / KEPT).write_text(json.dumps({**vars(given), "rows": rows}, indent=1))
            yield "  ".join(str(round(value, 3) if isinstance(value, float) else value) for value in rows[-1].values())


def _street(folder: Path, seed: int, days: int, minutes: float) -> Iterator[dict[str, Any]]:
    changing = Footage.of(write_days(folder / f"days-{seed}-{days}x{minutes:g}.mp4", seed, days, minutes))
    tuned = fitted(changing, days)
    yield from compare("changing", changing, days, tuned)
    for name, breaks in (("night", darkened), ("turned", turned)):
        at_s = BREACH_S * float(np.random.default_rng([seed, len(name)]).uniform(0.4, 0.6))
        clip = write_breach(folder / f"{name}-{seed}.mp4", seed, BREACH_S, at_s, breaks)
        yield from breach(name, Footage.of(clip), at_s, tuned)
    steady = Footage.of(write_steady(folder / f"steady-{seed}-{days}x{minutes / 2:g}.mp4", seed, days * minutes / 2))
    yield from compare("steady", steady, days, fitted(steady, days))


def fitted(footage: Footage, days: int) -> list[Configuration]:
    """What is chosen for each floor on all days but the last."""
    return [searched(footage, 0, _border(footage, days), floor) for floor in FLOORS]


def compare(scene: str, footage: Footage, days: int, tuned: Sequence[Configuration]) -> Iterator[dict[str, Any]]:
    """How each policy fares on the last day."""
    border, whole = _border(footage, days), footage.part(0, footage.frames)
    fit, last = footage.part(0, border), footage.part(border, footage.frames)
    asked = [*zip(tuned, FLOORS, strict=True), *((CAREFUL, floor) for floor in FLOORS)]
    held = floored(whole, asked, footage, border)
    for place, floor in enumerate(FLOORS):
        what, fixed = static(fit, last, floor, footage)
        policies = {
            STATIC: (fixed, what),
            TUNED: (held[place], str(tuned[place])),
            CARE: (held[len(FLOORS) + place], ""),
            "Chameleon 1 s in 4": (chameleon(last, floor, footage, tries=True), ""),
            "Chameleon 1 s in 16": (chameleon(last, floor, footage, tries=False), ""),
            "Chameleon 1 s in 4, four alike": (chameleon(last, floor, footage, tries=True, cameras=4), ""),
            "Chameleon 1 s in 16, four alike": (chameleon(last, floor, footage, tries=False, cameras=4), ""),
            "oracle each 4 s": (oracle(last, floor, footage), ""),
        }
        for policy, (answered, note) in policies.items():
            scored: Scored = score(answered, last.truth, floor, footage.safe_ms)
            yield {"scene": scene, "floor": floor, "policy": policy, **scored._asdict(), "note": note}


def breach(name: str, footage: Footage, at_s: float, tuned: Sequence[Configuration]) -> Iterator[dict[str, Any]]:
    """How long a planted breach lasts."""
    whole = footage.part(0, footage.frames)
    asked = [*zip(tuned, FLOORS, strict=True), *((CAREFUL, floor) for floor in FLOORS)]
    for number, (answered, (_, floor)) in enumerate(zip(floored(whole, asked, footage), asked, strict=True)):
        seconds, worst = recovers(answered, whole.truth, at_s, floor)
        policy = TUNED if number < len(FLOORS) else CARE
        yield {"scene": name, "floor": floor, "policy": policy, "seconds": seconds, "worst": worst}


def _border(footage: Footage, days: int) -> int:
    return footage.frames * (days - 1) // days
