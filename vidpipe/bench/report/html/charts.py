"""What a page of a bench draws: accuracy over cost, and the scored part along time; as SVG by Matplotlib."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.scores.presence import Run, runs
from vidpipe.accuracy.series import Answers
from vidpipe.bench.figures import CandidateResult, Choice, ClipFigures
from vidpipe.bench.report.evidence import Evidence
from vidpipe.bench.report.text import share
from vidpipe.core.answer import How
from vidpipe.core.svg import svg

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

# Told apart with every common colour blindness: blue for the pipeline and what is right, orange for missed, purple for
# false, greys for the rest; stages from pale (first) to strong (last).
OWN, MISSED, FALSE, SOFT, GAP = "#11589c", "#c65200", "#a4478a", "#7b878f", "#d5d8d9"
TONES = ("#e4edc8", "#bcdfc2", "#84c9c4", "#47a3c2", "#2b72ad", "#1c3f78")
MARKERS = "osD^vP*Xh<>p"
COLUMNS = 400
"""Of the band along time, at the most; a column holds several frames where there are more of them."""


class Chart(NamedTuple):
    """A drawing, and what is said beneath it."""

    svg: Markup | None
    caption: str


def frontier(clip: ClipFigures, key: str) -> Chart:
    """Box F1 over CPU of every candidate, above the static configurations that there were; `key` is the clip's name."""
    from matplotlib.figure import Figure

    drawn = [one for one in clip.candidates if one.agreement.boxes.f1 is not None and one.cost.cpu.median > 0]
    left_out = [one.name for one in clip.candidates if one not in drawn]
    note = f"Not drawn, as their box F1 is undefined: {', '.join(left_out)}. " if left_out else ""
    if not drawn:
        return Chart(None, note)
    figure = Figure((9.6, 4.7), layout="constrained")
    axes = figure.add_subplot(xlabel="CPU seconds a second of video (log scale)", ylabel="box F1", xscale="log")
    for index, candidate in enumerate(drawn):
        _mark(axes, candidate, index)
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), min(1.02, high))
    inside = [choice for choice in clip.grid if choice.f1 is not None and low <= choice.f1 <= high]
    axes.scatter(*_points(inside), s=6, color=SOFT, alpha=0.6)
    axes.plot(*_points(pareto(inside)), "--", color=SOFT, linewidth=1, zorder=1)
    axes.grid(axis="y", color=GAP, linewidth=0.6)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return Chart(svg(figure, f"{key}-frontier"), note + _about_grid(clip, len(inside)))


def pareto(grid: Sequence[Choice]) -> list[Choice]:
    """The configurations that no other one beats in cost without losing accuracy, cheapest first."""
    best: list[Choice] = []
    for choice in sorted(grid, key=lambda choice: (choice.cpu, -(choice.f1 or 0))):
        if choice.f1 is not None and (not best or choice.f1 > (best[-1].f1 or 0)):
            best.append(choice)
    return best


def timeline(evidence: Evidence, key: str) -> Markup | None:
    """Who answered each frame, and which classes were there, as wanted and as published; None without frames."""
    from matplotlib.figure import Figure

    answers, pts = evidence.published, evidence.truth.pts
    if not len(pts):
        return None
    by_place = runs(answers.series, evidence.truth, evidence.stream.zones)
    places = {name: sides for name, sides in by_place.items() if sides.found or sides.wanted}
    figure = Figure((9.6, 2.2 + 0.4 * len(places)), layout="constrained")
    band, lanes = figure.subplots(2, sharex=True, height_ratios=(1.5, 0.3 + 0.4 * len(places)))
    _band(band, answers, evidence.stages)
    edges = np.append(pts, pts[-1] + 1 / evidence.truth.fps)
    colours = {"wanted": SOFT, "published": OWN, "missed": MISSED, "false": FALSE}
    for row, (name, sides) in enumerate(places.items()):
        published, wanted = _during(sides.found, pts), _during(sides.wanted, pts)
        there = {"wanted": wanted, "published": published, "missed": wanted & ~published, "false": published & ~wanted}
        for what, frames in there.items():
            top = row - 0.4 if what == "wanted" else row
            lanes.broken_barh(_bars(frames, edges), (top, 0.36), color=colours[what], gid=f"{name}-{what}")
    lanes.set_yticks(range(len(places)), [_plain(name) for name in places])
    lanes.set(ylim=(len(places) - 0.4, -0.6), xlabel="media seconds")
    for what, colour in colours.items():
        lanes.bar(0, 0, color=colour, label="in the reference" if what == "wanted" else what)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return svg(figure, f"{key}-timeline")


def _mark(axes: Axes, candidate: CandidateResult, index: int) -> None:
    """A point with its bars: the interval of F1, and the range of the cost over repeats."""
    boxes, cpu, own = candidate.agreement.boxes, candidate.cost.cpu, candidate.kind == "pipeline"
    f1 = boxes.f1 or 0.0
    low, high = (f1 if bound is None else bound for bound in (boxes.low, boxes.high))
    marks = axes.errorbar(
        [cpu.median],
        [f1],
        xerr=[[cpu.median - cpu.low], [cpu.high - cpu.median]],
        yerr=[[max(0.0, f1 - low)], [max(0.0, high - f1)]],
        fmt=MARKERS[index % len(MARKERS)],
        color=OWN if own else f"C{1 + index % 9}",  # C0 is blue too
        markersize=9 if own else 6,
        elinewidth=1,
        zorder=3 if own else 2,
        label=_plain(candidate.name),
    )
    marks[0].set_gid(f"candidate{index}")


def _points(choices: Sequence[Choice]) -> tuple[list[float], list[float]]:
    return [choice.cpu for choice in choices], [choice.f1 or 0.0 for choice in choices]


def _about_grid(clip: ClipFigures, inside: int) -> str:
    bars = "Bars: 95 % interval of box F1, and range of the cost over repeats."
    if not clip.grid:
        return bars
    where = "the fitted part" if clip.fitted is not None else ", ".join(clip.fitted_on)
    beyond = sum(choice.f1 is not None for choice in clip.grid) - inside
    more = f" {beyond} of them lie outside this plot." if beyond else ""
    return (
        f"{bars} Small points: {len(clip.grid)} static configurations on {where}, not on what candidates are scored "
        f"on, and with costs modelled from measured looks; the line joins the best of them.{more}"
    )


def tone(source: tuple[str, str], stages: Sequence[str]) -> str:
    """The colour of (by, how): of stages from pale to strong; faults and gaps have their own."""
    by, how = source
    if how in (How.FAILED, How.DROPPED):
        return MISSED
    if how == How.SKIPPED or by not in stages:
        return GAP
    return TONES[round(stages.index(by) * (len(TONES) - 1) / (len(stages) - 1)) if len(stages) > 1 else -1]


def _band(axes: Axes, answers: Answers, stages: Sequence[str]) -> None:
    """Who answered, column by column: the last stage at the foot, what came from no stage on top."""
    order = {stage: -index for index, stage in enumerate(stages)}
    counts = Counter(zip(answers.by.tolist(), answers.how.tolist(), strict=True))
    sources = sorted(counts, key=lambda source: (order.get(source[0], 1), source))
    pts, frames = answers.series.pts, answers.series.frames
    end = pts[-1] + 1 / answers.series.fps
    each = -(-frames // COLUMNS)
    axes.hist(
        [pts[(answers.by == by) & (answers.how == how)] for by, how in sources],
        bins=[*pts[::each].tolist(), end],
        stacked=True,
        histtype="stepfilled",
        color=[tone(source, stages) for source in sources],
        label=[_plain(f"{by}: {how}, {share(counts[by, how], frames)}") for by, how in sources],
    )
    axes.set(xlim=(pts[0], end), ylim=(0, each), yticks=[], ylabel="answered by")


def _during(runs: Sequence[Run], pts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which frames lie in one of these, bool [frames]."""
    there = np.zeros(len(pts), bool)
    for run in runs:
        there |= (run.begin_s <= pts) & (pts < run.end_s)
    return there


def _bars(there: NDArray[np.bool_], edges: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Begin and length of each stretch of frames; edges [frames + 1], media seconds."""
    borders = edges[np.flatnonzero(np.diff(there, prepend=False, append=False))].reshape(-1, 2).tolist()
    return [(begin, end - begin) for begin, end in borders]


def _plain(name: str) -> str:
    """A name as Matplotlib shows it: no mathematics, and no legend without it."""
    return name.replace("$", r"\$").lstrip("_")
