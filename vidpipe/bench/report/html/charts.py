"""What a page of a bench draws: accuracy over cost, and the scored part along time; as SVG by Matplotlib."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.bench.figures import CandidateResult, Choice, ClipFigures
from vidpipe.bench.report.evidence import Evidence
from vidpipe.bench.report.text import share
from vidpipe.bench.scores.presence import Run, runs
from vidpipe.bench.series import Answers
from vidpipe.core.answer import How

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart with every common colour blindness: blue for the pipeline and what is right, orange for missed, purple for
# false, greys for the rest; stages from pale (first) to strong (last).
OWN, MISSED, FALSE, SOFT, GAP = "#11589c", "#c65200", "#a4478a", "#7b878f", "#d5d8d9"
TONES = ("#e4edc8", "#bcdfc2", "#84c9c4", "#47a3c2", "#2b72ad", "#1c3f78")
MARKERS = "osD^vP*Xh<>p"
COLUMNS = 400
"""Of the band along time; a column holds several frames where there are more of them."""

Span = tuple[float, float]
"""Begin and end, media seconds."""


class Chart(NamedTuple):
    """A drawing, and what is said beneath it."""

    svg: Markup | str
    caption: str


def frontier(clip: ClipFigures, key: str) -> Chart:
    """Box F1 over CPU of every candidate, above the static configurations that there were; `key` is the clip's name."""
    from matplotlib.figure import Figure

    drawn = [one for one in clip.candidates if one.agreement.boxes.f1 is not None and one.cost.cpu.median > 0]
    left_out = [one.name for one in clip.candidates if one not in drawn]
    note = f"Not drawn, as their box F1 is undefined: {', '.join(left_out)}. " if left_out else ""
    if not drawn:
        return Chart("", note)
    figure = Figure((9.6, 4.7), layout="constrained")
    axes = figure.add_subplot(xlabel="CPU seconds a second of video (log scale)", ylabel="box F1", xscale="log")
    for index, candidate in enumerate(drawn):
        _mark(axes, candidate, index)
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low), min(1.02, high))
    inside = [choice for choice in clip.grid if choice.f1 is not None and low <= choice.f1 <= high]
    costs, f1s = [one.cpu for one in inside], [one.f1 or 0.0 for one in inside]
    axes.scatter(costs, f1s, s=6, color=SOFT, alpha=0.6, gid="choices")
    best = pareto(inside)
    axes.plot([one.cpu for one in best], [one.f1 or 0.0 for one in best], "--", color=SOFT, linewidth=1, zorder=1)
    axes.grid(axis="y", color=GAP, linewidth=0.6)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return Chart(_svg(figure, f"{key}-frontier"), note + _about_grid(clip, len(inside)))


def pareto(grid: Sequence[Choice]) -> list[Choice]:
    """The configurations that no other one beats in cost without losing accuracy, cheapest first."""
    best: list[Choice] = []
    for choice in sorted(grid, key=lambda choice: (choice.cpu, -(choice.f1 or 0))):
        if choice.f1 is not None and (not best or choice.f1 > (best[-1].f1 or 0)):
            best.append(choice)
    return best


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
        color=OWN if own else f"C{1 + index % 9}",
        markersize=9 if own else 6,
        elinewidth=1,
        zorder=3 if own else 2,
        label=_plain(candidate.name),
    )
    marks[0].set_gid(f"candidate{index}")


def _about_grid(clip: ClipFigures, inside: int) -> str:
    bars = "Bars: 95 % interval of box F1, and range of the cost over repeats."
    if not clip.grid:
        return bars
    where = "the fitted part" if clip.fitted is not None else ", ".join(clip.fitted_on) or "the fitted part"
    beyond = sum(choice.f1 is not None for choice in clip.grid) - inside
    more = f" {beyond} of them lie outside this plot." if beyond else ""
    return (
        f"{bars} Small points: {len(clip.grid)} static configurations on {where}, not on what candidates are scored "
        f"on, and with costs modelled from measured looks; the line joins the best of them.{more}"
    )


def timeline(evidence: Evidence, key: str) -> Markup | None:
    """Who answered each frame, and which classes were there, as wanted and as published; None without frames."""
    from matplotlib.figure import Figure

    answers = evidence.published
    if answers.series.frames == 0:
        return None
    places = {
        name: (_spans(published), _spans(truth))
        for name, (published, truth) in runs(answers.series, evidence.truth, evidence.stream.zones).items()
        if published or truth
    }
    figure = Figure((9.6, 2.2 + 0.4 * len(places)), layout="constrained")
    band, lanes = figure.subplots(2, sharex=True, height_ratios=(1.5, 0.3 + 0.4 * len(places)))
    _band(band, answers, evidence.stages)
    for row, (name, (published, truth)) in enumerate(places.items()):
        parts = [
            (truth, row - 0.4, SOFT, "wanted"),
            (published, row, OWN, "published"),
            (without(truth, published), row, MISSED, "missed"),
            (without(published, truth), row, FALSE, "false"),
        ]
        for spans, y, colour, what in parts:
            bars = [(start, end - start) for start, end in spans]
            lanes.broken_barh(bars, (y, 0.36), color=colour, gid=f"{name}-{what}")
    lanes.set_yticks(range(len(places)), [_plain(name) for name in places])
    lanes.set(ylim=(len(places) - 0.4, -0.6), xlabel="media seconds")
    for colour, what in (
        (SOFT, "present in the reference"),
        (OWN, "published"),
        (MISSED, "missed or late"),
        (FALSE, "false"),
    ):
        lanes.bar(0, 0, color=colour, label=what)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return _svg(figure, f"{key}-timeline")


def tone(source: tuple[str, str], stages: Sequence[str]) -> str:
    """The colour of (by, how): of stages from pale to strong; faults and gaps have their own."""
    by, how = source
    if how in (How.FAILED, How.DROPPED):
        return MISSED
    if how == How.SKIPPED or by not in stages:
        return GAP
    return TONES[round(stages.index(by) * (len(TONES) - 1) / (len(stages) - 1)) if len(stages) > 1 else -1]


def shares(answers: Answers, sources: Sequence[tuple[str, str]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """First frame of each column, with the number of frames behind the last; and of each source (by, how) its share of
    each column, [sources, columns]."""
    frames = answers.series.frames
    count = min(frames, COLUMNS)
    first = np.arange(count + 1, dtype=np.int64) * frames // count
    flags = np.array([(answers.by == by) & (answers.how == how) for by, how in sources], np.int64)
    return first, np.add.reduceat(flags, first[:-1], axis=1) / np.diff(first)


def without(these: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """The parts of spans that no other span covers; each side is in order and does not overlap itself."""
    left = []
    for start, end in these:
        for other_start, other_end in others:
            if other_end <= start or other_start >= end:
                continue
            if other_start > start:
                left.append((start, other_start))
            start = other_end
        if start < end:
            left.append((start, end))
    return left


def _band(axes: Axes, answers: Answers, stages: Sequence[str]) -> None:
    """Stacked shares of who answered: the last stage at the foot, what came from no stage on top."""
    order = {stage: -index for index, stage in enumerate(stages)}
    counts = Counter(zip(answers.by.tolist(), answers.how.tolist(), strict=True))
    sources = sorted(counts, key=lambda source: (order.get(source[0], 1), source))
    first, parts = shares(answers, sources)
    pts = answers.series.pts
    last = float(pts[-1] - pts[0]) / (len(pts) - 1) if len(pts) > 1 else 1.0
    edges = np.append(pts, pts[-1] + last)[first]
    total = answers.series.frames
    labels = [_plain(f"{by}: {how}, {share(counts[by, how], total)}") for by, how in sources]
    floor = np.zeros(len(first) - 1)
    for source, part, label in zip(sources, parts, labels, strict=True):
        axes.stairs(floor + part, edges, baseline=floor, fill=True, color=tone(source, stages), label=label)
        floor = floor + part
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1), yticks=[], ylabel="answered by")


def _plain(name: str) -> str:
    """A name as Matplotlib shows it: no mathematics, and no legend without it."""
    return name.replace("$", r"\$").lstrip("_")


def _spans(found: Sequence[Run]) -> list[Span]:
    return [(run.begin_s, run.end_s) for run in found]


def _svg(figure: Figure, key: str) -> Markup:
    """The drawing as part of a page: text stays text, nothing points elsewhere, names are unique within the page."""
    import matplotlib
    from markupsafe import Markup

    file = io.StringIO()
    plain: Any = {"svg.fonttype": "none", "svg.hashsalt": key, "font.family": "sans-serif", "font.size": 10}
    with matplotlib.rc_context(plain):
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'(?<= )(width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{key}-", svg)
    return Markup(svg)
