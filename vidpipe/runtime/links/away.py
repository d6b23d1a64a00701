"""Which segments nobody reaches, since when, and that a user is told of it once."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from vidpipe.core.clock import REAL, Clock

log = logging.getLogger(__name__)


class Away:
    """Is told now and then of the links at whose other end nobody is."""

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._since: Mapping[str, float] = {}

    @property
    def segments(self) -> Mapping[str, float]:
        """Segments that nobody reaches, and since when, by the clock's monotonic time."""
        return {link.split("-")[-1]: since for link, since in self._since.items()}

    def note(self, away: Mapping[str, str]) -> None:
        """These links lead nowhere now, for these reasons."""
        for link, reason in away.items():
            if link not in self._since:
                log.warning("%s; the run goes on without it, and tries to reach it again", reason)
        for link in self._since.keys() - away.keys():
            log.warning("%s is there again", link.split("-")[-1])
        now = self._clock.monotonic()
        self._since = {link: self._since.get(link, now) for link in away}
