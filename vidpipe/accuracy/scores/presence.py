"""Presence F1: whether a thing was seen to come and to go, and how late. What a user feels of a camera."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.figures import PresenceScore
from vidpipe.accuracy.scores.matching import that_count
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.sources.base import Polygon
from vidpipe.sources.view import at, inside

_GAP_S = 1.0  # a gap shorter than this is none
_RUN_S = 0.2  # a run shorter than this is a flicker
_TOLERANCE_S = 1.0
_ROUNDING_S = 1e-6  # to this, times are equal: 25 frames of 0.04 s are a second, whatever their binary sum


class Run(NamedTuple):
    """A stretch of presence, in media seconds; whether it may have begun before the series, or go on behind it."""

    begin_s: float
    end_s: float
    from_before: bool
    goes_on: bool


class Sides(NamedTuple):
    """The runs of one class in one place, in order of time."""

    found: list[Run]
    wanted: list[Run]


def presence(
    predictions: Series, truth: Series, zones: Mapping[str, Polygon]
) -> tuple[PresenceScore, dict[str, PresenceScore]]:
    """Score the runs of presence of each class, in the whole picture ("person") and in each zone ("person in gate").

    A run lasts from its first frame with a box to one frame behind its last. Gaps under 1 s are closed, then runs under
    0.2 s are left out, in both series alike. A found run is right if it begins and ends within 1 s of a wanted one,
    one-to-one. A box is in a zone if the middle of its lower edge is. A frame that `truth` does not know is as the
    known one before it, in both. Ignored boxes, and what was found there, make no presence.

    Delays are those of runs that match, found less wanted. What begins (ends) at a border of the stretch began before
    it (ends behind it), nobody knows when: it has no such delay.

    Returns:
        Everything counted together, zones as well as the whole picture; and each by itself.
    """
    by_place = runs(predictions, truth, zones)
    return _score(list(by_place.values())), {place: _score([sides]) for place, sides in by_place.items()}


def runs(predictions: Series, truth: Series, zones: Mapping[str, Polygon]) -> dict[str, Sides]:
    """The runs that `presence` scores, by place."""
    parts = {zone: inside(polygon, truth.width, truth.height) for zone, polygon in zones.items()}
    found, wanted = (dict(_by_place(boxes, truth, parts)) for boxes in that_count(predictions, truth))
    return {place: Sides(_runs(found[place], truth.pts), _runs(wanted[place], truth.pts)) for place in wanted}


def _by_place(
    boxes: Boxes, truth: Series, parts: Mapping[str, NDArray[np.bool_]]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """For each class in the picture and in each part of it: in which frames there is a box, bool [frames]."""
    frames = np.arange(truth.frames)
    # Frames before the first known one have none before them: they are as that one.
    as_frame = np.maximum.accumulate(np.where(truth.known, frames, truth.known.argmax()))
    feet = np.stack([boxes.xyxy[:, [0, 2]].mean(axis=1), boxes.xyxy[:, 3]], axis=1)
    places = {"": np.ones(len(boxes), bool), **{f" in {zone}": at(pixels, feet) for zone, pixels in parts.items()}}
    for label, name in enumerate(truth.classes):
        for suffix, there in places.items():
            present = np.isin(frames, boxes.frame[there & (boxes.label == label)])
            yield name + suffix, present[as_frame]


def _runs(present: NDArray[np.bool_], pts: NDArray[np.float64]) -> list[Run]:
    """Runs of presence in order of time, gaps closed and flickers left out."""
    step_s = (pts[-1] - pts[0]) / (len(pts) - 1) if len(pts) > 1 else 0.0
    borders = np.flatnonzero(np.diff(present, prepend=False, append=False)).tolist()
    runs: list[Run] = []
    for first, behind in zip(borders[::2], borders[1::2], strict=True):
        run = Run(float(pts[first]), float(pts[behind - 1] + step_s), first == 0, behind == len(pts))
        if runs and run.begin_s - runs[-1].end_s < _GAP_S - _ROUNDING_S:
            before = runs.pop()
            run = run._replace(begin_s=before.begin_s, from_before=before.from_before)
        runs.append(run)
    return [run for run in runs if run.end_s - run.begin_s >= _RUN_S - _ROUNDING_S]


def pairs(found: Sequence[Run], wanted: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Runs that begin and end within the tolerance, in order of time; no other pairing has more pairs.

    For runs of a series do not overlap, so both beginnings and ends rise: of two that do not match, the one that begins
    or ends too early is too early for all that follow as well; and two that match may as well be a pair, since of two
    pairs that cross, the members in order of time lie no further apart.
    """
    matched: list[tuple[Run, Run]] = []
    next_found, next_wanted = 0, 0
    tolerance_s = _TOLERANCE_S + _ROUNDING_S
    while next_found < len(found) and next_wanted < len(wanted):
        one, other = found[next_found], wanted[next_wanted]
        late_s = one.begin_s - other.begin_s, one.end_s - other.end_s
        if max(late_s) > tolerance_s:
            next_wanted += 1
        elif min(late_s) < -tolerance_s:
            next_found += 1
        else:
            matched.append((one, other))
            next_found, next_wanted = next_found + 1, next_wanted + 1
    return matched


def _score(places: Sequence[Sides]) -> PresenceScore:
    matched = [pair for sides in places for pair in pairs(*sides)]
    found, wanted = (sum(len(sides[side]) for sides in places) for side in (0, 1))
    begins = [one.begin_s - other.begin_s for one, other in matched if not (one.from_before or other.from_before)]
    ends = [one.end_s - other.end_s for one, other in matched if not (one.goes_on or other.goes_on)]
    return PresenceScore(
        f1=2 * len(matched) / (found + wanted) if found + wanted else None,
        found=len(matched),
        false=found - len(matched),
        missed=wanted - len(matched),
        begin_delay_s=median(begins) if begins else None,
        end_delay_s=median(ends) if ends else None,
    )
