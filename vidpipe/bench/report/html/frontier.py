"""What accuracy costs: all candidates of a clip in one plot, over the static configurations that there were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vidpipe.bench.figures import CandidateResult, Choice, ClipFigures
from vidpipe.bench.report.html.markup import Markup, brief, join, tag
from vidpipe.bench.report.html.placing import Label, Rect, place
from vidpipe.bench.report.html.scales import Scale
from vidpipe.bench.report.text import number, scored, spread

WIDTH, HEIGHT = 960, 470
PLOT = Rect(58, 14, WIDTH - 16, HEIGHT - 52)

_LETTER = 6.6  # pixels, of the widest system font at the size of labels
_LINE = 16.0
_ROOM = 1.4  # beside the cheapest and the dearest, as a factor: their labels stand there


def frontier(clip: ClipFigures) -> Markup:
    """The plot with its caption; candidates whose F1 is undefined are named beneath."""
    drawn = [candidate for candidate in clip.candidates if _drawable(candidate)]
    left_out = [candidate.name for candidate in clip.candidates if not _drawable(candidate)]
    note = f"Not drawn, as their box F1 is undefined: {', '.join(left_out)}. " if left_out else ""
    if not drawn:
        return tag("p", note, cls="note")
    axes = Axes.of(drawn, clip.grid)
    inside = [choice for choice in clip.grid if axes.shows(choice)]
    beyond = sum(choice.f1 is not None for choice in clip.grid) - len(inside)
    return tag(
        "figure",
        tag(
            "svg",
            _frame(axes),
            _grid(inside, axes),
            _candidates(drawn, axes),
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="img",
            aria_label="Box F1 of each candidate over its CPU cost",
            cls="frontier",
        ),
        tag("figcaption", note, _about_grid(clip, beyond)),
    )


@dataclass(frozen=True, slots=True)
class Axes:
    """Cost to the right, on a log scale; box F1 upwards."""

    x: Scale
    y: Scale

    @classmethod
    def of(cls, drawn: Sequence[CandidateResult], grid: Sequence[Choice]) -> Axes:
        """Wide enough for every candidate with its bars, and for the static configurations at such heights."""
        f1s = [f1 for candidate in drawn for f1 in _f1_range(candidate)]
        low, high = min(f1s), max(f1s)
        margin = max(0.01, 0.08 * (high - low))
        y = Scale(max(0.0, low - margin), high + margin, PLOT.y1, PLOT.y0)
        costs = [cost for candidate in drawn for cost in (candidate.cost.cpu.low, candidate.cost.cpu.high)]
        costs += [choice.cpu for choice in grid if choice.f1 is not None and y.low <= choice.f1 <= y.high]
        costs = [cost for cost in costs if cost > 0]
        return cls(Scale(min(costs) / _ROOM, max(costs) * _ROOM, PLOT.x0, PLOT.x1, log=True), y)

    def at(self, cost: float, f1: float) -> tuple[float, float]:
        return self.x(cost), self.y(f1)

    def shows(self, choice: Choice) -> bool:
        return (
            choice.f1 is not None and self.y.low <= choice.f1 <= self.y.high and self.x.low <= choice.cpu <= self.x.high
        )


def pareto(grid: Sequence[Choice]) -> list[Choice]:
    """The configurations that no other one beats in cost without losing accuracy, cheapest first."""
    best: list[Choice] = []
    for choice in sorted(grid, key=lambda choice: (choice.cpu, -(choice.f1 or 0))):
        if choice.f1 is not None and (not best or choice.f1 > (best[-1].f1 or 0)):
            best.append(choice)
    return best


def _drawable(candidate: CandidateResult) -> bool:
    return candidate.agreement.boxes.f1 is not None and candidate.cost.cpu.median > 0


def _f1_range(candidate: CandidateResult) -> tuple[float, float]:
    boxes = candidate.agreement.boxes
    f1 = boxes.f1 or 0.0
    return (f1 if boxes.low is None else min(boxes.low, f1)), (f1 if boxes.high is None else max(boxes.high, f1))


def _frame(axes: Axes) -> Markup:
    ys = [
        join(
            tag("line", x1=PLOT.x0, x2=PLOT.x1, y1=axes.y(tick), y2=axes.y(tick), cls="rule"),
            tag("text", f"{tick:.2f}", x=PLOT.x0 - 8, y=axes.y(tick) + 4, cls="tick end"),
        )
        for tick in axes.y.ticks(6)
        if tick <= 1
    ]
    xs = [
        join(
            tag("line", x1=axes.x(tick), x2=axes.x(tick), y1=PLOT.y1, y2=PLOT.y1 + 5, cls="axis"),
            tag("text", f"{tick:g}", x=axes.x(tick), y=PLOT.y1 + 19, cls="tick mid"),
        )
        for tick in axes.x.ticks(9)
    ]
    middle = (PLOT.y0 + PLOT.y1) / 2
    return join(
        *ys,
        tag("line", x1=PLOT.x0, x2=PLOT.x1, y1=PLOT.y1, y2=PLOT.y1, cls="axis"),
        *xs,
        tag("text", "CPU seconds a second of video (log scale)", x=PLOT.x1, y=HEIGHT - 8, cls="title end"),
        tag("text", "box F1", x=14, y=middle, transform=f"rotate(-90 14 {brief(middle)})", cls="title mid"),
    )


def _grid(inside: Sequence[Choice], axes: Axes) -> Markup:
    line = [axes.at(choice.cpu, choice.f1 or 0) for choice in pareto(inside)]
    dots = []
    for choice in inside:
        x, y = axes.at(choice.cpu, choice.f1 or 0)
        height, width = choice.size
        what = f"{choice.model} {width}x{height}, one frame in {choice.stride}"
        said = f"{choice.cpu:.3f} CPU s/s, box F1 {number(choice.f1)}"
        dots.append(tag("circle", tag("title", f"{what}: {said}"), cx=x, cy=y, r=2.5, cls="choice"))
    path = " ".join(f"{brief(x)},{brief(y)}" for x, y in line)
    return join(tag("polyline", points=path, cls="pareto") if len(line) > 1 else None, *dots)


def _candidates(drawn: Sequence[CandidateResult], axes: Axes) -> Markup:
    """The pipeline last, so that it lies on top, but labelled first."""
    ordered = sorted(drawn, key=lambda candidate: candidate.kind != "pipeline")
    points = [axes.at(candidate.cost.cpu.median, candidate.agreement.boxes.f1 or 0) for candidate in ordered]
    sizes = [
        (_LETTER * (len(candidate.name) + 1) * (1.06 if candidate.kind == "pipeline" else 1), _LINE)
        for candidate in ordered
    ]
    bars = [bar for candidate, point in zip(ordered, points, strict=True) for bar in _bars(candidate, point, axes)]
    labels = place(points, sizes, PLOT, bars)
    marks = [
        _mark(candidate, point, label, axes) for candidate, point, label in zip(ordered, points, labels, strict=True)
    ]
    return join(*reversed(marks))


def _bars(candidate: CandidateResult, point: tuple[float, float], axes: Axes) -> Iterator[Rect]:
    """The two error bars, a pixel wide."""
    low, high = _f1_range(candidate)
    cpu = candidate.cost.cpu
    yield Rect(point[0] - 0.5, axes.y(high), point[0] + 0.5, axes.y(low))
    yield Rect(axes.x(max(cpu.low, axes.x.low)), point[1] - 0.5, axes.x(cpu.high), point[1] + 0.5)


def _mark(candidate: CandidateResult, point: tuple[float, float], label: Label, axes: Axes) -> Markup:
    x, y = point
    upright, flat = _bars(candidate, point, axes)
    rect = label.rect
    said = f"{candidate.name}: {spread(candidate.cost.cpu)} CPU s/s, box F1 {scored(candidate.agreement.boxes)}. {candidate.what}"
    leader = None
    if label.far:
        end_x, end_y = min(max(x, rect.x0), rect.x1), min(max(y, rect.y0), rect.y1)
        leader = tag("line", x1=x, y1=y, x2=end_x, y2=end_y, cls="leader")
    own = candidate.kind == "pipeline"
    return tag(
        "g",
        tag("title", said),
        leader,
        tag("line", x1=x, x2=x, y1=upright.y0, y2=upright.y1, cls="bar"),
        tag("line", x1=flat.x0, x2=flat.x1, y1=y, y2=y, cls="bar"),
        tag("circle", cx=x, cy=y, r=6.5 if own else 4.5),
        tag("text", candidate.name, x=rect.x0 + _LETTER / 2, y=rect.y0 + 12),
        cls="candidate own" if own else f"candidate {candidate.kind}",
    )


def _about_grid(clip: ClipFigures, beyond: int) -> str:
    if not clip.grid:
        return "Bars: 95 % interval of box F1, and range of the cost over repeats."
    where = "the fitted part" if clip.fitted is not None else ", ".join(clip.fitted_on) or "the fitted part"
    more = f" {number(beyond, 0)} of them lie outside this plot." if beyond else ""
    return (
        "Bars: 95 % interval of box F1, and range of the cost over repeats. "
        f"Small points: {len(clip.grid)} static configurations on {where}, not on what candidates are scored on, "
        f"and with costs modelled from measured looks; the line joins the best of them.{more}"
    )
