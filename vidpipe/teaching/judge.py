"""What an event classifier is worth on examples that it has not seen: events, not pictures, are counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from vidpipe.statistics.wilson import wilson


class Span(NamedTuple):
    """An event that was told, or a moment that was marked; media seconds of a stream of a recording."""

    recording: str
    stream: str
    begin: float
    end: float


class Judged(NamedTuple):
    """How told events and marked moments match.

    Attributes:
        found: marked as yes, and told.
        missed: marked as yes, and not told.
        wrong: told where a moment is marked as no, or told a second time of one marked as yes.
        unmarked: told where nobody has marked anything: neither right nor wrong.
    """

    found: int
    missed: int
    wrong: int
    unmarked: int

    def figures(self) -> dict[str, Any]:
        """Precision, recall and F1, each with its 95 % interval.

        F1 = 2 J / (1 + J) rises with the share J of what is right in all that was told or marked: its interval is that
        of J (Wilson).
        """
        told, marked, every = self.found + self.wrong, self.found + self.missed, self.found + self.missed + self.wrong
        share = self.found / every if every else 0.0
        low, high = wilson(self.found, every)
        return {
            **self._asdict(),
            "precision": _rate(self.found, told),
            "recall": _rate(self.found, marked),
            "f1": {"estimate": _f1(share) if every else None, "low": _f1(low), "high": _f1(high)},
        }


def judge(told: Sequence[Span], yes: Sequence[Span], no: Sequence[Span], slack_s: float) -> Judged:
    """Match each told event with one marked moment, the earliest first.

    Args:
        slack_s: an event may begin so much later than the moment ends, or end so much before it begins.
    """
    found = wrong = unmarked = 0
    left = sorted(yes)
    again = []
    for event in sorted(told):
        match = next((one for one in left if _meets(event, one, slack_s)), None)
        if match is not None:
            left.remove(match)
            found += 1
        else:
            again.append(event)
    for event in again:
        if any(_meets(event, one, 0.0) for one in (*no, *yes)):
            wrong += 1
        else:
            unmarked += 1
    return Judged(found, len(left), wrong, unmarked)


def _meets(event: Span, moment: Span, slack_s: float) -> bool:
    same = (event.recording, event.stream) == (moment.recording, moment.stream)
    return same and event.begin <= moment.end + slack_s and event.end >= moment.begin - slack_s


def _rate(hits: int, trials: int) -> dict[str, Any]:
    low, high = wilson(hits, trials)
    return {
        "estimate": round(hits / trials, 4) if trials else None,
        "low": round(low, 4),
        "high": round(high, 4),
        "of": trials,
    }


def _f1(share: float) -> float:
    return round(2 * share / (1 + share), 4)
