"""When a picture was taken: from a connection's stamps, which tell intervals, to times of a clock that tells when."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from vidpipe.core.clock import Clock

JUMP_S = 2.0  # by which stamps may go back, or run ahead of arrival: more is another time line
LATE_S = 60.0  # by which they may stay behind: less is a network that hesitates, and catches up
BELIEVED_S = 10.0  # an age beyond which a sender's clock is thought to be wrong, rather than its pictures old
WINDOW_S = 30.0  # over which the least delay is sought
SLEW = 0.25  # of what the clocks have drifted apart, corrected at each window's end


class _Line:
    """Stamps that go on from each other, and where they lie on the monotonic clock."""

    def __init__(self, anchor: float) -> None:
        self.anchor = anchor


@dataclass(frozen=True, slots=True)
class Moment:
    """When a picture was taken, as far as is known whenever it is asked: later pictures may tell more.

    Attributes:
        jumped: the stamps do not go on from those before.
    """

    _line: _Line
    _media: float
    _arrived: float
    jumped: bool

    @property
    def at(self) -> float:
        """Seconds of the monotonic clock."""
        return min(self._line.anchor + self._media, self._arrived)


class CaptureClock:
    """Times of capture for the pictures of one connection.

    Stamps are anchored once. A sender that tells its own clock (RTCP sender reports, RFC 3550, 6.4.1) gives the anchor,
    if that clock is near ours. Otherwise pictures are taken to have come as soon as the one that came soonest: one that
    comes sooner still moves the anchor at once, and as two quartzes drift apart by seconds a day, the least delay of
    each half minute moves it slowly.

    A picture that others are built from both ways in time is sent before those that are shown before it (B-frames), so
    its stamp is ahead of its arrival. All pictures of the stream are then taken to have come as much later: intervals
    stay those of the stamps.

    UTC is an offset from the monotonic clock: a step of the time of day moves labels, not intervals.

    Args:
        tick: seconds of one unit of the stamps.
        period_s: from picture to picture as announced, for pictures without a stamp.
        known_s: the part of the least delay that is known.
    """

    def __init__(self, tick: Fraction, period_s: float, clock: Clock, *, known_s: float = 0.0) -> None:
        self._tick = float(tick)
        self._period_s = period_s
        self._clock = clock
        self._known_s = known_s
        self._line: _Line | None = None
        self._by_sender = False
        self._ahead = 0.0  # by which stamps ran ahead of arrival by the sender's clock
        self._media = 0.0
        self._window_began = 0.0
        self._least = float("inf")
        self.sender_offset_s: float | None = None
        """By how much the sender's clock is behind ours (and the network slow), seconds; None where it tells none."""

    def at(self, stamp: int | None, arrived: float, sender_utc: float | None = None) -> Moment:
        """When the next picture was taken, in the order of decoding.

        Args:
            arrived: by the monotonic clock.
            sender_utc: the time of capture by the sender's clock, if it tells.
        """
        media = self._media + self._period_s if stamp is None else stamp * self._tick
        line = self._line
        jumped = line is not None and self._is_jump(line, media, arrived)
        if line is None or jumped:
            line = self._line = _Line(arrived - self._known_s - media)
            self._by_sender, self._ahead = False, 0.0
            self._begin_window(arrived)
        self._media = media
        if sender_utc is not None:
            self._believe(line, sender_utc - self._clock.offset(), media, arrived)
        if not self._by_sender:
            self._follow(line, arrived - self._known_s - (line.anchor + media), arrived)
        return Moment(line, media, arrived, jumped)

    def _is_jump(self, line: _Line, media: float, arrived: float) -> bool:
        delay = arrived - (line.anchor + media)
        return media < self._media - JUMP_S or not -JUMP_S <= delay <= LATE_S

    def _believe(self, line: _Line, taken: float, media: float, arrived: float) -> None:
        self.sender_offset_s = arrived - taken
        was, self._by_sender = self._by_sender, abs(arrived - taken) <= BELIEVED_S
        if not self._by_sender:
            return
        if not was:
            self._ahead = max(0.0, taken - media - line.anchor)
            self._begin_window(arrived)
        self._least = min(self._least, arrived - taken)
        self._ahead = max(self._ahead, -self._least)
        line.anchor = taken - media - self._ahead
        if arrived - self._window_began >= WINDOW_S:  # its clock may have been set right
            self._ahead = max(0.0, -self._least)
            self._begin_window(arrived)

    def _follow(self, line: _Line, delay: float, arrived: float) -> None:
        if delay < 0:  # nothing comes before it was taken
            line.anchor += delay
            self._begin_window(arrived)
            return
        self._least = min(self._least, delay)
        if arrived - self._window_began >= WINDOW_S:
            # A whole second is no drift: the camera stood still, and its stamps did as well.
            line.anchor += self._least * (SLEW if self._least < 1 else 1.0)
            self._begin_window(arrived)

    def _begin_window(self, arrived: float) -> None:
        self._window_began, self._least = arrived, float("inf")
