"""Answers as JSON lines: one object for every frame of every stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidpipe.engine.records import Published
from vidpipe.errors import ConfigError, RunError

if TYPE_CHECKING:
    import supervision as sv


class ResultsFile:
    """Writes `docs/results.md`'s lines to a file, each stream's in order of `seq`.

    Raises:
        ConfigError: the file cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise ConfigError(f"results {path} cannot be written: {error.strerror}") from None
        # A reused answer shares its detections with the one before: most lines need not be rendered twice.
        self._rendered: dict[str, tuple[sv.Detections, str]] = {}

    def __str__(self) -> str:
        return f"results {self._path}"

    def write(self, records: Sequence[Published], published_at: float) -> None:
        text = "".join([self._line(record, published_at) for record in records]).encode()
        written = 0
        try:
            while written < len(text):
                written += self._file.write(text[written:])
        except OSError as error:
            self._cut(written - text.rfind(b"\n", 0, written) - 1)
            raise RunError(f"results {self._path} cannot be written on: {error.strerror}") from None

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise RunError(f"results {self._path} cannot be finished: {error.strerror}") from None

    def _cut(self, half_line: int) -> None:
        """Take back so many bytes, so that the file ends with a whole line; a device or pipe keeps them."""
        with suppress(OSError):
            self._file.truncate(self._file.tell() - half_line)

    def _line(self, record: Published, published_at: float) -> str:
        answer = record.answer
        captured_at = "null" if record.captured_at is None else f"{record.captured_at:.6f}"
        return (
            f'{{"stream": {json.dumps(record.stream)}, "seq": {record.seq}, "pts": {record.pts:.6f}, '
            f'"captured_at": {captured_at}, "published_at": {published_at:.6f}, "how": "{answer.how.value}", '
            f'"by": {json.dumps(answer.by)}, "as_of": {answer.as_of}, "knobs": {record.knobs}, '
            f'"reason": {json.dumps(answer.reason)}, "detections": {self._detections(record)}}}\n'
        )

    def _detections(self, record: Published) -> str:
        detections = record.answer.detections
        known = self._rendered.get(record.stream)
        if known is not None and known[0] is detections:
            return known[1]
        text = render(detections)
        self._rendered[record.stream] = detections, text
        return text


def render(detections: sv.Detections) -> str:
    """The boxes of an answer as a JSON list: `xyxy` to a hundredth of a pixel, `score` to four places."""
    if not len(detections):
        return "[]"
    count = len(detections)
    scores = [None] * count if detections.confidence is None else detections.confidence.tolist()
    ids = [None] * count if detections.tracker_id is None else detections.tracker_id.tolist()
    names = np.asarray(detections.data["class_name"]).tolist()
    identities = detections.data.get("identity")
    extra = [{}] * count if identities is None else [{"identity": number} for number in np.asarray(identities).tolist()]
    rows = zip(detections.xyxy.tolist(), scores, names, ids, extra, strict=True)
    return json.dumps(
        [
            {
                "xyxy": [round(edge, 2) for edge in xyxy],
                "score": None if score is None else round(score, 4),
                "class": name,
                "track_id": track,
                **described,
            }
            for xyxy, score, name, track, described in rows
        ]
    )
