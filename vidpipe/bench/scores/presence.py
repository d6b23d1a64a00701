"""Presence F1: whether a thing was seen to come and to go, and how late. What a user feels of a camera."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.bench.figures import PresenceScore
from vidpipe.bench.scores.matching import that_count
from vidpipe.bench.series import Boxes, Series
from vidpipe.sources.base import Polygon
from vidpipe.sources.view import at, inside

_GAP_S = 1.0  # a gap shorter than this is none
_RUN_S = 0.2  # a run shorter than this is a flicker
_TOLERANCE_S = 1.0
_ROUNDING_S = 1e-6  # to this, times are equal: 25 frames of 0.04 s are a second, whatever their binary sum


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

    Raises:
        ValueError: the series are not of the same frames and classes.
    """
    matched = {place: _match(*sides) for place, sides in runs(predictions, truth, zones).items()}
    return _score(list(matched.values())), {place: _score([one]) for place, one in matched.items()}


class Run(NamedTuple):
    """A stretch of presence, in media seconds; whether it may have begun before the series, or go on behind it."""

    begin_s: float
    end_s: float
    from_before: bool
    goes_on: bool


def runs(predictions: Series, truth: Series, zones: Mapping[str, Polygon]) -> dict[str, tuple[list[Run], list[Run]]]:
    """The runs that `presence` scores, found and wanted, in order of time, by place.

    Raises:
        ValueError: the series are not of the same frames and classes.
    """
    predicted_boxes, truth_boxes = that_count(predictions, truth)
    parts = {zone: inside(polygon, truth.width, truth.height) for zone, polygon in zones.items()}
    pairs = zip(_by_place(predicted_boxes, truth, parts), _by_place(truth_boxes, truth, parts), strict=True)
    return {place: (_runs(there, truth.pts), _runs(true, truth.pts)) for (place, there), (_, true) in pairs}


class _Matched(NamedTuple):
    """Found and wanted runs that belong together, and how many of each do not."""

    pairs: list[tuple[Run, Run]]
    false: int
    missed: int


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
    borders = np.flatnonzero(np.diff(present, prepend=False, append=False))
    first, last = borders[::2], borders[1::2] - 1
    begin, end = pts[first], pts[last] + step_s
    apart = begin[1:] - end[:-1] >= _GAP_S - _ROUNDING_S
    opens, closes = np.append(True, apart)[: len(first)], np.append(apart, True)[: len(first)]
    runs = map(
        Run,
        begin[opens].tolist(),
        end[closes].tolist(),
        (first[opens] == 0).tolist(),
        (last[closes] == len(pts) - 1).tolist(),
    )
    return [run for run in runs if run.end_s - run.begin_s >= _RUN_S - _ROUNDING_S]


def _match(predictions: Sequence[Run], truth: Sequence[Run]) -> _Matched:
    """Pair runs that begin and end within the tolerance, in order of time.

    No other pairing has more pairs. Runs of a series do not overlap, so both beginnings and ends rise. Hence if the
    earliest two do not match because one begins or ends too early, that one is too early for all the others as well,
    and can go. And if they match, some best pairing has them as a pair: of two pairs that cross, the members in order
    of time lie no further apart, so a best pairing need not cross; then it has one of the two at most, and that one's
    partner can be exchanged for the other of the two.
    """
    pairs: list[tuple[Run, Run]] = []
    next_predicted, next_truth = 0, 0
    tolerance_s = _TOLERANCE_S + _ROUNDING_S
    while next_predicted < len(predictions) and next_truth < len(truth):
        one, other = predictions[next_predicted], truth[next_truth]
        late_s = one.begin_s - other.begin_s, one.end_s - other.end_s
        if max(late_s) > tolerance_s:
            next_truth += 1
        elif min(late_s) < -tolerance_s:
            next_predicted += 1
        else:
            pairs.append((one, other))
            next_predicted, next_truth = next_predicted + 1, next_truth + 1
    return _Matched(pairs, len(predictions) - len(pairs), len(truth) - len(pairs))


def _score(matched: Sequence[_Matched]) -> PresenceScore:
    pairs = [pair for one in matched for pair in one.pairs]
    false, missed = sum(one.false for one in matched), sum(one.missed for one in matched)
    runs = 2 * len(pairs) + false + missed
    begins = [one.begin_s - other.begin_s for one, other in pairs if not (one.from_before or other.from_before)]
    ends = [one.end_s - other.end_s for one, other in pairs if not (one.goes_on or other.goes_on)]
    return PresenceScore(
        f1=2 * len(pairs) / runs if runs else None,
        found=len(pairs),
        false=false,
        missed=missed,
        begin_delay_s=median(begins) if begins else None,
        end_delay_s=median(ends) if ends else None,
    )
