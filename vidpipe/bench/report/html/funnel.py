"""How frames went down the cascade, what that took, and whether the audits on the way told the truth."""

from __future__ import annotations

from vidpipe.bench.figures import CandidateResult, ClipFigures, Coverage
from vidpipe.bench.report.html.markup import Child, Markup, join, tag
from vidpipe.bench.report.html.markup import table as html_table
from vidpipe.bench.report.text import UNDEFINED, give, interval, number, share

_BAR = 170.0


def funnel(own: CandidateResult, clip: ClipFigures, stages: tuple[str, ...]) -> Markup:
    """A row for each stage of the pipeline; below, what was answered by none."""
    frames = clip.scored.stop - clip.scored.start
    audits = {coverage.stage: coverage for coverage in clip.coverage}
    head: list[Child] = ["stage", "asked, and answered", "asked", "answered", "passed on", "CPU ms a frame"]
    head += ["audits: missed", "really missed", "interval holds it"]
    rows = [_row(stage, own, frames, audits.get(stage)) for stage in stages]
    others = [f"{by}: {count} ({share(count, frames)})" for by, count in own.by.items() if by not in stages]
    note = f"Answered by no stage: {', '.join(others)}. " if others else ""
    return tag(
        "figure",
        html_table(head, rows, cls="funnel"),
        tag(
            "figcaption",
            note,
            "Audits: frames that the stage would have answered, and the last stage was asked all the same. Missed: "
            "it saw a class that the withheld answer had not; beneath, the rate's 95 % interval. Really missed: the "
            "same of all frames that the stage answered, by letting the last stage look at each of them.",
        ),
    )


def _row(stage: str, own: CandidateResult, frames: int, audit: Coverage | None) -> list[Child]:
    work = own.cost.stages.get(stage)
    if work is None:
        return [stage, *[UNDEFINED] * 8]
    answered = own.by.get(stage, 0) if work.answered is None else work.answered
    return [
        stage,
        _bar(work.asked, answered, frames),
        join(f"{work.asked:,}", tag("small", share(work.asked, frames))),
        join(f"{answered:,}", tag("small", share(answered, work.asked))),
        f"{work.asked - answered:,}",
        join(number(work.cpu_ms.median, 2), tag("small", give(work.cpu_ms))),
        *_audits(audit),
    ]


def _audits(audit: Coverage | None) -> list[Child]:
    if audit is None:
        return [UNDEFINED, UNDEFINED, UNDEFINED]
    truth = join(f"{audit.missed:,} of {audit.answered:,}", tag("small", number(_rate(audit))))
    if not audit.audited:
        return ["none audited", truth, UNDEFINED]
    missed = round(audit.rate * audit.audited)
    said = join(f"{missed:,} of {audit.audited:,}", tag("small", interval(audit.low, audit.high)))
    told = {True: "yes", False: "no", None: UNDEFINED}[audit.covered]
    return [said, truth, told]


def _rate(audit: Coverage) -> float | None:
    return audit.missed / audit.answered if audit.answered else None


def _bar(asked: int, answered: int, frames: int) -> Markup:
    """As wide as the share of frames that reached the stage; filled as far as it answered them."""
    width = _BAR / max(1, frames)
    return tag(
        "svg",
        tag("title", f"{number(asked, 0)} asked, {number(answered, 0)} answered"),
        tag("rect", x=0, y=2, width=min(_BAR, width * asked), height=14, cls="asked"),
        tag("rect", x=0, y=2, width=min(_BAR, width * answered), height=14, cls="answered"),
        viewBox=f"0 0 {_BAR:.0f} 18",
        cls="bar",
    )
