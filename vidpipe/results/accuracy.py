"""What is known of how accurate a stream's published answers are, held against the last stage: counts, and the report.

Every published frame is in one of three kinds, and counted when its answer arrives, so that nothing is counted twice
where a process dies and its frames are asked again:

- The last stage looked at it: it is right by definition, and known exactly. Where its answer came too late to be
  published, what was published in its place is held against it, and known exactly as well.
- A cheap stage answered it: how often such answers are right is told by the random audits of that stage.
- Neither: it was lost, damaged or left out before the first stage; another answer was published in place of its own,
  which never came; or the last stage looked at parts of it only. Nobody knows of those: they are unmeasured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from vidpipe.cascade.audit import Audit, Look
from vidpipe.core.answer import How
from vidpipe.results.records import LateAnswer, LateAudit, Result
from vidpipe.sources.base import Want
from vidpipe.statistics.accuracy import Estimate, Stratum, Sums, closeness, share

EPOCHS = 64  # of a stream, that are told apart

ByWant = dict[Want, Sums]


@dataclass(slots=True)
class Evidence:
    """Of a set of frames of one stream; that of two sets adds up.

    Attributes:
        frames: by stage that answered them: published without a check.
        stood: by stage: published, and audited beside.
        audits: by stage.
        looked: of the frames for which the last stage's own answer was published.
        late: of those for which another one was, as its own came late.
        unmeasured: frames of which audits say nothing.
    """

    frames: Counter[str] = field(default_factory=Counter)
    stood: Counter[str] = field(default_factory=Counter)
    audits: dict[str, ByWant] = field(default_factory=dict)
    looked: ByWant = field(default_factory=dict)
    late: ByWant = field(default_factory=dict)
    unmeasured: int = 0

    def count(self, record: Result) -> None:
        """A published answer, with the audit that came with it."""
        answer, audit = record.answer, record.audit
        if audit is not None:
            self._count_audit(audit)
        if record.look is not None:
            self._add(self.looked, _of_look(record.look))
        elif audit is not None and audit.stage == answer.by:
            self.stood[answer.by] += 1
        elif record.covered or answer.partial or answer.how in _LOST or answer.by in _NO_STAGE:
            self.unmeasured += 1
        else:
            self.frames[answer.by] += 1

    def count_late_answer(self, held: Audit) -> None:
        """What was published of a frame that was counted before, against the last stage's answer."""
        self.unmeasured -= 1
        self._add(self.late, _of_audit(held))

    def count_late_audit(self, late: LateAudit) -> None:
        """An audit of a frame that was counted before, as one that was not waited for."""
        self._count_audit(late.audit)
        if late.stood:
            self.unmeasured -= 1
            self.stood[late.audit.stage] += 1

    def _count_audit(self, audit: Audit) -> None:
        self._add(self.audits.setdefault(audit.stage, {}), _of_audit(audit))

    @staticmethod
    def _add(sums: ByWant, frame: dict[Want, tuple[int, int]]) -> None:
        for want, (right, all_) in frame.items():
            sums[want] = sums.get(want, Sums()).and_frame(right, all_)

    def copy(self) -> Evidence:
        """The same, which does not count any further."""
        audits = {stage: dict(sums) for stage, sums in self.audits.items()}
        return Evidence(
            self.frames.copy(), self.stood.copy(), audits, dict(self.looked), dict(self.late), self.unmeasured
        )

    def __add__(self, other: Evidence) -> Evidence:
        audits = {
            stage: _joined(self.audits.get(stage, {}), other.audits.get(stage, {}))
            for stage in {**self.audits, **other.audits}
        }
        looked, late = _joined(self.looked, other.looked), _joined(self.late, other.late)
        # Of counters the sum by `+` would leave out what is not positive.
        frames, stood = self.frames.copy(), self.stood.copy()
        frames.update(other.frames)
        stood.update(other.stood)
        return Evidence(frames, stood, audits, looked, late, self.unmeasured + other.unmeasured)

    @property
    def looks(self) -> int:
        """Random audits."""
        return sum(map(_frames, self.audits.values()))

    def estimate(self, want: Want) -> Estimate | None:
        """The accuracy of these frames; None where there is no evidence of it."""
        known = self.looked.get(want, Sums()) + self.late.get(want, Sums())
        return _judge(want, known, [self._stratum(stage, want) for stage in self._stages])

    def report(self, want: Want) -> dict[str, Any]:
        """What is known of these frames together."""
        unknown = sum(count for stage, count in self.frames.items() if stage not in self.audits)
        return {
            **_told(self.estimate(want)),
            "looks": self.looks,
            "looked": _frames(self.looked),
            "looked_late": _frames(self.late),
            "unmeasured": self.unmeasured + unknown,
        }

    def by_stage(self, want: Want) -> dict[str, Any]:
        """What each cheap stage answered, and how right that is by itself."""
        return {stage: self._of_stage(stage, want) for stage in self._stages}

    @property
    def _stages(self) -> list[str]:
        """Those that are known to have answered."""
        return list(dict.fromkeys([*self.frames, *self.stood, *self.audits]))

    def _of_stage(self, stage: str, want: Want) -> dict[str, Any]:
        stratum = self._stratum(stage, want)
        alone = _told(_judge(want, Sums(), [stratum]))
        return {"frames": stratum.frames + stratum.stood, "looks": stratum.audits.n, "f1": alone["f1"]}

    def _stratum(self, stage: str, want: Want) -> Stratum:
        audits = self.audits.get(stage, {}).get(want, Sums())
        return Stratum(self.frames[stage], self.stood[stage], audits)


class StreamAccuracy:
    """The evidence of one stream, whole and by epoch of its settings, and what was asked for.

    Attributes:
        floor: the accuracy asked for; None where none was.
        want: of what.
        whole: of all frames so far.
        by_epoch: of the newest `EPOCHS` epochs, in the order in which they began.
    """

    __slots__ = ("by_epoch", "floor", "want", "whole")

    def __init__(self) -> None:
        self.floor: float | None = None
        self.want: Want = "boxes"
        self.whole = Evidence()
        self.by_epoch: dict[int, Evidence] = {}

    def count(self, record: Result) -> None:
        """A published answer."""
        for evidence in self._of(record.epoch):
            evidence.count(record)

    def count_late_audit(self, late: LateAudit) -> None:
        """An audit of an answer that was published before."""
        for evidence in self._of(late.epoch):
            evidence.count_late_audit(late)

    def count_late_answer(self, late: LateAnswer) -> None:
        """An answer that came when another had been published."""
        if late.held is not None:
            for evidence in self._of(late.epoch):
                evidence.count_late_answer(late.held)

    def copies(self) -> dict[int, Evidence]:
        """`by_epoch`, of which nothing changes any more."""
        return {epoch: each.copy() for epoch, each in self.by_epoch.items()}

    def summary(self) -> dict[str, Any]:
        """What is known of the stream as a whole, and whether its floor is held."""
        told = self.whole.report(self.want)
        held, sure = _held(self.floor, told)
        return {"floor": self.floor, "want": self.want, **told, "held": held, "sure": sure}

    def report(self) -> dict[str, Any]:
        """As the report of a run has it: a summary, by stage and by epoch."""
        by_epoch = {str(epoch): each.report(self.want) for epoch, each in self.by_epoch.items()}
        return {**self.summary(), "by_stage": self.whole.by_stage(self.want), "by_epoch": by_epoch}

    def _of(self, epoch: int) -> tuple[Evidence, ...]:
        """Where a frame of this epoch counts; a late one may be of an epoch that is not told apart any more."""
        known = self.by_epoch.get(epoch)
        if known is None:
            if self.by_epoch and epoch < next(iter(self.by_epoch)):
                return (self.whole,)
            known = self.by_epoch[epoch] = Evidence()
            if len(self.by_epoch) > EPOCHS:
                del self.by_epoch[next(iter(self.by_epoch))]
        return self.whole, known


_LOST = frozenset({How.DROPPED, How.FAILED})
_NO_STAGE = frozenset({"source", "engine"})


def _of_audit(audit: Audit) -> dict[Want, tuple[int, int]]:
    """What counts as right of a frame, and of how much: F1 is the one over the other, and so are counts."""
    boxes, classes = audit.boxes, audit.classes
    return {
        "boxes": (2 * boxes.right, boxes.boxes),
        "presence": (2 * classes.right, classes.boxes),
        "count": (audit.said, boxes.boxes - audit.said),
    }


def _of_look(look: Look) -> dict[Want, tuple[int, int]]:
    boxes, classes = look
    return {"boxes": (2 * boxes, 2 * boxes), "presence": (2 * classes, 2 * classes), "count": (boxes, boxes)}


def _frames(sums: ByWant) -> int:
    return sums["boxes"].n if sums else 0


def _judge(want: Want, known: Sums, strata: Iterable[Stratum]) -> Estimate | None:
    return closeness(known, strata) if want == "count" else share(known, strata)


def _joined(one: ByWant, other: ByWant) -> ByWant:
    return {want: one.get(want, Sums()) + other.get(want, Sums()) for want in {**one, **other}}


def _told(estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return {"f1": None, "low": None, "high": None}
    return {"f1": round(estimate.value, 4), "low": round(estimate.low, 4), "high": round(estimate.high, 4)}


def _held(floor: float | None, told: dict[str, Any]) -> tuple[bool | None, bool | None]:
    """Whether the floor is held, and whether the whole interval says the same; None where nobody knows."""
    if floor is None or told["f1"] is None:
        return None, None
    held = told["f1"] >= floor
    return held, told["low"] >= floor if held else told["high"] < floor
