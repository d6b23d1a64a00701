"""How much of each resource a plan can count on now: less while a tier is away or a line is slow.

What is lost counts soon, as streams suffer from it; what is back counts once it has been there for a while, and each
time that it did not last for twice as long. Times are seconds, given by whoever asks.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vidpipe.pipeline.spec import Tier
from vidpipe.tuning.planner.loads import PLANNED

CPU_OF = "CPU of "
"""What the resource of machines begins with; their names stand behind it."""

LINE = "mbps of "
"""What the resource of a line begins with; behind its name stands "@SITE" where a site has its own."""

_GONE_S = 2.0  # that a tier is away, before it is done without: an actor that restarts is back sooner
_LATE_MS = 1000.0  # that a picture waits to cross, where a line is too slow
_FREE_MS = 200.0  # that it may wait where there is room
_TIMES = 2  # looks in a row that find a line late, before that counts
_CALM_S = 5.0  # that something has to be well again, before it is counted on, at first
_CALMEST_S = 160.0  # twice as long each time that it did not last, up to that
_LASTS_S = 30.0  # that it must have been there, to have lasted
_BLIND = 4  # times as long, where what crosses does not show that there is more
_MORE = 2.0  # times as much that is tried then


@dataclass(frozen=True, slots=True)
class Changed:
    """That there is another amount of something.

    Attributes:
        why: in words.
        less: whether there is less of it, so that streams suffer until they take less.
    """

    why: str
    less: bool


class _Recovery:
    """Whether something has been well for long enough to count on it."""

    def __init__(self) -> None:
        self._calm_s = _CALM_S
        self._well_since: float | None = None
        self._back_at = -math.inf

    def fail(self, at: float) -> None:
        """It is less than was counted on."""
        self._calm_s = min(2 * self._calm_s, _CALMEST_S) if at - self._back_at <= _LASTS_S else _CALM_S
        self._well_since = None

    def unwell(self) -> None:
        """It is no better yet."""
        self._well_since = None

    def well(self, at: float, times: float = 1.0) -> bool:
        """It seems to be better; whether it is counted on from now on, after so many times as long as usual."""
        if self._well_since is None:
            self._well_since = at
        if at - self._well_since < times * self._calm_s:
            return False
        self._well_since, self._back_at = None, at
        return True


class _Line:
    """One link between segments, and what of its lines' rate can be planned with."""

    def __init__(self, mbps: float) -> None:
        self._most, self.mbps = mbps, mbps
        self._late = 0
        self._recovery = _Recovery()

    def look(self, at: float, name: str, now: Mapping[str, Any]) -> Changed | None:
        """See how the link fares, as the status of a run has it."""
        age_ms, rate = float(now.get("age_ms") or 0.0), now.get("mbps")
        if age_ms > _LATE_MS:
            self._recovery.unwell()
            self._late += 1
            if rate is None or self._late < _TIMES or PLANNED * rate >= self.mbps:
                return None
            self._recovery.fail(at)
            self._late, self.mbps = 0, PLANNED * float(rate)
            return Changed(f"link {name} carries {rate:.3g} mbps", less=True)
        self._late = 0
        if self.mbps >= self._most:
            return None
        if age_ms > _FREE_MS:
            self._recovery.unwell()
            return None
        # What little crosses tells little of how much could: in the end more is tried than was seen.
        seen = PLANNED * float(rate or 0.0)
        if self._recovery.well(at, 1 if seen > self.mbps else _BLIND):
            self.mbps = min(self._most, seen if seen > self.mbps else _MORE * self.mbps)
            return Changed(f"link {name} has room again", less=False)
        return None


class _Tier:
    """One tier of one site, or of all."""

    def __init__(self) -> None:
        self.away = False
        self._since: float | None = None
        self._recovery = _Recovery()

    def look(self, at: float, name: str, away: bool) -> Changed | None:
        """See whether nobody reaches it."""
        if away:
            self._recovery.unwell()
            self._since = at if self._since is None else self._since
            if self.away or at - self._since < _GONE_S:
                return None
            self.away = True
            self._recovery.fail(at)
            return Changed(f"{name} is away", less=True)
        self._since = None
        if not self.away or not self._recovery.well(at):
            return None
        self.away = False
        return Changed(f"{name} is back", less=False)


class Supply:
    """What there is of each resource of a plan.

    Args:
        limits: of each resource that is planned with, as `planner.options` names them.
    """

    def __init__(self, limits: Mapping[str, float]) -> None:
        self._limits = dict(limits)
        self._lines: dict[str, _Line] = {}
        self._tiers: dict[tuple[str, Tier], _Tier] = {}

    def look(
        self, at: float, away: Mapping[str, Collection[Tier]], links: Mapping[str, Mapping[str, Any]]
    ) -> list[Changed]:
        """Take in how a run fares; what there is more or less of from now on.

        Args:
            away: the tiers that a stream does not reach, by stream.
            links: as the status of a run has them.
        """
        return [*self._reach(at, away), *self._carry(at, links)]

    def away(self, stream: str) -> set[Tier]:
        """The tiers that are done without for a stream."""
        return {tier for (name, tier), found in self._tiers.items() if name == stream and found.away}

    def limits(self, cpu: float = math.inf) -> dict[str, float]:
        """The limits now.

        Args:
            cpu: cores that all machines together have for the run; where they are fewer than are planned with, there
                is as much less of each.
        """
        found = dict(self._limits)
        cores = [name for name in found if name.startswith(CPU_OF)]
        ratio = min(1.0, cpu / max(sum(found[name] for name in cores), 1e-12))
        found |= {name: ratio * found[name] for name in cores}
        for link, line in self._lines.items():
            crossed = self._crossed(link)
            whole = sum(self._limits[name] for name in crossed)
            found |= {name: min(found[name], line.mbps * self._limits[name] / whole) for name in crossed}
        return found

    def _reach(self, at: float, away: Mapping[str, Collection[Tier]]) -> Iterator[Changed]:
        told: set[str] = set()
        for stream, tiers in away.items():
            for tier in Tier:
                one = self._tiers.setdefault((stream, tier), _Tier())
                changed = one.look(at, f"tier {tier}", tier in tiers)
                if changed is not None and changed.why not in told:
                    told.add(changed.why)
                    yield changed

    def _carry(self, at: float, links: Mapping[str, Mapping[str, Any]]) -> Iterator[Changed]:
        for link, now in links.items():
            crossed = self._crossed(link)
            if "age_ms" not in now or not crossed:
                continue
            line = self._lines.setdefault(link, _Line(sum(self._limits[name] for name in crossed)))
            changed = line.look(at, link, now)
            if changed is not None:
                yield changed

    def _crossed(self, link: str) -> list[str]:
        """The resources of the line that joins the ends of a link, one for each site."""
        return [name for name in self._limits if name.startswith(LINE) and _line_of(name) == link]


def _line_of(resource: str) -> str:
    return resource.removeprefix(LINE).partition("@")[0]


def tier_of(part: str) -> Tier | None:
    """The tier of a part of a pipeline by its name in messages: of "edge", "edge-2", "north/edge"."""
    name = part.rpartition("/")[2]
    return next((tier for tier in Tier if name == tier or name.startswith(f"{tier}-")), None)
