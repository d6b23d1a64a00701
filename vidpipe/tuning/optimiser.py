"""The cheapest filters within a budget of errors (NoScope, section 6).

Every combination of skip, difference detector and gate is priced by what its parts cost on this machine and by what
they pass on of the footage; thresholds are as high as the budget allows, with a bound that counts visits, not frames.
The budget is split: what skipping loses is measured and taken off first, the rest is shared by the filters behind it.
As NoScope has it for false negatives, each share is spent as if the others spent theirs on other frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.cascade.audit import AuditSpec
from vidpipe.stages.difference.scorer import FAINTEST
from vidpipe.stages.gate.decide import low_within
from vidpipe.stages.gate.split import fleeting
from vidpipe.statistics.tolerance import Bound, rate, threshold
from vidpipe.tuning.detector import Detector
from vidpipe.tuning.footage import LAGS, Footage

if TYPE_CHECKING:
    from vidpipe.stages.gate.training import TrainedGate

SKIPS = (1, 2, 3, 5, 10)
KINDS = ("none", "empty", "last", "both")
SHARES = (0.25, 0.5, 0.75)  # of the budget that goes to the difference detector, where there is a gate as well
PAYS = 0.95  # of the cost without filters, that a filtered cascade may cost at most to be worth its keep

Flags = NDArray[np.bool_]
Scores = NDArray[np.float64]


class Budget(NamedTuple):
    """Shares of frames: with something in them and answered without; without and answered with something."""

    miss: float
    false: float


class Costs(NamedTuple):
    """CPU ms a frame on this machine: decoding; preview and block errors; a look of the last stage."""

    decode_ms: float
    filter_ms: float
    look_ms: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A cascade of filters, and what is expected of it.

    Attributes:
        skip: every how many frames one is looked at.
        empty_below, same_below: thresholds of the difference detector; -inf: not used so.
        gate: index of the gate; None: none.
        gate_low: its threshold.
        gate_miss: its share of the budget of misses.
        gate_empty: share of the frames without anything that it recognises, of those that come to it.
        passes: share of the frames that come to the last stage because no filter answers them.
        looks: the same with audits and forced looks.
        cost_ms: CPU ms a frame.
        missed, false: shares of such frames in the footage.
        missed_high, false_high: what they are at most, with 95 % confidence: as far as the filters may use the budget.
    """

    skip: int = 1
    empty_below: float = -np.inf
    same_below: float = -np.inf
    gate: int | None = None
    gate_low: float = 0.0
    gate_miss: float = 0.0
    gate_empty: float = 0.0
    passes: float = 1.0
    looks: float = 1.0
    cost_ms: float = 0.0
    missed: float = 0.0
    false: float = 0.0
    missed_high: float = 0.0
    false_high: float = 0.0

    @property
    def filters(self) -> bool:
        """Whether there is any filter at all."""
        return self.skip > 1 or self.detects or self.gate is not None

    @property
    def detects(self) -> bool:
        """Whether the difference detector is used."""
        return max(self.empty_below, self.same_below) > -np.inf


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the optimiser decided.

    Attributes:
        choice: the cheapest within the budget; without filters where none pays.
        bare: the last stage on every frame.
        tried: the cheapest of each set of filters, by its name, with what it would cost: the evidence.
        why_not: what speaks against filters that were not chosen, a line each.
    """

    choice: Choice
    bare: Choice
    tried: dict[str, Choice]
    why_not: list[str]


def optimise(
    footage: Footage,
    detector: Detector,
    gates: Sequence[TrainedGate],
    budget: Budget,
    costs: Costs,
    audit: AuditSpec,
) -> Verdict:
    """Search all combinations; see the module."""
    search = _Search(footage, detector, gates, costs, audit)
    bare = Choice(cost_ms=costs.decode_ms + costs.look_ms)
    tried: dict[str, Choice] = {}
    for choice in search.choices(budget):
        name = describe(choice, gates)
        if name not in tried or choice.cost_ms < tried[name].cost_ms:
            tried[name] = choice
    best = min(tried.values(), key=lambda choice: choice.cost_ms, default=bare)
    if best.cost_ms > PAYS * bare.cost_ms:
        best = bare
    return Verdict(best, bare, tried, search.why_not(budget, tried))


def describe(choice: Choice, gates: Sequence[TrainedGate]) -> str:
    """The filters of a choice, in words."""
    parts = []
    if choice.skip > 1:
        parts.append(f"1 frame in {choice.skip}")
    if choice.empty_below > -np.inf:
        parts.append("unlike the empty scene")
    if choice.same_below > -np.inf:
        parts.append("unlike the last look")
    if choice.gate is not None:
        parts.append(f"gate {gates[choice.gate].size.name}")
    return ", ".join(parts) or "every frame"


def with_perfect_gate(choice: Choice, footage: Footage, costs: Costs, audit: AuditSpec) -> float:
    """What a choice would cost, CPU ms a frame, with a gate behind it that costs nothing and passes only things."""
    things = float((footage.present & footage.known).sum()) / max(1, int(footage.known.sum()))
    passes = min(choice.passes, things / choice.skip)
    looks = passes + (1 - passes) * checks_of(audit, footage.fps)
    return costs.decode_ms + costs.filter_ms / choice.skip + looks * costs.look_ms


def checks_of(audit: AuditSpec, fps: float) -> float:
    """Share of cheaply answered frames that is looked at all the same: audits, and looks where there was none long."""
    forced = 1 / (audit.max_unchecked_s * fps) if audit.max_unchecked_s else 0.0
    return min(1.0, audit.rate + forced)


class _Search:
    """What is asked of the footage over and over."""

    def __init__(
        self,
        footage: Footage,
        detector: Detector,
        gates: Sequence[TrainedGate],
        costs: Costs,
        audit: AuditSpec,
    ) -> None:
        self._footage = footage
        self._detector = detector
        self._gates = gates
        self._costs = costs
        self._checks = checks_of(audit, footage.fps)
        self._thresholds: dict[tuple[str, float], float] = {}
        self._things = footage.present & footage.known
        # Copies of a picture cost as much as others, but say nothing new of what may be missed.
        self._evident = self._things & footage.fresh
        self._fleeting = fleeting(footage.pts, footage.visit)
        pairs = footage.pairs
        # A picture behind a visit belongs to it: there the answer to the one before no longer holds.
        near = np.maximum.accumulate(np.where(footage.visit >= 0, footage.visit, 0))
        self._pair_visit = near[pairs.frame]

    def choices(self, budget: Budget) -> Iterator[Choice]:
        """Every combination that the budget allows and that has a filter."""
        for skip in SKIPS:
            lost, false = self._skipped(skip)
            left = Budget(budget.miss - lost.high, budget.false - false.high)
            if skip > 1 and min(left) < 0:
                continue
            for kind, gate in product(KINDS, (None, *range(len(self._gates)))):
                both = kind != "none" and gate is not None
                for share in SHARES if both else (1.0,):
                    choice = self._choice(skip, kind, gate, left, share)
                    if choice is not None and choice.filters:
                        yield self._priced(choice, lost.rate, false.rate, lost.high, false.high, budget)

    def why_not(self, budget: Budget, tried: dict[str, Choice]) -> list[str]:
        """What speaks against each filter by itself, in figures."""
        lines = []
        lost, false = self._skipped(2)
        if lost.high > budget.miss or false.high > budget.false:
            lines.append(
                f"skipping every other frame: misses {lost.rate:.1%} (at most {lost.high:.1%}), "
                f"false {false.rate:.1%} (at most {false.high:.1%})"
            )
        faint = self._faint()
        if self._threshold("empty", budget.miss) == -np.inf:
            lines.append(f"empty scene: {self._footage.visits} visits do not tell how faint the next may be")
        elif faint:
            lines.append(
                f"empty scene: {faint} of {self._footage.visits} visits leave no trace in the picture: if nothing "
                "was there, the model sees ghosts, and a higher `threshold` would leave them out"
            )
        else:
            passed = self._passed_quiet(self._threshold("empty", budget.miss))
            if passed > 0.5:
                lines.append(f"empty scene: within {budget.miss:.1%} misses it passes {passed:.0%} of the empty frames")
        return lines

    def _choice(self, skip: int, kind: str, gate: int | None, left: Budget, share: float) -> Choice | None:
        both = gate is not None and kind != "none"
        for_gate = left.miss * (1 - share if both else 1.0)
        for_detector = left.miss * share
        if kind == "both":
            for_detector /= 2
        empty = self._threshold("empty", for_detector) if kind in ("empty", "both") else -np.inf
        same = self._threshold("same", min(for_detector, left.false)) if kind in ("last", "both") else -np.inf
        low = 0.0 if gate is None else self._gate_low(gate, for_gate)
        truth = ((kind in ("empty", "both"), empty), (kind in ("last", "both"), same))
        if any(used and limit == -np.inf for used, limit in truth) or (gate is not None and low <= 0.0):
            return None
        return Choice(skip, empty, same, gate, low, 0.0 if gate is None else for_gate)

    def _priced(
        self, choice: Choice, missed: float, false: float, missed_high: float, false_high: float, budget: Budget
    ) -> Choice:
        scores, things = self._detector.scores, self._things
        known = self._footage.known & np.isfinite(scores)
        opened = known & ~(scores < choice.empty_below)
        shares = [_share(opened, known & things), _share(opened, known & ~things)]
        missed += 1 - shares[0] if choice.empty_below > -np.inf else 0.0
        reused, wrong = self._reused(choice)
        shares[0] *= 1 - reused
        missed += wrong
        false += wrong * float(things.mean())
        to_gate = float(np.dot(shares, self._mix()))
        recognised = 0.0
        if choice.gate is not None:
            passed, lost = self._gated(choice)
            recognised = 1 - passed[1]
            shares = [share * through for share, through in zip(shares, passed, strict=True)]
            missed += lost
        passes = float(np.dot(shares, self._mix())) / choice.skip
        looks = passes + (1 - passes) * self._checks
        costs = self._costs
        cost = costs.decode_ms + looks * costs.look_ms
        if choice.detects or choice.gate is not None:
            cost += costs.filter_ms / choice.skip
        if choice.gate is not None:
            cost += self._gates[choice.gate].cpu_ms * to_gate / choice.skip
        return replace(
            choice,
            gate_empty=recognised,
            passes=passes,
            looks=looks,
            cost_ms=cost,
            missed=missed,
            false=false,
            # The thresholds leave no more than the rest of the budget.
            missed_high=budget.miss if choice.detects or choice.gate is not None else missed_high,
            false_high=budget.false if choice.same_below > -np.inf else false_high,
        )

    def _mix(self) -> tuple[float, float]:
        """Shares of frames with and without anything."""
        things = float(self._things.sum()) / max(1, int(self._footage.known.sum()))
        return things, 1 - things

    def _threshold(self, kind: str, budget: float) -> float:
        key = kind, budget
        if key not in self._thresholds:
            self._thresholds[key] = self._limit(kind, budget)
        return self._thresholds[key]

    def _limit(self, kind: str, budget: float) -> float:
        footage, detector = self._footage, self._detector
        if budget <= 0:
            return -np.inf
        if kind == "empty":
            rows = self._evident & np.isfinite(detector.scores)
            return threshold(detector.scores[rows], footage.visit[rows], budget, fleeting=self._fleeting[rows])
        rows = ~footage.pairs.same & np.isfinite(detector.pair_scores) & footage.fresh[footage.pairs.frame]
        return threshold(detector.pair_scores[rows], self._pair_visit[rows], budget)

    def _gate_low(self, gate: int, budget: float) -> float:
        """The gate's threshold, 0..1; 0: none can be trusted."""
        key = f"gate {gate}", budget
        if key not in self._thresholds:
            self._thresholds[key] = low_within(self._gates[gate], budget)
        return self._thresholds[key]

    def _gated(self, choice: Choice) -> tuple[tuple[float, float], float]:
        """Of frames that come to the gate: shares with and without a thing that pass; share of things it misses."""
        assert choice.gate is not None
        gate = self._gates[choice.gate]
        scores = self._detector.scores[np.clip(gate.seq, 0, self._footage.frames - 1)]
        comes = ~(scores < choice.empty_below)
        passes = gate.scores >= choice.gate_low
        weight = gate.weight
        things = _weighted(passes, comes & gate.present, weight)
        return (things, _weighted(passes, comes & ~gate.present, weight)), 1 - things

    def _reused(self, choice: Choice) -> tuple[float, float]:
        """Shares of frames with things that the last look answers, and that it answers wrongly."""
        if choice.same_below == -np.inf:
            return 0.0, 0.0
        pairs = self._footage.pairs
        # While nothing changes a look grows older: it is asked about at every distance.
        likely = np.isin(pairs.lag, [lag for lag in LAGS if lag >= choice.skip])
        under = (self._detector.pair_scores < choice.same_below) & likely
        return _share(under, likely), _share(under & ~pairs.same, likely)

    def _faint(self) -> int:
        """Visits that no picture shows: half of their frames look like the empty scene to the last block."""
        scores, visit = self._detector.scores, self._footage.visit
        rows = self._things & np.isfinite(scores)
        levels = [float(np.median(scores[rows & (visit == one)])) for one in np.unique(visit[rows])]
        return sum(level <= FAINTEST for level in levels)

    def _passed_quiet(self, limit: float) -> float:
        scores = self._detector.scores
        still = self._footage.known & ~self._things & np.isfinite(scores)
        return _share(scores >= limit, still)

    def _skipped(self, skip: int) -> tuple[Bound, Bound]:
        """What is missed and what is false where each looked-at answer is carried over the frames behind it."""
        if skip == 1:
            return _NONE, _NONE
        footage, things = self._footage, self._things
        # Which of each so many frames is looked at is chance: over a few visits, one phase may look harmless.
        frames, phases = np.arange(footage.frames), np.arange(skip)[:, None]
        looked = np.maximum((frames - phases) // skip * skip + phases, 0)
        carried = footage.present[looked].mean(axis=0)
        behind = np.maximum.accumulate(np.where(footage.visit >= 0, footage.visit, 0))
        still = ~footage.present & footage.known
        lost = rate((1 - carried)[things], footage.visit[things])
        return lost, rate(carried[still], behind[still])


_NONE = Bound(0.0, 0.0)


def _share(flags: Flags, among: Flags) -> float:
    count = int(among.sum())
    return float((flags & among).sum()) / count if count else 0.0


def _weighted(flags: Flags, among: Flags, weight: NDArray[np.float32]) -> float:
    total = float(weight[among].sum())
    return float(weight[among & flags].sum()) / total if total else 1.0
