"""The table of a clip's candidates, as text: what the terminal and the page both show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vidpipe.accuracy.figures import Accuracy, BoxScore, TrackScore
from vidpipe.bench.figures import CandidateResult, ClipFigures
from vidpipe.bench.report.text import UNDEFINED, give, interval, number
from vidpipe.bench.report.verdict import big_of

COST = ("CPU s/s", "x less", "box F1 (95 %)", "moving", "presence", "stale s", "peak MB")
"""Columns against the reference; `TERMS` says what each is."""

_STREAMING = "streaming"  # a column more, where a live clip was benched

LABELS = ("AP50", "box F1 (95 %)", "moving", "presence", "MOTA", "IDF1", "HOTA")
"""Columns against labels."""

TERMS = {
    "CPU s/s": "CPU seconds of all processes a second of video, decoding included: median of the repeats",
    "x less": "how many times less CPU than the big model on every frame",
    "box F1": "at IoU 0.5, with a 95 % interval",
    "moving": "box F1 of objects that move",
    "presence": "F1 of runs of presence",
    "streaming": "box F1 of the newest answer at each moment, as it came",
    "stale s": "age of what was published, 95th percentile",
    "peak MB": "memory of all processes (PSS)",
}


class Cell(NamedTuple):
    """A figure, and how far it may be off: "0.943" and "0.921 to 0.960", "0.312" and "±4 %"."""

    figure: str
    give: str = ""

    def __str__(self) -> str:
        if not self.give:
            return self.figure
        return f"{self.figure} {self.give}" if self.give.startswith("±") else f"{self.figure} ({self.give})"


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate, or the reference itself.

    Attributes:
        cost: cells of the table's `columns`; empty for the reference.
        labels: cells of the columns `LABELS`; empty where there are no labels.
        notes: numbers of the footnotes that belong to it, from 1.
    """

    name: str
    what: str
    own: bool
    cost: tuple[Cell, ...]
    labels: tuple[Cell, ...]
    notes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """All candidates of a clip, then the reference's row if there are labels to hold it against.

    Attributes:
        columns: names of the columns against the reference: `COST`, and of a live clip streaming F1.
        footnotes: notes of rows; the first is number 1.
        legend: what signs in the cells mean.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    footnotes: list[str]
    legend: list[str]

    @property
    def labelled(self) -> bool:
        return any(row.labels for row in self.rows)


def candidate_table(clip: ClipFigures) -> CandidateTable:
    """The rows of a clip, and what has to be said beneath."""
    big = big_of(clip)
    live = any(candidate.agreement.streaming is not None for candidate in clip.candidates)
    footnotes = list(dict.fromkeys(note for candidate in clip.candidates for note in candidate.notes))
    rows = [
        Row(
            candidate.name,
            candidate.what,
            candidate.kind == "pipeline",
            (*_cost(candidate, big), *((_f1(candidate.agreement.streaming),) if live else ())),
            _labels(candidate.labels) if candidate.labels is not None else (),
            tuple(footnotes.index(note) + 1 for note in candidate.notes),
        )
        for candidate in clip.candidates
    ]
    if clip.reference.labels is not None:
        rows.append(Row("reference", clip.reference.what, False, (), _labels(clip.reference.labels), ()))
    legend = []
    if any(cell.figure == UNDEFINED for row in rows for cell in (*row.cost, *row.labels)):
        legend.append(f"{UNDEFINED} undefined: there was nothing to count")
    if any((_ratio(candidate, big) or 1) < 1 for candidate in clip.candidates):
        legend.append("x less under 1: more CPU than the big model takes")
    return CandidateTable((*COST, _STREAMING) if live else COST, rows, footnotes, legend)


def _cost(candidate: CandidateResult, big: CandidateResult | None) -> tuple[Cell, ...]:
    return (
        Cell(number(candidate.cost.cpu.median), give(candidate.cost.cpu)),
        Cell(number(_ratio(candidate, big), 1)),
        _f1(candidate.agreement.boxes),
        Cell(number(candidate.agreement.moving.f1)),
        Cell(number(candidate.agreement.presence_all.f1)),
        Cell(number(candidate.staleness.p95_s, 2)),
        Cell(number(candidate.cost.peak_pss_mb.median, 0)),
    )


def _ratio(candidate: CandidateResult, big: CandidateResult | None) -> float | None:
    """How many times less CPU than big on every frame; None where that cannot be said."""
    return big.cost.cpu.median / candidate.cost.cpu.median if big is not None and candidate.cost.cpu.median else None


def _labels(accuracy: Accuracy) -> tuple[Cell, ...]:
    tracks = accuracy.tracks or TrackScore(mota=None, idf1=None, hota=None, switches=None)
    return (
        Cell(_by_class(accuracy.ap50 or {})),
        _f1(accuracy.boxes),
        Cell(number(accuracy.moving.f1)),
        Cell(number(accuracy.presence_all.f1)),
        Cell(number(tracks.mota)),
        Cell(number(tracks.idf1)),
        Cell(number(tracks.hota)),
    )


def _f1(score: BoxScore | None) -> Cell:
    if score is None:
        return Cell(UNDEFINED)
    return Cell(number(score.f1), "" if score.low is None else interval(score.low, score.high))


def _by_class(scores: dict[str, float | None]) -> str:
    """Of the classes that labels have; their names only where there are several."""
    defined = {name: score for name, score in scores.items() if score is not None}
    if len(defined) <= 1:
        return number(next(iter(defined.values()), None))
    return ", ".join(f"{name} {number(score)}" for name, score in defined.items())
