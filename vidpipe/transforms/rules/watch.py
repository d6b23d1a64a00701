"""A rule at one place of one stream, and what it says happened there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.event import Phase
from vidpipe.transforms.rules.objects import Known
from vidpipe.transforms.rules.schedule import Schedule
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RuleSpec, names


class Happening(NamedTuple):
    """What a rule says, before it is an event.

    Attributes:
        id: the same for all phases, as of `Event`.
        data: fields of the event that differ from rule to rule.
    """

    kind: str
    phase: Phase
    rule: str
    id: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Watch:
    """A rule at one zone or line.

    Attributes:
        place: name of the zone or line; "": the whole picture.
        index: of the zone or line in the geometry.
        schedule: when it holds; None: always.
    """

    rule: RuleSpec
    place: str
    index: int
    schedule: Schedule | None


@dataclass(slots=True)
class Watches:
    """Some watches that look at the same boxes, with what they ask of them as arrays, a column each."""

    watches: Sequence[Watch]
    columns: NDArray[np.intp] = field(init=False)
    _scores: NDArray[np.float64] = field(init=False)
    _heights: NDArray[np.float64] = field(init=False)
    _scheduled: list[tuple[int, Schedule]] = field(init=False)
    _of_class: dict[str, NDArray[np.bool_]] = field(init=False, default_factory=dict)
    _asks: bool = field(init=False)

    def __post_init__(self) -> None:
        self.columns = np.array([watch.index for watch in self.watches], np.intp)
        self._scores = np.array([watch.rule.least_score for watch in self.watches])
        self._heights = np.array([watch.rule.least_height for watch in self.watches])
        self._scheduled = [(k, watch.schedule) for k, watch in enumerate(self.watches) if watch.schedule]
        self._asks = bool(self._scores.any() or self._heights.any())

    def __len__(self) -> int:
        return len(self.watches)

    def counting(self, seen: Seen, known: Known) -> NDArray[np.bool_]:
        """Which boxes count for which watches, wherever they are, [m, watches]."""
        counts = self.classes(seen.classes)
        if self._asks:
            counts &= known.scores[:, None] >= self._scores
            counts &= known.heights[:, None] >= self._heights
        for column in self.sleeping(seen):
            counts[:, column] = False
        return counts

    def classes(self, written: Sequence[str]) -> NDArray[np.bool_]:
        """Which watches are about things of these classes, [m, watches]."""
        own = self._of_class
        for name in written:
            if name not in own:
                about = (names(watch.rule.classes) for watch in self.watches)
                own[name] = np.array([wanted is None or name in wanted for wanted in about], bool)
        return np.array([own[name] for name in written], bool).reshape(-1, len(self))

    def sleeping(self, seen: Seen) -> list[int]:
        """The watches that do not hold now."""
        return [column for column, schedule in self._scheduled if not schedule.holds(seen.at)]


def span(seen: Seen, begin: float, end: float | None = None) -> dict[str, Any]:
    """When it began, and ended, by media time and by the clock, as fields of an event."""
    told: dict[str, Any] = {"started_at": _clock(seen, begin), "started_pts": round(begin, 6)}
    if end is not None:
        told |= {"ended_at": _clock(seen, end), "ended_pts": round(end, 6)}
    return told


def _clock(seen: Seen, pts: float) -> float | None:
    return None if seen.at is None else round(seen.at - (seen.pts - pts), 3)
