"""Who is away below a stream, as the answers that come back from there tell."""

from __future__ import annotations

from vidpipe.cascade.cascade import Away, Completed
from vidpipe.core.clock import Clock


class Absence:
    """What is known of one stream; for its thread.

    A frame for which something is published at once may be on its way to a tier that is away: what became of the frames
    before it says so.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._segment = ""
        self._since = 0.0

    def note(self, completed: Completed) -> None:
        """What became of a frame that was handed down."""
        if completed.away is not None:
            self._segment, for_s = completed.away
            self._since = self._clock.monotonic() - for_s
        elif not completed.answer.how.carried:
            self._segment = ""

    @property
    def away(self) -> Away | None:
        """Who is away now; None where nobody is known to be."""
        return Away(self._segment, self._clock.monotonic() - self._since) if self._segment else None
