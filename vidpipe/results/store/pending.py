"""What results and events come to, until the store has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vidpipe.results.records import Result
from vidpipe.results.store.embeddings import Embedded, Vector
from vidpipe.results.store.spans import starts

if TYPE_CHECKING:
    import supervision as sv


class Happened(NamedTuple):
    """An event as the store takes it.

    Attributes:
        at: UTC seconds.
        json: the event with its run's id; see `results.events.as_json`.
    """

    at: float
    json: dict[str, Any]


@dataclass(slots=True)
class TrackSpan:
    """Where one track was seen: `first` and `last` as (UTC seconds, seq), and class and score of its best box."""

    best: tuple[str, float]
    first: tuple[float, int]
    last: tuple[float, int]
    frames: int = 1

    def see(self, box: tuple[str, float], at: tuple[float, int]) -> None:
        """It is in a further result."""
        self.last = at
        self.frames += 1
        if box[1] > self.best[1]:
            self.best = box


@dataclass(slots=True)
class Pending:
    """What is not committed yet. Everything in it belongs together: positions say up to where it goes.

    Attributes:
        positions: by stream, (seq, UTC seconds) of the last result.
        frames: results, by (span, start, stream); see `starts`.
        boxes, most: of a class: the sum of its boxes, and the most in one result; by (span, start, stream, class).
        tracks, embedded: by (stream, number).
    """

    positions: dict[str, tuple[int, float]] = field(default_factory=dict)
    frames: Counter[tuple[int, int, str]] = field(default_factory=Counter)
    boxes: Counter[tuple[int, int, str, str]] = field(default_factory=Counter)
    most: dict[tuple[int, int, str, str], int] = field(default_factory=dict)
    tracks: dict[tuple[str, int], TrackSpan] = field(default_factory=dict)
    embedded: dict[tuple[str, int], Embedded] = field(default_factory=dict)
    events: list[Happened] = field(default_factory=list)
    stages: list[tuple[Any, ...]] = field(default_factory=list)
    states: list[tuple[float, str, str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.positions or self.events or self.stages or self.states)


class Seen(NamedTuple):
    """What one answer shows: boxes by class; of each tracked box number, class and score; and of those that were
    described number and vector.
    """

    detections: sv.Detections
    classes: Counter[str]
    tracked: Sequence[tuple[int, str, float]]
    described: Sequence[tuple[int, Vector]] = ()


class Gatherer:
    """Adds results to what is pending.

    Args:
        began: UTC seconds at which the run began: there counts the first picture of a recording that does not say when
            it was taken.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._seen: dict[str, Seen] = {}  # a reused answer shares its detections with the one before

    def time_of(self, at: float | None, pts: float) -> float:
        """UTC seconds of a picture that was taken `at`, if that is known."""
        return self._began + pts if at is None else at

    def add(self, result: Result, pending: Pending) -> None:
        """Count a result."""
        at = self.time_of(result.captured_at, result.pts)
        stream, seq = result.stream, result.seq
        known = self._seen.get(stream)
        seen = self._of(result)
        pending.positions[stream] = seq, at
        for span, start in starts(at):
            pending.frames[span, start, stream] += 1
            for name, count in seen.classes.items():
                key = span, start, stream, name
                pending.boxes[key] += count
                pending.most[key] = max(pending.most.get(key, 0), count)
        for track, name, score in seen.tracked:
            track_span = pending.tracks.get((stream, track))
            if track_span is None:
                pending.tracks[stream, track] = TrackSpan((name, score), (at, seq), (at, seq))
            else:
                track_span.see((name, score), (at, seq))
        for track, vector in seen.described if seen is not known else ():
            embedded = pending.embedded.get((stream, track))
            pending.embedded[stream, track] = (
                Embedded(vector, 1, at, at) if embedded is None else embedded.and_also(vector, at)
            )

    def _of(self, result: Result) -> Seen:
        detections = result.answer.detections
        seen = self._seen.get(result.stream)
        if seen is None or seen.detections is not detections:
            seen = self._seen[result.stream] = _seen(detections)
        return seen


def _seen(detections: sv.Detections) -> Seen:
    if not len(detections):
        return Seen(detections, Counter(), ())
    names = np.asarray(detections.data["class_name"]).tolist()
    tracked: list[tuple[int, str, float]] = []
    if detections.tracker_id is not None:
        scores = [0.0] * len(names) if detections.confidence is None else detections.confidence.tolist()
        numbers = detections.tracker_id.tolist()
        tracked = [each for each in zip(numbers, names, scores, strict=True) if each[0] >= 0]
        vectors = detections.data.get("embedding")
        if vectors is not None:
            rows = zip(numbers, np.asarray(vectors, np.float32), strict=True)
            return Seen(detections, Counter(names), tracked, [each for each in rows if each[0] >= 0 and each[1].any()])
    return Seen(detections, Counter(names), tracked)
