"""What tuning has chosen and why, as one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vidpipe.core.svg import svg
from vidpipe.tuning.floor.profile import Point, Tuned

if TYPE_CHECKING:
    from markupsafe import Markup

_OWN, _SOFT, _MISSED = "#11589c", "#7b878f", "#c65200"


def page(tuned: Tuned) -> str:
    """The whole page."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["score"] = score
    cheaper = tuned.next_cheaper
    return environment.get_template("page.html").render(
        tuned=tuned,
        times=tuned.safe.cpu_ms / tuned.chosen.cpu_ms,
        lost="" if cheaper is None else would_lose(tuned, cheaper),
        frontier=_frontier(tuned),
        best=best_of(tuned),
    )


def score(value: float | None) -> str:
    """A score with three digits; a dash where there was nothing to count."""
    return "-" if value is None else f"{value:.3f}"


def would_lose(tuned: Tuned, cheaper: Point) -> str:
    """Why the next cheaper configuration was not taken."""
    saves = 1 - cheaper.cpu_ms / tuned.chosen.cpu_ms
    return (
        f"{cheaper.says}: {saves:.0%} less CPU, {score(cheaper.f1)} on this footage, of which only "
        f"{score(cheaper.low)} is certain"
    )


def best_of(tuned: Tuned) -> list[Point]:
    """Those that nothing beats: the cheapest first, each surer than all that are cheaper."""
    best: list[Point] = []
    for each in sorted(tuned.frontier, key=lambda point: (point.cpu_ms, -point.low)):
        if not best or each.low > best[-1].low:
            best.append(each)
    return best


def _frontier(tuned: Tuned) -> Markup:
    """Accuracy over cost of all that was tried, as SVG."""
    from matplotlib.figure import Figure

    figure = Figure((9.6, 4.2), layout="constrained")
    axes = figure.subplots()
    for guarded, marker, label in ((False, "o", "looks at even distances"), (True, "D", "adapting")):
        points = [each for each in tuned.frontier if each.guarded is guarded and each.f1 is not None]
        f1s = [each.f1 or 0.0 for each in points]
        axes.scatter([each.cpu_ms for each in points], f1s, s=14, marker=marker, color=_SOFT, label=label)
    best = best_of(tuned)
    costs, certain = [each.cpu_ms for each in best], [each.low for each in best]
    axes.step(costs, certain, where="post", color=_SOFT, lw=1, label="certain")
    for point, colour, label in ((tuned.static, _MISSED, "static at the floor"), (tuned.chosen, _OWN, "chosen")):
        f1 = 1.0 if point.f1 is None else point.f1
        reach = [[max(0.0, f1 - point.low)], [max(0.0, point.high - f1)]]
        axes.errorbar([point.cpu_ms], [f1], yerr=reach, fmt="D", color=colour, label=label)
    axes.axhline(tuned.floor, color=_MISSED, lw=0.8, ls="--", label=f"floor {tuned.floor:g}")
    axes.set(xscale="log", xlabel="CPU ms a frame", ylabel=tuned.want, ylim=(max(0.0, tuned.floor - 0.35), 1.01))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return svg(figure, "tuned")
