"""What became of the pictures and clips of each stream."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

What = Literal["pictures", "clips"]

_KINDS: tuple[What, ...] = ("pictures", "clips")


class MediaCounts:
    """Counts, by stream; for several threads. What was made is written, or dropped for a reason, or waits."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._lock = threading.Lock()

    def made(self, stream: str, what: What) -> None:
        """One has been asked for."""
        self._add(stream, f"{what} made")

    def written(self, stream: str, what: What) -> None:
        """One is in the folder."""
        self._add(stream, f"{what} written")

    def dropped(self, stream: str, what: What, why: str) -> bool:
        """One will not be there; whether that is the first one for this reason."""
        return self._add(stream, f"{what} dropped: {why}") == 1

    def short(self, stream: str) -> None:
        """A clip that is written begins later than it should: what lay before was not there any more."""
        self._add(stream, "clips short")

    def deleted(self, stream: str) -> None:
        """A file went to make room, or for its age."""
        self._add(stream, "deleted")

    def of_all(self) -> dict[str, Counter[str]]:
        """A copy, by stream."""
        with self._lock:
            return {stream: Counter(counts) for stream, counts in self._counts.items()}

    def _add(self, stream: str, name: str) -> int:
        with self._lock:
            counts = self._counts.setdefault(stream, Counter())
            counts[name] += 1
            return counts[name]


def media_report(counts: Mapping[str, int]) -> dict[str, Any]:
    """The same of one stream, as the report has it."""
    report: dict[str, Any] = {what: _kind(counts, what) for what in _KINDS}
    report["clips"]["short"] = counts.get("clips short", 0)
    return {**report, "deleted": counts.get("deleted", 0)}


def _kind(counts: Mapping[str, int], what: What) -> dict[str, Any]:
    prefix = f"{what} dropped: "
    dropped = {name.removeprefix(prefix): count for name, count in sorted(counts.items()) if name.startswith(prefix)}
    made, written = counts.get(f"{what} made", 0), counts.get(f"{what} written", 0)
    waiting = made - written - sum(dropped.values())
    return {"made": made, "written": written, "waiting": waiting, "dropped": dropped}
