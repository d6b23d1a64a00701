"""The scored part along time: who answered each frame, and which classes were there, as wanted and as published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vidpipe.answer import How
from vidpipe.bench.report.evidence import Evidence
from vidpipe.bench.report.html.markup import Child, Markup, brief, join, tag
from vidpipe.bench.report.html.scales import Scale
from vidpipe.bench.report.text import share
from vidpipe.bench.scores.presence import Run, runs
from vidpipe.bench.series import Answers

WIDTH = 960
COLUMNS = 820
"""A column holds several frames where there are more of them."""

_LEFT, _RIGHT = 130.0, WIDTH - 10.0
_LETTERS = 18  # of a name that fits left of them
_BAND_TOP, _BAND = 8.0, 52.0
_LANE, _ROW = 34.0, 9.0
_TONES = 6  # of stages, from the cheapest to the last; in the style sheet

Source = tuple[str, str]
"""By whom and how a frame was answered."""

Span = tuple[float, float]
"""Begin and end, media seconds."""

Places = dict[str, tuple[list[Span], list[Span]]]
"""Presence as published and as wanted, by class and place."""


def timeline(evidence: Evidence) -> Markup:
    """The drawing with its legend; a line for a part without frames."""
    answers = evidence.published
    if answers.series.frames == 0:
        return tag("p", "No frame was scored.", cls="note")
    edges = _edges(answers.series.pts)
    time = Scale(float(edges[0]), float(edges[-1]), _LEFT, _RIGHT)
    sources = _sources(answers, evidence.stages)
    top = _BAND_TOP + _BAND + 14
    places = _seen(evidence)
    bottom = top + _LANE * len(places)
    drawn = tag(
        "svg",
        tag("text", "answered by", x=_LEFT - 10, y=_BAND_TOP + _BAND / 2 + 4, cls="tick end"),
        *_band(answers, edges, sources, evidence.stages, time),
        tag("rect", x=_LEFT, y=_BAND_TOP, width=_RIGHT - _LEFT, height=_BAND, cls="outline"),
        *_lanes(places, time, top),
        _time_axis(time, bottom),
        viewBox=f"0 0 {WIDTH} {brief(bottom + 40)}",
        role="img",
        aria_label="How each frame was answered and which classes were present, over media time",
        cls="timeline",
    )
    return tag("figure", drawn, _legend(answers, sources, evidence.stages))


def tone(source: Source, stages: Sequence[str]) -> str:
    """The style class of a source: stages from pale (first) to strong (last); faults and gaps have their own."""
    by, how = source
    if how in (How.FAILED, How.DROPPED):
        return "fault"
    if how == How.SKIPPED or by not in stages:
        return "gap"
    return f"tone{round(stages.index(by) * (_TONES - 1) / (len(stages) - 1)) if len(stages) > 1 else _TONES - 1}"


def columns(frames: int) -> NDArray[np.int64]:
    """First frame of each column, and behind the last one the number of frames."""
    count = min(frames, COLUMNS)
    return np.arange(count + 1, dtype=np.int64) * frames // count


def _edges(pts: NDArray[np.float64]) -> NDArray[np.float64]:
    """When each frame begins, and when the last one ends: it is taken to be as long as the others are on average."""
    last = float(pts[-1] - pts[0]) / (len(pts) - 1) if len(pts) > 1 else 1.0
    return np.append(pts, pts[-1] + last)


def _sources(answers: Answers, stages: Sequence[str]) -> list[Source]:
    """Those that there are, the last stage first: it lies at the foot of the band; what came from no stage on top."""
    found = {(str(by), str(how)) for by, how in zip(answers.by, answers.how, strict=True)}
    order = {stage: -index for index, stage in enumerate(stages)}
    return sorted(found, key=lambda source: (order.get(source[0], 1), source))


def _band(
    answers: Answers, edges: NDArray[np.float64], sources: Sequence[Source], stages: Sequence[str], time: Scale
) -> Iterator[Markup]:
    """A path for each source; a column in which several answered is shared among them."""
    first = columns(answers.series.frames)
    x = [time(float(edges[frame])) for frame in first]
    floor = np.full(len(first) - 1, _BAND_TOP + _BAND)
    for by, how in sources:
        theirs = (answers.by == by) & (answers.how == how)
        part = np.add.reduceat(theirs.astype(np.int64), first[:-1]) / np.diff(first)
        ceiling = floor - _BAND * part
        yield tag("path", tag("title", f"{how} by {by}"), d=_bars(x, ceiling, floor), cls=tone((by, how), stages))
        floor = ceiling


def _bars(x: Sequence[float], ceiling: NDArray[np.float64], floor: NDArray[np.float64]) -> str:
    """A path of upright bars between neighbouring `x`; equal neighbours are one, and none is drawn of no height."""
    parts, start = [], 0
    for end in range(1, len(ceiling) + 1):
        if end < len(ceiling) and ceiling[end] == ceiling[start] and floor[end] == floor[start]:
            continue
        if floor[start] - ceiling[start] > 1e-9:
            parts.append(
                f"M{brief(x[start])} {brief(ceiling[start])}H{brief(x[end])}V{brief(floor[start])}H{brief(x[start])}Z"
            )
        start = end
    return "".join(parts)


def _lanes(places: Places, time: Scale, top: float) -> Iterator[Markup]:
    """For each class and place: runs as wanted, and beneath as published, with what differs marked."""
    for name, (published, truth) in places.items():
        yield tag("text", *_short(name), x=_LEFT - 10, y=top + _ROW + 5, cls="tick end")
        yield tag("line", x1=_LEFT, x2=_RIGHT, y1=top + _ROW + 1, y2=top + _ROW + 1, cls="rule")
        yield from _spans(truth, time, top, f"{name}, wanted", "wanted")
        yield from _spans(published, time, top + _ROW + 2, f"{name}, published", "published")
        yield from _spans(without(truth, published), time, top + _ROW + 2, f"{name}, missed", "missed")
        yield from _spans(without(published, truth), time, top + _ROW + 2, f"{name}, false", "false")
        top += _LANE


def _short(name: str) -> tuple[Child, ...]:
    """A name that fits beside its lane; the whole of a longer one shows when it is pointed at."""
    return (name,) if len(name) <= _LETTERS else (f"{name[: _LETTERS - 1]}…", tag("title", name))


def _seen(evidence: Evidence) -> Places:
    """The classes and places at which either side saw anything."""
    places = runs(evidence.published.series, evidence.truth, evidence.stream.zones)
    return {
        name: (_begin_and_end(published), _begin_and_end(truth))
        for name, (published, truth) in places.items()
        if published or truth
    }


def _begin_and_end(found: Sequence[Run]) -> list[Span]:
    return [(run.begin_s, run.end_s) for run in found]


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


def _spans(these: Sequence[Span], time: Scale, top: float, what: str, cls: str) -> Iterator[Markup]:
    for start, end in these:
        said = f"{what}: {start:.2f} to {end:.2f} s"
        x = time(start)
        yield tag("rect", tag("title", said), x=x, y=top, width=max(1.0, time(end) - x), height=_ROW, cls=cls)


def _time_axis(time: Scale, top: float) -> Markup:
    ticks = [
        join(
            tag("line", x1=time(tick), x2=time(tick), y1=top, y2=top + 5, cls="axis"),
            tag("text", f"{tick:g}", x=time(tick), y=top + 19, cls="tick mid"),
        )
        for tick in time.ticks(10)
    ]
    return join(
        tag("line", x1=_LEFT, x2=_RIGHT, y1=top, y2=top, cls="axis"),
        *ticks,
        tag("text", "media seconds", x=_RIGHT, y=top + 36, cls="title end"),
    )


def _legend(answers: Answers, sources: Sequence[Source], stages: Sequence[str]) -> Markup:
    counts = Counter(zip(answers.by.tolist(), answers.how.tolist(), strict=True))
    entries: list[tuple[str, str]] = [
        (tone(source, stages), f"{source[0]}: {source[1]}, {share(counts[source], answers.series.frames)}")
        for source in reversed(sources)
    ]
    entries += [
        ("wanted", "present in the reference"),
        ("published", "published"),
        ("missed", "missed or late"),
        ("false", "false"),
    ]
    chips = [tag("span", _square(cls), said, cls="chip") for cls, said in entries]
    return tag("figcaption", *chips, cls="legend timeline")


def _square(cls: str) -> Markup:
    return tag("svg", tag("rect", width=10.0, height=10.0, cls=cls), viewBox="0 0 10 10", aria_hidden="true")
