"""The count of every frame by how it was answered, and of how often the cheap answers were wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vidpipe.cascade.audit import Audit
from vidpipe.core.answer import How
from vidpipe.results.accuracy import StreamAccuracy
from vidpipe.results.records import Covered, LateAnswer, LateAudit, Result
from vidpipe.sources.queue import NO_TIME, OVERLOADED
from vidpipe.statistics.wilson import wilson


@dataclass(slots=True)
class AuditCount:
    """Audits of one stage on one stream: how many, and in how many a class was missed or falsely there.

    Attributes:
        relabelled: of these, those in which a person says that the last stage was wrong: they are left out of the rate.
        relabelled_missed: of them, those that count as missed.
    """

    audited: int = 0
    missed: int = 0
    false: int = 0
    relabelled: int = 0
    relabelled_missed: int = 0

    def report(self) -> dict[str, float]:
        """`relabelled` stands there only where there are any; `rate`, `low` and `high` are without these."""
        missed, audited = self.missed - self.relabelled_missed, self.audited - self.relabelled
        low, high = wilson(missed, audited)
        rate = missed / audited if audited else 0.0
        return {
            "audited": self.audited,
            "missed": self.missed,
            "false": self.false,
            "rate": rate,
            "low": low,
            "high": high,
        } | ({"relabelled": self.relabelled} if self.relabelled else {})


@dataclass(slots=True)
class StreamLedger:
    """One stream: `frames_in` is the sum of `how`, and of `by`.

    Attributes:
        dropped: frames lost to overload or damage, by reason; under overload a stage may have covered them.
        covered: frames whose answer was not waited for, by reason.
        degraded: frames whose answer is worth less, as a segment was away.
        refused: of the frames that a stage passed on, those that nobody looked at: newer ones took their place.
        late: answers that came when another had been published in their place, by who gave them and who that other.
        reachback: searches between looks that differ, and those that were `given_up`; frames that were `asked` again,
            and those of them that were `unanswered`; `corrections`, and the `frames` that these are about.
        accuracy: how far the published answers agree with the last stage.
        engine_failure: why the first answer was lost between stages, if one was.
    """

    frames_in: int = 0
    how: Counter[str] = field(default_factory=Counter)
    by: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    covered: Counter[str] = field(default_factory=Counter)
    degraded: int = 0
    refused: int = 0
    late: dict[str, Counter[str]] = field(default_factory=dict)
    audits: dict[str, AuditCount] = field(default_factory=dict)
    reachback: Counter[str] = field(default_factory=Counter)
    accuracy: StreamAccuracy = field(default_factory=StreamAccuracy)
    first_pts: float = 0.0
    last_pts: float = 0.0
    engine_failure: str = ""
    _failed_by: Counter[str] = field(default_factory=Counter)

    def count(self, record: Result) -> None:
        answer = record.answer
        if not self.frames_in:
            self.first_pts = record.pts
        self.last_pts = record.pts
        self.frames_in += 1
        self.how[answer.how.value] += 1
        self.by[answer.by] += 1
        if answer.how is How.DROPPED:
            self.dropped[answer.reason] += 1
        elif record.covered is Covered.OVERLOADED:
            self.dropped[OVERLOADED] += 1
        elif answer.how is How.FAILED:
            self._failed_by[answer.by] += 1
            if answer.by == "engine":
                self.engine_failure = self.engine_failure or answer.reason
        if record.covered:
            self.covered[record.covered] += 1
        self.degraded += bool(record.degraded)
        for correction in record.corrections:
            self.reachback["corrections"] += 1
            self.reachback["frames"] += correction.frames
        if record.audit is not None:
            self._count_audit(record.audit)
        self.accuracy.count(record)

    def count_late(self, answer: LateAnswer) -> None:
        self.late.setdefault(answer.by, Counter())[answer.fallback] += 1
        self.accuracy.count_late_answer(answer)

    def count_late_audit(self, late: LateAudit) -> None:
        self._count_audit(late.audit)
        self.accuracy.count_late_audit(late)

    def _count_audit(self, audit: Audit) -> None:
        count = self.audits.setdefault(audit.stage, AuditCount())
        count.audited += 1
        count.missed += audit.missed
        count.false += audit.false

    def relabel(self, stage: str, *, missed: bool) -> None:
        """A person says that in one of these audits the last stage was wrong."""
        count = self.audits[stage]
        count.relabelled += 1
        count.relabelled_missed += missed

    @property
    def admitted(self) -> int:
        """Frames that came to the stages."""
        return self.frames_in - self.by["source"]

    @property
    def lost(self) -> int:
        """Frames that nobody had time for; one may be refused, and published as overloaded as well."""
        return max(self.refused, self.dropped[OVERLOADED]) + self.dropped[NO_TIME]

    @property
    def answered(self) -> int:
        """Of these, those that were lost neither to overload nor to a failure."""
        return self.admitted - self.covered[Covered.OVERLOADED] - self.how[How.FAILED]

    @property
    def engine_failures(self) -> int:
        """Frames whose answer was lost between stages, not by one of them."""
        return self._failed_by["engine"]

    @property
    def video_s(self) -> float:
        """Media time covered, the last picture's own duration taken as the mean of the others."""
        if self.frames_in < 2:
            return 0.0
        return (self.last_pts - self.first_pts) * self.frames_in / (self.frames_in - 1)

    def report(self) -> dict[str, object]:
        return {
            "frames_in": self.frames_in,
            "how": dict(self.how),
            "by": dict(self.by),
            "dropped": dict(self.dropped),
            "covered": dict(self.covered),
            "degraded": self.degraded,
            "refused": self.refused,
            "late": {stage: dict(covers) for stage, covers in self.late.items()},
            "video_s": round(self.video_s, 3),
            "audits": {stage: count.report() for stage, count in self.audits.items()},
            "accuracy": self.accuracy.report(),
        } | ({"reachback": dict(self.reachback)} if self.reachback else {})


class Latencies:
    """Quantiles of any number of latencies in bounded memory: counts in bins that are 2 % wide.

    Attributes:
        sum_ms: of all.
    """

    _RATIO = math.log(1.02)
    _LEAST_MS = 0.01

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()
        self.sum_ms = 0.0

    def add(self, ms: float) -> None:
        self.sum_ms += ms
        self._bins[int(math.log(max(ms, self._LEAST_MS) / self._LEAST_MS) / self._RATIO)] += 1

    def quantile_ms(self, share: float) -> float:
        """The latency that this share of all stays under, within 2 %; 0 where there is none."""
        wanted = share * self._bins.total()
        seen = 0
        for index in sorted(self._bins):
            seen += self._bins[index]
            if seen >= wanted:
                return self._middle_ms(index)
        return 0.0

    def up_to(self, edges_ms: Sequence[float]) -> list[int]:
        """How many are at most each of these, which rise; behind the last one those of all."""
        bins = [(self._middle_ms(index), count) for index, count in self._bins.items()]
        return [sum(count for middle, count in bins if middle <= edge) for edge in (*edges_ms, math.inf)]

    def _middle_ms(self, index: int) -> float:
        return self._LEAST_MS * math.exp((index + 0.5) * self._RATIO)

    def report(self) -> dict[str, float]:
        return {f"p{p}": round(self.quantile_ms(p / 100), 3) for p in (50, 95, 99)}


def total_by(ledgers: Mapping[str, StreamLedger]) -> Counter[str]:
    """How many frames each stage has answered, over all streams."""
    return sum((ledger.by for ledger in ledgers.values()), Counter())
