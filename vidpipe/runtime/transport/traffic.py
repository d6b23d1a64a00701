"""What crosses a link, and how fast. Times are seconds of one clock, given by whoever asks."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Sequence

from vidpipe.results.carried import Carried, LinkNow

_KEPT = 0.7  # of what is known of the rate, at each arrival: half of it is as old as two arrivals
_HELD_KEPT = 0.9


class Sent:
    """A message that is under way."""

    __slots__ = ("at_s", "nbytes")

    def __init__(self, nbytes: int, at_s: float) -> None:
        self.nbytes = nbytes
        self.at_s = at_s


class Traffic:
    """Measures a link by its messages, which arrive in order. Not for several threads at once.

    A message crosses from when it was sent, or the one before it has arrived, until it has arrived itself. That is
    known only when its call returns, less the time for which the other end held it: so no two clocks are compared.

    Attributes:
        held_s: for which the other end holds a call, on the average.
        call_s: that a call takes, on the average.
    """

    def __init__(self) -> None:
        self._total = Carried()
        self._settings: Counter[str] = Counter()
        self._asked: dict[Hashable, float] = {}  # frames that have not arrived, in order
        self._under_way: deque[Sent] = deque()
        self._arrived_s = float("-inf")
        self._bytes = 0.0
        self._took_s = 0.0
        self.held_s = 0.0
        self.call_s = 0.0

    def ask(self, frame: Hashable, now_s: float) -> None:
        """A frame waits to be sent."""
        self._asked.setdefault(frame, now_s)

    def forget(self, frame: Hashable) -> None:
        """It has been answered, or will never be sent."""
        self._asked.pop(frame, None)

    def count(self, setting: str) -> None:
        """A frame is packed so."""
        self._settings[setting] += 1

    def send(self, frames: int, nbytes: int, now_s: float) -> Sent:
        """A message leaves, with so many frames."""
        self._total = self._total._replace(frames=self._total.frames + frames, bytes=self._total.bytes + nbytes)
        sent = Sent(nbytes, now_s)
        if nbytes:
            self._under_way.append(sent)
        return sent

    def arrive(self, sent: Sent, frames: Sequence[Hashable], held_s: float, now_s: float) -> None:
        """Its call has returned, for which the other end took so long; these are the frames that it brought."""
        arrived_s = max(now_s - held_s, sent.at_s)
        self.call_s += (1 - _HELD_KEPT) * (now_s - sent.at_s - self.call_s) if self.call_s else now_s - sent.at_s
        total = self._total
        for frame in frames:
            if (asked_s := self._asked.pop(frame, None)) is None:  # it was given up before its call returned
                continue
            crossing_s = max(arrived_s - asked_s, 0.0)
            longest_s = max(total.longest_s, crossing_s)
            total = total._replace(
                crossed=total.crossed + 1, crossing_s=total.crossing_s + crossing_s, longest_s=longest_s
            )
        self._total = total
        if sent not in self._under_way:
            return
        self._under_way.remove(sent)
        took_s = max(arrived_s - max(sent.at_s, self._arrived_s), 1e-6)
        self._arrived_s = max(arrived_s, self._arrived_s)
        self._bytes = _KEPT * self._bytes + sent.nbytes
        self._took_s = _KEPT * self._took_s + took_s
        self.held_s += (1 - _HELD_KEPT) * (held_s - self.held_s) if self.held_s else held_s
        self._total = total._replace(busy_s=total.busy_s + took_s)

    def lose(self, sent: Sent | None) -> None:
        """Its call will not return."""
        if sent is not None and sent in self._under_way:
            self._under_way.remove(sent)

    def lose_all(self) -> None:
        """Nor will any other."""
        self._under_way.clear()

    def rate(self, now_s: float) -> float | None:
        """Bytes a second that cross while something is under way; None: nothing has crossed yet.

        What is under way for longer than that takes says that it is less by now.
        """
        known = self._bytes / self._took_s if self._took_s else None
        if not self._under_way:
            return known
        first = self._under_way[0]
        for_s = now_s - max(first.at_s, self._arrived_s) - 2 * self.held_s
        if for_s <= 0:
            return known
        bound = first.nbytes / for_s
        return bound if known is None else min(known, bound)

    def age_s(self, now_s: float) -> float:
        """How long the oldest frame has waited that has not arrived, as far as that is known: its call has to return
        before, so what the other end holds calls for is taken off."""
        asked_s = next(iter(self._asked.values()), None)
        return 0.0 if asked_s is None else max(now_s - asked_s - self.held_s, 0.0)

    def carried(self, now_s: float, setting: str, breaker: str = "closed") -> Carried:
        """What has been carried so far; `setting`: how pictures are packed now, `breaker`: how that stands."""
        rate = self.rate(now_s)
        mbps = None if rate is None else rate * 8e-6
        now = LinkNow(mbps, len(self._asked), self.age_s(now_s), setting, {breaker: 1})
        return self._total._replace(settings=dict(self._settings), now=now)
