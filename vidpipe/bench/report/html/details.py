"""The figures that most readers do not need: by class, of models and links, and what else a run took."""

from __future__ import annotations

from collections.abc import Iterator

from vidpipe.bench.figures import Accuracy, BoxScore, ClipFigures, PresenceScore
from vidpipe.bench.report.html.markup import Child, Markup, table, tag
from vidpipe.bench.report.text import UNDEFINED, number, share, size, spread


def details(clip: ClipFigures) -> Markup:
    """A folded part, which prints unfolded."""
    return tag(
        "details",
        tag("summary", "By class and place, models, links, staleness, memory, energy"),
        _scores(clip),
        _resources(clip),
        _work(clip),
        _links(clip),
    )


def _scores(clip: ClipFigures) -> Markup:
    head: list[Child] = [
        "candidate",
        "against",
        "of",
        "F1",
        "precision",
        "recall",
        "right",
        "false",
        "missed",
        "begin, end late: s",
    ]
    rows: list[list[Child]] = []
    for candidate in clip.candidates:
        rows += [[candidate.name, "reference", *row] for row in _of(candidate.agreement)]
        if candidate.labels is not None:
            rows += [[candidate.name, "labels", *row] for row in _of(candidate.labels)]
    if clip.reference.labels is not None:
        rows += [["reference", "labels", *row] for row in _of(clip.reference.labels)]
    return table(head, rows, caption="Boxes by class, and presence by class and place", cls="texts3")


def _of(accuracy: Accuracy) -> Iterator[list[Child]]:
    yield ["all boxes", *_boxes(accuracy.boxes)]
    yield ["moving boxes", *_boxes(accuracy.moving)]
    if accuracy.streaming is not None:
        yield ["boxes as they came (streaming)", *_boxes(accuracy.streaming)]
    for name, score in accuracy.by_class.items():
        yield [f"{name} boxes", *_boxes(score)]
    for name, presence in accuracy.presence.items():
        yield [f"presence: {name}", *_presence(presence)]
    for name, precision in (accuracy.ap50 or {}).items():
        yield [f"AP50: {name}", number(precision), *[""] * 6]
    if accuracy.tracks is not None:
        tracks = accuracy.tracks
        switches = UNDEFINED if tracks.switches is None else str(tracks.switches)
        yield [f"identities: MOTA {number(tracks.mota)}, IDF1 {number(tracks.idf1)}, switches {switches}", *[""] * 7]


def _boxes(score: BoxScore) -> list[Child]:
    counts = [f"{count:,}" for count in (score.tp, score.fp, score.fn)]
    return [number(score.f1), number(score.precision), number(score.recall), *counts, ""]


def _presence(score: PresenceScore) -> list[Child]:
    counts = [f"{count:,}" for count in (score.found, score.false, score.missed)]
    late = f"{number(score.begin_delay_s, 2)}, {number(score.end_delay_s, 2)}"
    return [number(score.f1), "", "", *counts, late]


def _resources(clip: ClipFigures) -> Markup:
    head: list[Child] = ["candidate", "wall s", "start-up CPU s", "peak MB", "energy J"]
    head += ["looked at", "stale: mean s", "95 % s", "most s"]
    rows: list[list[Child]] = [
        [
            candidate.name,
            spread(candidate.cost.wall_s, 2),
            spread(candidate.cost.start_up_cpu_s, 2),
            spread(candidate.cost.peak_pss_mb, 0),
            "not readable on this machine" if candidate.cost.energy_j is None else spread(candidate.cost.energy_j, 1),
            share(candidate.staleness.fresh, 1),
            number(candidate.staleness.mean_s, 2),
            number(candidate.staleness.p95_s, 2),
            number(candidate.staleness.max_s, 2),
        ]
        for candidate in clip.candidates
    ]
    return table(head, rows, caption="What each run took, and how old its answers were")


def _work(clip: ClipFigures) -> Markup:
    head: list[Child] = ["candidate", "model", "frames looked at", "wall ms a frame", "CPU ms a frame"]
    rows: list[list[Child]] = [
        [candidate.name, model, f"{work.asked:,}", spread(work.wall_ms, 2), spread(work.cpu_ms, 2)]
        for candidate in clip.candidates
        for model, work in candidate.cost.models.items()
    ]
    return table(head, rows, caption="Models", cls="texts2")


def _links(clip: ClipFigures) -> Markup:
    rows: list[list[Child]] = [
        [candidate.name, link, f"{traffic.frames:,}", size(traffic.bytes)]
        for candidate in clip.candidates
        for link, traffic in candidate.cost.links.items()
    ]
    if not rows:
        return tag("p", "No candidate has a link between tiers.", cls="note")
    return table(["candidate", "link", "frames", "bytes"], rows, caption="Links", cls="texts2")
