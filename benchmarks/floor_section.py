"""What `python -m benchmarks floor` has found, in words and tables for docs/benchmarks.md."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HEAD = """## What a floor is worth on a day that changes

    python -m benchmarks floor --days {days} --minutes {minutes:g} --seeds {seeds}

Generated streets, 640x480 at 10 frames a second: {days} days, the last of which is scored, of empty night, day,
rush and rain, {phase:g} s of media time each. So a day is compressed: what takes hours elsewhere comes within
seconds here, which is hard on whatever adapts. Held against 2003 at every frame; others may look with 2001, at
352x352 and 192x192. Settings of the first day are chosen by their lower bound there. Cost is CPU time with
decoding, as a share of 2003 at every frame. Minutes, and windows of 20 s, without an object are left out.
The static setting is chosen on all frames of the first day, with hindsight; the search saw only 20 s of each 50 s
of it, and of the steady street 20 s in all. Mean of {streets} (cost: least to most), all minutes together. One
street alone is no more than a first look.
"""
BREACHES = """Something breaks in the rush: seconds of media time until F1 of the last 10 s is back over the floor, for
each street (0.0: it never fell under it; never: not within the half minute that is left), and the worst
F1 of 10 s. The little model breaks on the last day, where it is all that looks, and where streets empty
and fill by themselves.
"""
BROKEN = {
    "night": "night falls at once",
    "turned": "the camera is turned",
    "blind": "the little model sees only the left half",
}


def section(kept: Path) -> str:
    """The section of the page; "" where nothing was measured."""
    if not kept.is_file():
        return ""
    told = json.loads(kept.read_text())
    rows: list[dict[str, Any]] = told["rows"]
    lines = [
        HEAD.format(**told, phase=15 * told["minutes"], streets=_streets(rows, "changing")),
        *_days(rows, "changing"),
    ]
    if any(row["scene"].startswith("steady") for row in rows):
        lines += [f"The same where it is always day ({_streets(rows, 'steady')}):", "", *_days(rows, "steady")]
    lines += [BREACHES, *_breaches(rows)]
    return "\n".join(lines)


def _streets(rows: list[dict[str, Any]], scene: str) -> str:
    count = len({row["scene"] for row in rows if row["scene"].startswith(scene)})
    return f"{count} street{'s' * (count != 1)}"


def _days(rows: list[dict[str, Any]], scene: str) -> Iterator[str]:
    yield "| floor | | cost | F1 | minutes that hold | windows that hold | worst minute |"
    yield "|---:|---|---:|---:|---:|---:|---:|"
    for (floor, policy), group in _grouped(row for row in rows if row["scene"].startswith(scene)):
        cost = [row["cost"] for row in group]
        held = [_held(group, what, place) for place, what in enumerate(("minutes", "windows"))]
        worst = min(row["worst"] for row in group)
        spread = f"{np.mean(cost):.2f}" + (f" ({min(cost):.2f}-{max(cost):.2f})" if len(cost) > 1 else "")
        f1 = f"{np.mean([row['f1'] for row in group]):.3f}"
        yield f"| {floor} | {policy} | {spread} | {f1} | {held[0]} | {held[1]} | {worst:.2f} |"
    yield ""


def _held(group: list[dict[str, Any]], what: str, place: int) -> str:
    """How many of all minutes or windows hold the floor."""
    counts = [row["counts"][place] for row in group]
    return f"{sum(row[what] * count for row, count in zip(group, counts, strict=True)):.0f} of {sum(counts)}"


def _breaches(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| | floor | | seconds | worst |"
    yield "|---|---:|---|---:|---:|"
    for name, what in BROKEN.items():
        for (floor, policy), group in _grouped(row for row in rows if row["scene"].startswith(name)):
            seconds = ", ".join("never" if math.isinf(row["seconds"]) else f"{row['seconds']:.1f}" for row in group)
            worst = min(row["worst"] for row in group)
            yield f"| {what} | {floor} | {policy}{_acts(group)} | {seconds} | {worst:.2f} |"
    yield ""


def _acts(group: list[dict[str, Any]]) -> str:
    """When the tuner acts, where one watches."""
    if not all("note" in row for row in group):
        return ""
    when = ", ".join(f"after {row['note'][0][0]:.0f} s" if row["note"] else "not at all" for row in group)
    return f", which acts {when}"


def _grouped(rows: Iterator[dict[str, Any]]) -> Iterator[tuple[tuple[float, str], list[dict[str, Any]]]]:
    groups: dict[tuple[float, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["floor"], row["policy"]), []).append(row)
    yield from groups.items()
