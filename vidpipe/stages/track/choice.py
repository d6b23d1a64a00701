"""What moves the boxes of a stream, learnt from its looks.

Vectors of the codec cost about half of flow, and boxes nearly everywhere hold by them as long. Where they do not,
either all boxes go astray, as encoders see no motion in small things, or those whose vectors contradict each other.
Large things that turn contradict themselves as well, and go by vectors all the same. So both kinds are on trial:
between some looks boxes are moved in both ways, and what the next look finds says which boxes it bears out.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.boxes import iou
from vidpipe.stages.track.seen import Means
from vidpipe.stages.track.tracks import Tracks
from vidpipe.statistics.agreement import IOU

if TYPE_CHECKING:
    import supervision as sv

_MARGIN = 0.02  # share of the boxes that vectors may lose and flow holds: looks, which that would cost, are dear
_CONFIDENCE = 0.9  # of the bound on that share, one-sided
_LEAST = 4  # trials, fewer say nothing of how much they differ
_KEPT = 96  # trials: what was before says little of now, but fewer would never prove anything of single boxes
_ENOUGH = 24  # of boxes as old as they now become; with so many, or when vectors are proven, few intervals are tried
_EVERY = 8  # intervals between looks, of which one is still tried then
_AS_OLD = 0.5  # share of the present age that boxes must have had to count: for a moment they hold in any way


class _Trial(NamedTuple):
    """What a look said of boxes that were moved in both ways; `united` ones, and those whose vectors disagreed.

    Attributes:
        old: frames since the look before.
        united, disunited: how many boxes flow held and vectors lost, less the reverse; and how many boxes there were.
    """

    old: int
    united: tuple[int, int]
    disunited: tuple[int, int]


class Choice:
    """Flow moves all boxes until trials have proven that vectors are not worse.

    The boxes whose vectors disagree keep flow until it is proven of those as well.
    """

    def __init__(self) -> None:
        self._trials: deque[_Trial] = deque(maxlen=_KEPT)
        self._looks = 0

    def means(self, old: int) -> Means:
        """What moves boxes that become so many frames old before the next look."""
        trials = self._telling(old)
        if not _is_no_worse([each.united for each in trials]):
            return "flow"
        return "codec" if _is_no_worse([each.disunited for each in trials]) else "both"

    def tries(self, old: int) -> bool:
        """Whether boxes shall be moved in both ways until the next look; to be asked once a look."""
        self._looks += 1
        if self._looks % _EVERY == 0:
            return True
        return len(self._telling(old)) < _ENOUGH and self.means(old) == "flow"

    def learn(self, old: int, flowed: Tracks, vectored: Tracks, found: sv.Detections) -> None:
        """A look has come to boxes that were moved in both ways.

        Args:
            old: frames since the look that they are of.
            found: what it found.
        """
        rows, others = (flowed.ids[:, None] == vectored.ids).nonzero()
        lost = _held(flowed, found)[rows].astype(int) - _held(vectored, found)[others]
        apart = vectored.disunited[others]
        united, disunited = ((int(lost[some].sum()), int(np.count_nonzero(some))) for some in (~apart, apart))
        self._trials.append(_Trial(old, united, disunited))

    def _telling(self, old: int) -> list[_Trial]:
        return [each for each in self._trials if each.old >= _AS_OLD * old]


def _is_no_worse(trials: list[tuple[int, int]]) -> bool:
    """Whether vectors surely lose no more than `_MARGIN` of the boxes that flow holds."""
    from scipy.special import stdtrit

    lost, boxes = np.array([each for each in trials if each[1]], float).reshape(-1, 2).T
    count = len(boxes)
    if count < _LEAST:
        return False
    share = lost.sum() / boxes.sum()
    # One box more than was lost: a few perfect trials must not pass for certainty.
    spread = np.sqrt((((lost - share * boxes) ** 2).sum() + 1.0) * count / (count - 1)) / boxes.sum()
    return bool(share + stdtrit(count - 1, _CONFIDENCE) * spread <= _MARGIN)


def _held(tracks: Tracks, found: sv.Detections) -> NDArray[np.bool_]:
    """Which boxes [n] a look bears out: it found one of their class there."""
    if not len(found):
        return np.zeros(len(tracks), bool)
    overlap = iou(tracks.boxes[:, None].astype(np.float64), np.asarray(found.xyxy, np.float64))
    measured: Any = tracks.measured
    held: NDArray[np.bool_] = ((overlap >= IOU) & (measured.class_id[:, None] == found.class_id)).any(axis=1)
    return held
