"""Whether the clocks of cameras can be right, by the times between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple, TypeVar

import numpy as np

from vidpipe.across.search import Track
from vidpipe.across.subjects import Seen

AnyTrack = TypeVar("AnyTrack", Track, Seen)

_LEAST = 8  # pairs of tracks that tell something
_LEAST_S = 20.0  # less is the difference between one walk and another
_MODE_SHARE = 0.25  # of the pairs in each of two ways, at least
_TIGHT = 0.25  # of the distance between both modes: how far each of them may spread


class Suspicion(NamedTuple):
    """Two cameras whose clocks seem to differ.

    Attributes:
        offset_s: what the second one's clock is ahead of the first one's by, if both ways take as long.
    """

    first: str
    second: str
    offset_s: float
    pairs: int

    def __str__(self) -> str:
        return (
            f"the clock of {self.second} seems to be {abs(self.offset_s):.0f} s "
            f"{'ahead of' if self.offset_s > 0 else 'behind'} that of {self.first} (by {self.pairs} who passed both): "
            f"if it is, give --clock-offset {self.second}={self.offset_s:+.0f}; nothing was corrected"
        )


def corrected(tracks: Iterable[AnyTrack], ahead: Mapping[tuple[int, str], float]) -> list[AnyTrack]:
    """Tracks by one clock.

    Args:
        ahead: by run and camera, seconds by which that clock is ahead.
    """
    return [
        each._replace(first=each.first - ahead_s, last=each.last - ahead_s)
        if (ahead_s := ahead.get(each.key[:2], 0.0))
        else each
        for each in tracks
    ]


def suspicions(seen: Sequence[Seen], likeness: float, *, horizon_s: float) -> list[Suspicion]:
    """Pairs of cameras whose clocks seem to differ.

    Who walks from one camera to the other and who walks back make two modes of the time between both, one on each side
    of zero. Two that lie on the same side mean that one of the clocks is off, by the middle of both if the two ways
    take as long. Cameras that all pass in one direction tell nothing.

    Two ways that lead in one direction over other cameras look the same. So only those pairs are asked that most have
    passed both of, as few as connect all cameras (a maximum spanning tree): who walks from one end of it to the other
    passes what lies between.
    """
    by_camera: dict[str, list[Seen]] = {}
    for each in seen:
        by_camera.setdefault(each.camera, []).append(each)
    pairs = [
        (first, second, _gaps(by_camera[first], by_camera[second], likeness, horizon_s))
        for first, second in combinations(sorted(by_camera), 2)
    ]
    found = []
    connected = {name: {name} for name in by_camera}
    for first, second, gaps in sorted(pairs, key=lambda pair: -len(pair[2])):
        if second in connected[first]:
            continue
        together = connected[first] | connected[second]
        connected |= dict.fromkeys(together, together)
        offset_s = _offset(gaps)
        if offset_s is not None:
            found.append(Suspicion(first, second, offset_s, len(gaps)))
    return sorted(found)


def _gaps(first: Sequence[Seen], second: Sequence[Seen], likeness: float, horizon_s: float) -> list[float]:
    """Seconds from the middle of a track on the first camera to that of the one on the second that is most alike."""
    length = len(first[0].vector)
    ones, others = ([each for each in seen if len(each.vector) == length] for seen in (first, second))
    if not others:
        return []
    cosines = np.stack([each.vector for each in ones]) @ np.stack([each.vector for each in others]).T
    middles, further = (np.array([(each.first + each.last) / 2 for each in seen]) for seen in (ones, others))
    gaps = further[None] - middles[:, None]
    cosines = np.where((np.abs(gaps) <= horizon_s) & (cosines >= likeness), cosines, -2.0)
    best_of_row, best_of_column = cosines.argmax(axis=1), cosines.argmax(axis=0)
    return [
        float(gaps[row, column])
        for row, column in enumerate(best_of_row)
        if cosines[row, column] > -2.0 and best_of_column[column] == row
    ]


def _offset(gaps: Sequence[float]) -> float | None:
    """The middle of two modes that lie on the same side of zero; None where there are none."""
    if len(gaps) < _LEAST:
        return None
    ordered = np.sort(np.array(gaps))
    # The widest gap between neighbours parts two modes, if there are two.
    least = max(2, int(len(ordered) * _MODE_SHARE))
    steps = np.diff(ordered)[least - 1 : len(ordered) - least]
    if not len(steps):
        return None
    cut = least + int(steps.argmax())
    low, high = ordered[:cut], ordered[cut:]
    middles = float(np.median(low)), float(np.median(high))
    apart = middles[1] - middles[0]
    spread = max(float(np.median(np.abs(low - middles[0]))), float(np.median(np.abs(high - middles[1]))))
    if middles[0] * middles[1] <= 0 or apart <= 0 or spread > _TIGHT * apart:
        return None
    offset_s = sum(middles) / 2
    return offset_s if abs(offset_s) >= _LEAST_S else None
