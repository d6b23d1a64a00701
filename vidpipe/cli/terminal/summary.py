"""The table at the end of a run: where frames were answered, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.driver.outcome import Outcome


def print_summary(pipeline: Pipeline, outcome: Outcome) -> None:
    """Print it to stdout. A late answer counts for who gave it, not for who stood in for him meanwhile."""
    report = outcome.report
    streams = report["streams"].values()
    by = _answered(streams)
    frames, video_s = by.total(), sum(stream["video_s"] for stream in streams)
    table = Table(
        title=f"{pipeline.name}: {frames} frames",
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for column in ("stage", "tier"):
        table.add_column(column)
    for column in ("asked", "answered", "share", "ms", "CPU ms", "audited", "missed"):
        table.add_column(column, justify="right")
    tiers = {stage.id: stage.tier.value for stage in pipeline.stages}
    for name in [*tiers, *sorted(set(by) - set(tiers))]:
        counts = report["stages"].get(name, {})
        audited, missed = (
            sum(stream["audits"].get(name, {}).get(count, 0) for stream in streams) for count in ("audited", "missed")
        )
        table.add_row(
            name,
            tiers.get(name, ""),
            str(counts.get("asked", "")),
            str(by[name]),
            f"{100 * by[name] / frames:.1f} %" if frames else "",
            f"{counts['wall_ms']:.2f}" if counts else "",
            f"{counts['cpu_ms']:.2f}" if counts else "",
            str(audited) if audited else "",
            str(missed) if audited else "",
        )
    console = Console(highlight=False)
    console.print(table)
    wall_s = report["wall_s"]
    pace = f", {video_s / wall_s:.1f} times real time" if wall_s and video_s else ""
    cost = f"; {report['cpu_s'] / video_s:.3f} CPU seconds a second of video" if video_s else ""
    console.print(f"{report['fps']:.0f} frames a second{pace}{cost}")
    for name, stream in report["streams"].items():
        if (line := _accuracy(stream["accuracy"])) is not None:
            console.print(f"{name}: {line}", markup=False, soft_wrap=True)


def _accuracy(told: Mapping[str, Any]) -> str | None:
    """What a stream's answers are worth, as far as is known; None where nothing was asked for and nobody looked."""
    asked = "" if told["floor"] is None else f", floor {told['floor']:g} "
    if told["f1"] is None:
        return None if not asked else f"accuracy is not known{asked.rstrip()}; {_count(told['looks'], 'audit')}"
    if not (asked or told["looks"] or told["looked_late"]):
        return None
    asked += "" if not asked else "held" if told["held"] else "not held"
    asked += "" if told["sure"] is not False else ", as far as so few audits tell"
    of = "count" if told["want"] == "count" else f"{told['want']} F1"
    span = f"{told['f1']:.3f} against the last stage (95 %: {told['low']:.3f} to {told['high']:.3f})"
    unmeasured = f"; {_count(told['unmeasured'], 'frame')} unmeasured" if told["unmeasured"] else ""
    return f"{of} {span}{asked}; {_count(told['looks'], 'audit')}{unmeasured}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _answered(streams: Iterable[Mapping[str, Any]]) -> Counter[str]:
    by: Counter[str] = Counter()
    for stream in streams:
        by.update(stream["by"])
        for stage, covers in stream["late"].items():
            by[stage] += sum(covers.values())
            by.subtract(covers)
    return +by
