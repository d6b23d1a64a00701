"""The page of a bench: one file that needs nothing else, to read, to print, to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vidpipe.bench.figures import Bench, ClipFigures
from vidpipe.bench.report import text
from vidpipe.bench.report.candidate_table import COST, LABELS, TERMS, candidate_table
from vidpipe.bench.report.evidence import Evidence
from vidpipe.bench.report.html.charts import frontier, timeline
from vidpipe.bench.report.html.frames import frames
from vidpipe.bench.report.text import UNDEFINED, number, share
from vidpipe.bench.report.verdict import best_static, dominating, pipeline_of, verdict

_FILTERS = (text.number, text.interval, text.spread, text.give, text.share, text.stretch)


def page(bench: Bench, evidence: Mapping[str, Evidence]) -> str:
    """The whole page.

    Args:
        evidence: by clip, for every clip of the bench.

    Raises:
        SourceError: a clip cannot be opened any more.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {written.__name__: written for written in _FILTERS} | {"count": "{:,}".format}
    lowest = worst(bench.clips)
    return environment.get_template("page.html").render(
        bench=bench,
        title=f"{bench.pipeline}: what the cascade saves and loses",
        clips=[
            _clip(clip, evidence[clip.clip], f"clip{index}") | {"worst": clip is lowest}
            for index, clip in enumerate(bench.clips, 1)
        ],
        undefined=UNDEFINED,
        terms=TERMS,
        cost_columns=list(COST[:5]),
        label_columns=list(LABELS),
    )


def worst(clips: Sequence[ClipFigures]) -> ClipFigures | None:
    """The clip on which the pipeline's box F1 is lowest; None where it is defined on none."""
    scored: dict[float, ClipFigures] = {}
    for clip in clips:
        own = pipeline_of(clip)
        if own is not None and own.agreement.boxes.f1 is not None:
            scored.setdefault(own.agreement.boxes.f1, clip)
    return scored[min(scored)] if scored else None


def _clip(clip: ClipFigures, evidence: Evidence, key: str) -> dict[str, Any]:
    """What the template shows of a clip; `key` names it within the page."""
    own = pipeline_of(clip)
    table = candidate_table(clip)
    scored = clip.scored.stop - clip.scored.start
    others = {by: count for by, count in own.by.items() if by not in evidence.stages} if own is not None else {}
    return {
        "key": key,
        "figures": clip,
        "own": own,
        "verdict": verdict(clip),
        "table": table,
        "summary": next((row.cost[:5] for row in table.rows if row.own), [{"figure": UNDEFINED, "give": ""}] * 5),
        "static": _beside_static(clip),
        "dominating": ", ".join(other.name for other in dominating(clip)),
        "frontier": frontier(clip, key),
        "timeline": timeline(evidence, key),
        "stages": evidence.stages,
        "scored": max(1, scored),
        "audits": {coverage.stage: coverage for coverage in clip.coverage},
        "elsewhere": ", ".join(f"{by}: {count} ({share(count, scored)})" for by, count in others.items()),
        "frames": frames(clip.clip, evidence),
        "linked": any(candidate.cost.links for candidate in clip.candidates),
    }


def _beside_static(clip: ClipFigures) -> str:
    """How many times less CPU the pipeline takes than the best static configuration."""
    own = pipeline_of(clip)
    if own is None:
        return UNDEFINED
    static = best_static(own, clip)
    if static is not None and own.cost.cpu.median:
        return number(static.cost.cpu.median / own.cost.cpu.median, 1)
    return "none as accurate" if static is None and own.agreement.boxes.f1 is not None else UNDEFINED
