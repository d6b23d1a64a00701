"""When a rule holds: by the time of day of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from vidpipe.transforms.rules.spec import DAYS, SpanSpec


class Schedule:
    """Times of day on days of the week, as one thing that holds or does not; asked minute by minute."""

    def __init__(self, spans: Sequence[SpanSpec]) -> None:
        self._spans = [
            (ZoneInfo(span.timezone), frozenset(map(DAYS.index, span.days)), (_minute(span.begin), _minute(span.end)))
            for span in spans
        ]
        self._asked = -1  # the minute that was asked for last, and what the answer was
        self._holds = False

    def holds(self, at: float | None) -> bool:
        """Whether it holds at this time, UTC seconds; where nobody knows the time it always does."""
        if at is None:
            return True
        minute = int(at // 60)
        if minute != self._asked:
            now = datetime.fromtimestamp(minute * 60, UTC)
            self._asked = minute
            self._holds = any(_within(now.astimezone(zone), days, *ends) for zone, days, ends in self._spans)
        return self._holds


def _minute(written: str) -> int:
    hours, minutes = written.split(":")
    return int(hours) * 60 + int(minutes)


def _within(now: datetime, days: frozenset[int], begin: int, end: int) -> bool:
    minute = now.hour * 60 + now.minute
    if begin < end:
        return now.weekday() in days and begin <= minute < end
    return (now.weekday() in days and minute >= begin) or ((now.weekday() - 1) % 7 in days and minute < end)
