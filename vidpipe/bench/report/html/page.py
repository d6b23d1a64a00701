"""The page of a bench: one file that needs nothing else, to read, to print, to send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vidpipe.bench.figures import Bench, ClipFigures
from vidpipe.bench.report.candidate_table import COST, LABELS, TERMS, CandidateTable, Cell, Row, candidate_table
from vidpipe.bench.report.evidence import Evidence
from vidpipe.bench.report.html.details import details
from vidpipe.bench.report.html.frames import frames
from vidpipe.bench.report.html.frontier import frontier
from vidpipe.bench.report.html.funnel import funnel
from vidpipe.bench.report.html.markup import Child, Markup, join, table, tag
from vidpipe.bench.report.html.method import method
from vidpipe.bench.report.html.timeline import timeline
from vidpipe.bench.report.text import UNDEFINED, number, stretch
from vidpipe.bench.report.verdict import best_static, dominating, pipeline_of, verdict


def page(bench: Bench, evidence: Mapping[str, Evidence]) -> str:
    """The whole page.

    Args:
        evidence: by clip, for every clip of the bench.

    Raises:
        SourceError: a clip cannot be opened any more.
    """
    title = f"{bench.pipeline}: what the cascade saves and loses"
    body = tag(
        "body",
        tag("header", tag("p", "vidpipe bench", cls="kicker"), tag("h1", title), _summary(bench)),
        tag("main", *(_clip(clip, evidence[clip.clip], number) for number, clip in enumerate(bench.clips, 1))),
        tag("footer", method(bench)),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(Path(__file__).with_name("style.css").read_text(encoding="utf-8"))),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _summary(bench: Bench) -> Markup | None:
    """A row for each clip where there are several, the worst one marked; clips are never averaged."""
    if len(bench.clips) < 2:
        return None
    lowest = worst(bench.clips)
    head: list[Child] = ["clip", *COST[:5], "x less than static", "dominated by"]
    rows: list[list[Child]] = []
    for index, clip in enumerate(bench.clips, 1):
        link = tag("a", clip.clip, href=f"#clip{index}")
        mark = tag("span", "worst", cls="badge") if clip is lowest else None
        rows.append([join(link, " ", mark), *_summary_cells(clip)])
    return join(
        table(head, rows, cls="summary"),
        tag("p", "One row a clip, never a mean over clips. Worst: the lowest box F1.", cls="note"),
    )


def worst(clips: Sequence[ClipFigures]) -> ClipFigures | None:
    """The clip on which the pipeline's box F1 is lowest; None where it is defined on none."""
    scores = []
    for clip in clips:
        own = pipeline_of(clip)
        if own is not None and own.agreement.boxes.f1 is not None:
            scores.append((own.agreement.boxes.f1, clip))
    return min(scores, key=lambda scored_clip: scored_clip[0])[1] if scores else None


def _summary_cells(clip: ClipFigures) -> list[Child]:
    own = pipeline_of(clip)
    if own is None:
        return [UNDEFINED] * 7
    static = best_static(own, clip)
    others = ", ".join(other.name for other in dominating(clip))
    (row,) = (row for row in candidate_table(clip).rows if row.own)
    beside = static.cost.cpu.median / own.cost.cpu.median if static and own.cost.cpu.median else None
    none = "none as accurate" if static is None and own.agreement.boxes.f1 is not None else UNDEFINED
    return [
        *map(_cell, row.cost[:5]),
        none if beside is None else number(beside, 1),
        tag("b", others, cls="loss") if others else "none",
    ]


def _clip(clip: ClipFigures, evidence: Evidence, index: int) -> Markup:
    own = pipeline_of(clip)
    said = verdict(clip)
    key = f"clip{index}"
    losses = [tag("li", loss) for loss in said.losses]
    warnings = [tag("li", warning) for warning in clip.warnings]
    size = f"{clip.width} x {clip.height}, {clip.fps:g} frames a second, {clip.frames:,} frames"
    return tag(
        "section",
        tag("h2", clip.clip),
        tag("p", f"{size}; scored: {stretch(clip.scored)}", cls="about"),
        tag("p", said.headline, cls="headline"),
        tag("ul", *losses, cls="losses") if losses else None,
        tag("ul", *warnings, cls="warnings") if warnings else None,
        tag("h3", "Everybody who took part"),
        _candidates(clip),
        tag("h3", "What accuracy costs"),
        frontier(clip),
        tag("h3", "Along time"),
        timeline(evidence),
        *((tag("h3", "Down the cascade"), funnel(own, clip, evidence.stages)) if own is not None else ()),
        tag("h3", "Where it disagrees most"),
        frames(clip.clip, evidence, key),
        details(clip),
        id=key,
    )


def _candidates(clip: ClipFigures) -> Markup:
    shown = candidate_table(clip)
    groups = [
        tag("th", ""),
        tag("th", "against the reference", colspan=str(len(shown.columns)), scope="colgroup"),
        tag("th", "against labels", colspan=str(len(LABELS)), scope="colgroup") if shown.labelled else None,
    ]
    columns = ["candidate", *shown.columns, *(LABELS if shown.labelled else ())]
    made = tag(
        "table",
        tag(
            "thead",
            tag("tr", *groups, cls="groups") if shown.labelled else None,
            tag("tr", *(tag("th", column, scope="col", title=TERMS.get(column.split(" (")[0])) for column in columns)),
        ),
        tag("tbody", *(_result(row, shown) for row in shown.rows)),
        cls="candidates",
    )
    return join(tag("div", made, cls="scroll"), tag("ul", *_beneath(clip, shown), cls="footnotes"))


def _result(row: Row, shown: CandidateTable) -> Markup:
    marks = [tag("sup", str(note)) for note in row.notes]
    what = tag("small", row.what) if row.what != row.name else None
    cost = row.cost or (Cell(""),) * len(shown.columns)
    labels = (row.labels or (Cell(UNDEFINED),) * len(LABELS)) if shown.labelled else ()
    return tag(
        "tr",
        tag("th", row.name, *marks, what, scope="row"),
        *(tag("td", _cell(cell)) for cell in (*cost, *labels)),
        cls="own" if row.own else None,
    )


def _cell(cell: Cell) -> Markup:
    return join(cell.figure, tag("small", cell.give) if cell.give else None)


def _beneath(clip: ClipFigures, shown: CandidateTable) -> Iterator[Markup]:
    for index, footnote in enumerate(shown.footnotes, 1):
        yield tag("li", tag("sup", str(index)), " ", footnote)
    for line in shown.legend:
        yield tag("li", line)
    for note in clip.notes:
        yield tag("li", f"{note[0].upper()}{note[1:]}.")
    looked, cached = clip.reference.looked, clip.reference.cached
    yield tag("li", f"Reference: {clip.reference.what}; {looked:,} frames looked at now, {cached:,} from the cache.")
    if clip.fitted is not None:
        yield tag("li", f"Static configurations were chosen on {stretch(clip.fitted)}, which no score counts.")
    elif clip.fitted_on:
        yield tag("li", f"Static configurations were chosen on {', '.join(clip.fitted_on)}, which no score counts.")
