"""What a link has carried, and how it fares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple


class LinkNow(NamedTuple):
    """A link at this moment.

    Attributes:
        mbps: megabits a second that lately cross while something is under way; None: nothing has crossed yet.
        waiting: frames that have not arrived yet.
        age_s: how long the oldest of them has waited.
        setting: the codec with its quality and width, and the share of frames where that is not all.
        breakers: how many circuit breakers of links of that name stand so, by state.
    """

    mbps: float | None
    waiting: int
    age_s: float
    setting: str
    breakers: Mapping[str, int] = {}

    def __add__(self, other: LinkNow) -> LinkNow:  # type: ignore[override]
        """Of two links of that name, which cross side by side; the setting of the one that is later."""
        known = [each.mbps for each in (self, other) if each.mbps is not None]
        setting = (self if self.age_s >= other.age_s else other).setting
        age_s = max(self.age_s, other.age_s)
        breakers = Counter(self.breakers) + Counter(other.breakers)
        return LinkNow(sum(known) if known else None, self.waiting + other.waiting, age_s, setting, breakers)


class Carried(NamedTuple):
    """What a link has carried since the run began.

    Attributes:
        busy_s: seconds in which something was under way; 0.0 where nobody measures it (inside one process).
        crossed: frames whose arrival was seen.
        crossing_s: from the asking to the arrival of these, in all; of recordings from when the link had room for them.
        longest_s: of one of them.
        settings: frames by how they were packed, where that varies.
        now: None where nobody measures it, and of a process that has ended.
    """

    frames: int = 0
    bytes: int = 0
    busy_s: float = 0.0
    crossed: int = 0
    crossing_s: float = 0.0
    longest_s: float = 0.0
    settings: Mapping[str, int] = {}
    now: LinkNow | None = None

    def __add__(self, other: Carried) -> Carried:  # type: ignore[override]
        now = [each.now for each in (self, other) if each.now is not None]
        return Carried(
            self.frames + other.frames,
            self.bytes + other.bytes,
            self.busy_s + other.busy_s,
            self.crossed + other.crossed,
            self.crossing_s + other.crossing_s,
            max(self.longest_s, other.longest_s),
            Counter(self.settings) + Counter(other.settings),
            now[0] + now[1] if len(now) == 2 else next(iter(now), None),
        )

    def report(self) -> dict[str, Any]:
        """For the report of a run; what nobody has measured is left out."""
        told: dict[str, Any] = {"frames": self.frames, "bytes": self.bytes}
        if self.busy_s:
            told["mbps"] = round(self.bytes * 8e-6 / self.busy_s, 3)
        told |= self._crossing()
        if self.settings:
            told["settings"] = dict(self.settings)
        return told

    def status(self) -> dict[str, Any]:
        """For the status of a run."""
        told: dict[str, Any] = {"frames": self.frames, "bytes": self.bytes}
        if self.now is not None:
            told |= {
                "mbps": None if self.now.mbps is None else round(self.now.mbps, 3),
                "waiting": self.now.waiting,
                "age_ms": round(1000 * self.now.age_s, 3),
                "setting": self.now.setting,
                "breakers": dict(self.now.breakers),
            }
        return told | self._crossing()

    def _crossing(self) -> dict[str, float]:
        if not self.crossed:
            return {}
        mean_s = self.crossing_s / self.crossed
        return {"crossing_ms": round(1000 * mean_s, 3), "longest_ms": round(1000 * self.longest_s, 3)}
