"""What a bench says of the pipeline on one clip, in a sentence; a loss is said as plainly as a gain."""

from __future__ import annotations

from dataclasses import dataclass

from vidpipe.accuracy.figures import Accuracy
from vidpipe.bench.figures import CandidateResult, ClipFigures, Kind, Spread
from vidpipe.bench.report.text import interval, number
from vidpipe.sources.base import Want

_RIVALS: frozenset[Kind] = frozenset(
    {"big", "little", "static", "chameleon", "uniform", "motion", "ultralytics", "without"}
)  # "ray" is the pipeline itself


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one clip.

    Attributes:
        headline: cost and accuracy of the pipeline beside big on every frame and the best static configuration.
        losses: a sentence for each other that is at least as accurate and no dearer; the most accurate first.
    """

    headline: str
    losses: tuple[str, ...]


def verdict(clip: ClipFigures) -> Verdict:
    """The sentences of a clip."""
    own = pipeline_of(clip)
    if own is None:
        return Verdict("The pipeline itself was not measured on this clip.", ())
    costs = [said for said in (_beside_big(own, clip), _beside_static(own, clip)) if said]
    needs = f"needs {' and '.join(costs)}" if costs else "was measured beside no big model and no static configuration"
    headline = f"{own.name} {needs}; {_accuracy(own)}."
    return Verdict(headline, tuple(_loss(own, other) for other in dominating(clip)))


def promise_kept(candidate: CandidateResult, floor: float, want: Want) -> str:
    """Whether a candidate held what it was asked for on the scored part, and by how much."""
    scored = _score(candidate.agreement, want)
    if scored is None:
        return f"{candidate.name}: {candidate.what}; there was nothing to find, so the floor says nothing"
    off = scored - floor
    held = f"held, {off:.3f} over it" if off >= 0 else f"not held, {-off:.3f} under it"
    return f"{candidate.name}: {candidate.what}; {want} {scored:.3f}, the floor of {floor:g} is {held}"


def _score(agreement: Accuracy, want: Want) -> float | None:
    if want == "boxes":
        return agreement.boxes.f1
    if want == "presence":
        return agreement.presence_all.f1
    seen = sum(boxes.tp + boxes.fn for boxes in agreement.by_class.values())
    off = sum(abs(boxes.fp - boxes.fn) for boxes in agreement.by_class.values())
    return 1 - off / seen if seen else None


def pipeline_of(clip: ClipFigures) -> CandidateResult | None:
    """The candidate that everything is about."""
    return next((candidate for candidate in clip.candidates if candidate.kind == "pipeline"), None)


def big_of(clip: ClipFigures) -> CandidateResult | None:
    """The big model on every frame."""
    return next((candidate for candidate in clip.candidates if candidate.kind == "big"), None)


def best_static(own: CandidateResult, clip: ClipFigures) -> CandidateResult | None:
    """The cheapest static configuration that is as accurate on the scored part; None if none is."""
    others = [other for other in clip.candidates if other.kind == "static" and _as_accurate(other, own)]
    return min(others, key=lambda other: other.cost.cpu.median, default=None)


def dominating(clip: ClipFigures) -> list[CandidateResult]:
    """The others that dominate the pipeline: no dearer and no less accurate, and better in one of the two."""
    own = pipeline_of(clip)
    if own is None:
        return []
    others = [
        other
        for other in clip.candidates
        if other.kind in _RIVALS
        and other.cost.cpu.median <= own.cost.cpu.median
        and _as_accurate(other, own)
        and (other.cost.cpu.median, other.agreement.boxes.f1) != (own.cost.cpu.median, own.agreement.boxes.f1)
    ]
    return sorted(others, key=lambda other: (-(other.agreement.boxes.f1 or 0), other.cost.cpu.median))


def compared(own: Spread, other: Spread) -> str:
    """ "3.2 times less CPU than": the cost of one beside another; "level" where the repeats of both overlap."""
    if not own.median or not other.median:
        return "CPU that cannot be compared with"
    ratio = other.median / own.median
    word = "less" if ratio >= 1 else "more"
    ratio = max(ratio, 1 / ratio)
    if own.low <= other.high and other.low <= own.high:
        return "as much CPU (level within the spread) as"
    if ratio < 1.05:
        return "as much CPU (level within 5 %) as"
    return f"{ratio:.1f} times {word} CPU than"


def _beside_big(own: CandidateResult, clip: ClipFigures) -> str:
    """Nothing where there is no big model: warnings say why."""
    big = big_of(clip)
    return f"{compared(own.cost.cpu, big.cost.cpu)} {big.name}" if big is not None else ""


def _beside_static(own: CandidateResult, clip: ClipFigures) -> str:
    """Nothing where there is no static configuration."""
    best = best_static(own, clip)
    if best is not None:
        return f"{compared(own.cost.cpu, best.cost.cpu)} the best static configuration as accurate ({best.what})"
    statics = [candidate for candidate in clip.candidates if candidate.kind == "static"]
    if not statics:
        return ""
    if own.agreement.boxes.f1 is None:
        cheapest = min(statics, key=lambda candidate: candidate.cost.cpu.median)
        return f"{compared(own.cost.cpu, cheapest.cost.cpu)} the static configuration {cheapest.what}"
    nearest = max(statics, key=lambda candidate: candidate.agreement.boxes.f1 or 0)
    beside = compared(own.cost.cpu, nearest.cost.cpu)
    f1 = number(nearest.agreement.boxes.f1)
    return f"{beside} the nearest static configuration ({nearest.what}: box F1 {f1}; none is as accurate)"


def _accuracy(own: CandidateResult) -> str:
    boxes, presence = own.agreement.boxes, own.agreement.presence_all
    if boxes.f1 is None:
        found = "its box F1 is undefined"
    else:
        found = f"its box F1 is {number(boxes.f1)}"
        if boxes.low is not None:
            found += f" (95 % interval {interval(boxes.low, boxes.high)})"
    felt = "undefined" if presence.f1 is None else number(presence.f1)
    return f"{found}, its presence F1 {felt}"


def _as_accurate(other: CandidateResult, own: CandidateResult) -> bool:
    theirs, ours = other.agreement.boxes.f1, own.agreement.boxes.f1
    return theirs is not None and ours is not None and theirs >= ours


def _loss(own: CandidateResult, other: CandidateResult) -> str:
    boxes, presence = other.agreement.boxes, other.agreement.presence_all
    cost = compared(other.cost.cpu, own.cost.cpu).removesuffix(" than").removesuffix(" as")
    what = "" if other.what == other.name else f" ({other.what})"
    return f"{other.name}{what} does better: {cost}, box F1 {number(boxes.f1)}, presence F1 {number(presence.f1)}."
