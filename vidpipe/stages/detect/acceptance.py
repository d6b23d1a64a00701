"""Which of a little model's answers are taken on one stream: by agreement with the next model, by budget, or both.

What is known is biased: frames under the threshold are passed on and so all labelled, those above it only where they
are explored or audited. Each piece of evidence therefore counts for one over the chance that a frame like it is
labelled (Horvitz and Thompson 1952). Frames of the same quarter of a second say the same thing twice: one of them
counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vidpipe.stages.detect.budget import Budget
from vidpipe.stages.detect.thresholds import Evidence, accepts, fit, needed
from vidpipe.statistics.agreement import Verdict

WINDOW = 1024  # pieces of evidence that are kept: at least four minutes
APART_S = 0.25
FIT_EVERY = 8


class Rule(NamedTuple):
    """What is wanted.

    Attributes:
        agreement: share of accepted frames that agree with the next model; None: whatever the budget buys.
        budget: share of frames that may be passed on; None: as many as it takes.
        explore: share of frames that are passed on although they would be accepted, of one in `APART_S`.
    """

    agreement: float | None
    budget: float | None
    explore: float


class Decision(NamedTuple):
    """What becomes of a frame.

    Attributes:
        accepted: the little model's answer is taken.
        whole: the next model should look at the frame as a whole, since what it says is learnt from.
        margins: as they were asked about.
        doubt: the margin by class under which a box is in doubt; a class that is not named is at any.
        chance: that a frame like it is labelled; 0 where it is no evidence.
        why: for a human.
    """

    accepted: bool
    whole: bool
    margins: Mapping[int, float]
    doubt: Mapping[int, float]
    chance: float
    why: str


class AcceptancePolicy:
    """What one stream has taught so far."""

    def __init__(self) -> None:
        self._evidence: deque[Evidence] = deque(maxlen=WINDOW)
        self._thresholds: dict[int, float] | None = None
        self._sampled_by: dict[int, float] | None = None
        self._fitted_for: float | None = None
        self._since_fit = 0
        self._budget = Budget()
        self._quarter: int | None = None
        self._accepted = 0
        self._audited = 0
        self._in_parts = False

    def decide(self, margins: Mapping[int, float], pts: float, draw: float, rule: Rule) -> Decision:
        """Whether to take the answer to a frame.

        Args:
            margins: least margin of each class that was seen.
            pts: of the frame, media seconds.
            draw: a number in 0..1 that depends on nothing else here: less than `rule.explore` explores.
        """
        quarter = int(pts / APART_S)
        counts, self._quarter = quarter != self._quarter, quarter
        least = min(margins.values(), default=np.inf)
        starting = rule.agreement is not None and len(self._evidence) < needed(rule.agreement)
        sure, doubt, why = self._sure(margins, least, rule)
        if rule.budget is not None and not sure and least > self._budget.quantile(least, rule.budget):
            sure, why = True, f"{why}, but no more than {rule.budget:.0%} are passed on"
        counts = counts and rule.agreement is not None
        explored = counts and draw < rule.explore
        passes = not sure or explored
        if rule.budget is not None and passes and not self._budget.has_left(rule.budget):
            passes, why = False, f"{why}, but {rule.budget:.0%} were passed on already"
        elif explored and sure:
            why = "to learn from"
        self._budget.spend(least, passes)
        self._accepted += not passes
        chance = self._chance(rule, sure=sure, starting=starting) if counts else 0.0
        return Decision(not passes, starting or explored, margins, doubt, chance, why)

    def learn(self, decision: Decision, verdict: Verdict) -> None:
        """Take up how the little model's answer to a frame compares with what the next one, or an audit, said."""
        self._audited += decision.accepted
        if not decision.chance:
            return
        weight = 1 / decision.chance
        self._evidence.append(Evidence(decision.margins, verdict.agrees, verdict.wrong, weight))
        self._since_fit += 1

    def note_parts(self) -> None:
        """Frames in doubt are looked at in parts: only those that ask for a whole look are labelled from now on."""
        self._in_parts = True

    def snapshot(self) -> Any:
        """A copy that pickles."""
        counts = self._accepted, self._audited, self._in_parts, self._sampled_by
        return tuple(map(tuple, self._evidence)), counts, self._budget.snapshot()

    def restore(self, state: Any) -> None:
        """Take up a snapshot."""
        evidence, counts, budget = state
        self._accepted, self._audited, self._in_parts, self._sampled_by = counts
        self._evidence.extend(Evidence(*one) for one in evidence)
        self._fitted_for = None
        self._budget.restore(budget)

    def _sure(self, margins: Mapping[int, float], least: float, rule: Rule) -> tuple[bool, Mapping[int, float], str]:
        """Whether the rule is for accepting, under which margins boxes are in doubt, and why."""
        if rule.agreement is not None:
            thresholds = self._fit(rule.agreement)
            known = len(self._evidence)
            if thresholds is None:
                few = known < needed(rule.agreement)
                lack = f"{known} of {needed(rule.agreement)} frames to learn from" if few else "agrees too rarely"
                return False, {}, lack
            sure = accepts(thresholds, margins)
            return sure, thresholds, f"{'surer' if sure else 'less sure'} than {rule.agreement:.0%} agreement takes"
        assert rule.budget is not None
        quantile = self._budget.quantile(least, rule.budget)
        sure = least > quantile or not np.isfinite(least)
        doubt = dict.fromkeys(margins, float(np.nextafter(quantile, np.inf)))
        return sure, doubt, f"margin {least:.2f}, {quantile:.2f} or less is passed on"

    def _fit(self, wanted: float) -> dict[int, float] | None:
        if self._fitted_for != wanted or self._since_fit >= FIT_EVERY:
            self._thresholds = fit(self._levelled(), wanted)
            self._sampled_by = self._thresholds or self._sampled_by
            self._fitted_for, self._since_fit = wanted, 0
        return self._thresholds

    def _levelled(self) -> list[Evidence]:
        """The evidence, with what lies above the threshold weighing as much together, but one as much as the other.

        While the threshold was closed each of those frames was labelled, afterwards a few: so unequal weights would be
        worth few trials, and what is labelled among them depends on nothing but the time.
        """
        above = [accepts(self._sampled_by, one.margins) for one in self._evidence]
        weights = [one.weight for one, is_above in zip(self._evidence, above, strict=True) if is_above]
        mean = sum(weights) / max(1, len(weights))
        return [
            one._replace(weight=mean) if is_above else one for one, is_above in zip(self._evidence, above, strict=True)
        ]

    def _chance(self, rule: Rule, *, sure: bool, starting: bool) -> float:
        """That a frame like this is labelled; audits come on top of exploration, as often as they came so far."""
        if not sure and (starting or not self._in_parts):
            return 1.0
        audits = self._audited / self._accepted if self._accepted and sure else 0.0
        return 1 - (1 - rule.explore) * (1 - audits)
