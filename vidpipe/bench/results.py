"""Results as `vidpipe run --results` writes them: read as arrays, and written from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vidpipe.accuracy.series import Answers, Boxes, Series
from vidpipe.core.answer import Answer, How
from vidpipe.core.errors import ConfigError
from vidpipe.core.files import unread
from vidpipe.results.recorded import of_last_run
from vidpipe.results.records import Result
from vidpipe.results.sinks.results import ResultsFile


def read_answers(path: Path, stream: str, classes: Sequence[str], width: int, height: int) -> Answers:
    """The answers to one stream's frames; where a file has several runs, those of the last one.

    Args:
        path: JSON lines, of one stream or several.
        classes: of the pipeline; a box of another class is an error.
        width, height: of the stream's pictures.

    Raises:
        ConfigError: the file cannot be read, is no results file, or has a gap in `seq`.
    """
    index = {name: number for number, name in enumerate(classes)}
    lines = [line for line in _lines(path) if line["stream"] == stream]
    for position, line in enumerate(lines):
        if line["seq"] != position:
            raise ConfigError(f"results {path}: stream {stream}: frame {line['seq']} stands where {position} should")
    rows = [(position, box) for position, line in enumerate(lines) for box in line["detections"]]
    unknown = {box["class"] for _, box in rows} - index.keys()
    if unknown:
        raise ConfigError(f"results {path}: class {min(unknown)} is none of {', '.join(classes)}")
    boxes = Boxes.of(
        [position for position, _ in rows],
        [box["xyxy"] for _, box in rows],
        score=[1.0 if box["score"] is None else box["score"] for _, box in rows],
        label=[index[box["class"]] for _, box in rows],
        track=[-1 if box["track_id"] is None else box["track_id"] for _, box in rows],
    )
    pts = np.array([line["pts"] for line in lines], np.float64)
    return Answers(
        Series(tuple(classes), width, height, pts, np.ones(len(lines), bool), boxes),
        how=np.array([line["how"] for line in lines], np.str_),
        by=np.array([line["by"] for line in lines], np.str_),
        reason=np.array([line["reason"] for line in lines], np.str_),
        as_of=np.array([line["as_of"] for line in lines], np.int64),
        captured_at=_times(lines, "captured_at"),
        published_at=_times(lines, "published_at"),
    )


def write_series(series: Series, path: Path, stream: str, by: str) -> None:
    """Write boxes as results of somebody who measured every known frame."""
    import supervision as sv

    names = np.array(series.classes)
    borders = np.searchsorted(series.boxes.frame, np.arange(series.frames + 1))
    path.unlink(missing_ok=True)  # of an earlier bench, in the same folder
    sink = ResultsFile(path)
    for frame, (low, high) in enumerate(pairwise(borders.tolist())):
        boxes = series.boxes[slice(low, high)]
        tracks = boxes.track if (boxes.track >= 0).any() else None
        found = sv.Detections(
            boxes.xyxy, None, boxes.score, boxes.label, tracks, data={"class_name": names[boxes.label]}
        )
        how = How.MEASURED if series.known[frame] else How.DROPPED
        answer = Answer(found, how, by, frame)
        sink.write([Result(stream, frame, float(series.pts[frame]), None, 0.0, 0, answer)], 0.0)
    sink.close()


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for number, line in of_last_run(path):
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                raise ConfigError(f"results {path}: line {number} is no JSON: was its writing cut off?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"results {path} cannot be read: {unread(error)}") from None


def _times(lines: Sequence[dict[str, Any]], field: str) -> Any:
    return np.array([np.nan if line[field] is None else line[field] for line in lines], np.float64)
