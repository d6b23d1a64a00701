"""Which segments nobody reaches, since when, and that a user is told of it once."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from vidpipe.cascade.cascade import Away
from vidpipe.core.clock import REAL, Clock

log = logging.getLogger(__name__)


class Absences:
    """Is told now and then who is away at the other ends of links."""

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._since: Mapping[str, float] = {}

    @property
    def segments(self) -> Mapping[str, float]:
        """Segments that nobody reaches, and since when, by the clock's monotonic time."""
        return self._since

    def note(self, away: Mapping[str, Away]) -> None:
        """These are away now, by link."""
        known = {who.segment: who for who in away.values()}
        for segment in known.keys() - self._since.keys():
            log.warning("%s is away; the run goes on without it, and tries to reach it again", segment)
        for segment in self._since.keys() - known.keys():
            log.warning("%s is there again", segment)
        now = self._clock.monotonic()
        self._since = {segment: self._since.get(segment, now - who.for_s) for segment, who in known.items()}
