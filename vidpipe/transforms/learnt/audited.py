"""How often an event that was taught errs, by what people answer to its questions, which chance has chosen."""

from __future__ import annotations

from typing import Any, NamedTuple

from vidpipe.statistics.wilson import wilson

ENOUGH = 35
"""Answers from which on a rate is told as known: with so many, all of them right, it is a tenth at most (95 %)."""


class Audited(NamedTuple):
    """Answers about one classifier.

    Attributes:
        quiet, missed: about windows of time in which nothing was told, and of these those in which it was all the same.
        told, false: about events that were told, and of these those that were none.
    """

    quiet: int = 0
    missed: int = 0
    told: int = 0
    false: int = 0

    def report(self) -> dict[str, dict[str, Any]]:
        """The rates `missed` and `false`, each with its 95 % interval (Wilson); `enough`: whether it rests on as many
        answers as it takes. A rate is None where nobody has answered.
        """
        return {"missed": _rate(self.missed, self.quiet), "false": _rate(self.false, self.told)}


def _rate(wrong: int, of: int) -> dict[str, Any]:
    low, high = wilson(wrong, of)
    rate = round(wrong / of, 4) if of else None
    interval = {"low": round(low, 4), "high": round(high, 4)}
    return {"wrong": wrong, "of": of, "rate": rate, **interval, "enough": of >= ENOUGH}
