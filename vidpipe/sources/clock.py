"""When a picture was taken: from a connection's stamps, which tell intervals, to times of a clock that tells when."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import NamedTuple

JUMP_S = 2.0  # by which stamps may go back, or run ahead of arrival: more is another time line
LATE_S = 60.0  # by which they may stay behind: less is a network that hesitates, and catches up
BELIEVED_S = 10.0  # an age beyond which a sender's clock is thought to be wrong, rather than its pictures old
EARLY_S = 0.5  # by which it may run ahead of ours
WINDOW_S = 30.0  # over which the least delay is sought
SLEW = 0.25  # of what the clocks have drifted apart, corrected at each window's end


class Time(NamedTuple):
    """When a picture was taken.

    Attributes:
        at: seconds of the monotonic clock.
        jumped: the stamps do not go on from those before.
    """

    at: float
    jumped: bool


class Steady:
    """The monotonic clock, and UTC as an offset from it: a step of the system's clock moves labels, not intervals."""

    def now(self) -> float:
        return time.monotonic()

    def utc(self, at: float) -> float:
        """UTC seconds of a time of this clock, as the system's clock is now."""
        return at + self.offset()

    def offset(self) -> float:
        return time.time() - time.monotonic()


class CaptureClock:
    """Times of capture for the pictures of one connection.

    Stamps are anchored once. A sender that tells its own clock (RTCP sender reports, RFC 3550, 6.4.1) gives the anchor,
    if that clock is near ours. Otherwise pictures are taken to have come as soon as the one that came soonest: one that
    comes sooner still moves the anchor at once, and as two quartzes drift apart by seconds a day, the least delay of
    each half minute moves it slowly.

    Args:
        tick: seconds of one unit of the stamps.
        period_s: from picture to picture as announced, for pictures without a stamp.
        known_s: the part of the least delay that is known.
    """

    def __init__(self, tick: Fraction, period_s: float, steady: Steady, *, known_s: float = 0.0) -> None:
        self._tick = float(tick)
        self._period_s = period_s
        self._steady = steady
        self._known_s = known_s
        self._anchor: float | None = None
        self._by_sender = False
        self._media = 0.0
        self._window_began = 0.0
        self._least = float("inf")
        self.sender_offset_s: float | None = None
        """By how much the sender's clock is behind ours (and the network slow), seconds; None where it tells none."""

    def at(self, stamp: int | None, arrived: float, sender_utc: float | None = None) -> Time:
        """When the next picture was taken, in the order of decoding.

        Args:
            arrived: by the monotonic clock.
            sender_utc: the time of capture by the sender's clock, if it tells.
        """
        media = self._media + self._period_s if stamp is None else stamp * self._tick
        jumped = self._anchor is not None and self._is_jump(media, arrived)
        if self._anchor is None or jumped:
            self._anchor, self._by_sender = arrived - self._known_s - media, False
            self._begin_window(arrived)
        self._media = media
        self._believe(sender_utc, media, arrived)
        if not self._by_sender:
            self._follow(arrived - self._known_s - (self._anchor + media), arrived)
        assert self._anchor is not None
        return Time(min(self._anchor + media, arrived), jumped)

    def _is_jump(self, media: float, arrived: float) -> bool:
        assert self._anchor is not None
        delay = arrived - (self._anchor + media)
        return media < self._media - JUMP_S or not -JUMP_S <= delay <= LATE_S

    def _believe(self, sender_utc: float | None, media: float, arrived: float) -> None:
        if sender_utc is None:
            return
        taken = sender_utc - self._steady.offset()
        self.sender_offset_s = arrived - taken
        self._by_sender = -EARLY_S <= arrived - taken <= BELIEVED_S
        if self._by_sender:
            self._anchor = taken - media

    def _follow(self, delay: float, arrived: float) -> None:
        assert self._anchor is not None
        if delay < 0:  # nothing comes before it was taken
            self._anchor += delay
            self._begin_window(arrived)
            return
        self._least = min(self._least, delay)
        if arrived - self._window_began >= WINDOW_S:
            # A whole second is no drift: the camera stood still, and its stamps did as well.
            self._anchor += self._least * (SLEW if self._least < 1 else 1.0)
            self._begin_window(arrived)

    def _begin_window(self, arrived: float) -> None:
        self._window_began, self._least = arrived, float("inf")
