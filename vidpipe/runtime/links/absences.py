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
        return {link.split("-")[-1]: since for link, since in self._since.items()}

    def note(self, away: Mapping[str, Away]) -> None:
        """These are away now, by link."""
        for link, who in away.items():
            if link not in self._since:
                log.warning("%s is away; the run goes on without it, and tries to reach it again", who.segment)
        for link in self._since.keys() - away.keys():
            log.warning("%s is there again", link.split("-")[-1])
        now = self._clock.monotonic()
        self._since = {link: self._since.get(link, now - who.for_s) for link, who in away.items()}
