"""The minutes and hours by which a store counts."""

from __future__ import annotations

MINUTE_S = 60
SPANS_S = (MINUTE_S, 60 * MINUTE_S)
"""What a row of counts stands for: hours beside minutes, so that a week is asked for as quickly as an hour."""


def starts(at: float) -> list[tuple[int, int]]:
    """Of the minute and the hour of a time: its length, and the UTC seconds at which it began."""
    return [(span, start_of(at, span)) for span in SPANS_S]


def start_of(at: float, span: int) -> int:
    """The UTC seconds at which the span of so many seconds began."""
    return int(at // span) * span
