"""When the state of a stream is due to be saved."""

from __future__ import annotations

SNAPSHOT_EVERY_S = 5.0  # of media time


class SnapshotTimer:
    """Every `SNAPSHOT_EVERY_S` of one stream; the first time so long after its first picture."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since: float | None = None

    def is_due(self, pts: float) -> bool:
        """Whether it is time, at this picture; counted anew from there, and where a stream begins again."""
        if self._since is None or pts < self._since:
            self._since = pts
        if pts - self._since < SNAPSHOT_EVERY_S:
            return False
        self._since = pts
        return True
