"""Answers as JSON lines: what they come from, then one object for every frame of every stream."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.files import claim, put_aside
from vidpipe.core.settings import StageConfig
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink

if TYPE_CHECKING:
    import supervision as sv


log = logging.getLogger(__name__)

SCHEMA = "vidpipe.results/1"


class ResultsConfig(StageConfig):
    path: str = Field(description="the file; what an earlier run has left there goes on as FILE.1, FILE.2, ...")


class ResultsFile(Sink):
    """Writes `docs/results.md`'s lines to a file, each stream's in order of `seq`.

    The file is opened by `begin`, or by the first `write`, and belongs to this process until it is closed. A pipe or
    device is opened by the first `write`, which may wait for a reader.

    Args:
        path: of the file; None: the one of its settings, whose earlier content is kept.
        keep: whether what an earlier run has left there goes on as `FILE.1`, `FILE.2`, ...: the first that is free.
        descriptor: to write to in place of the file that `path` names.

    Attributes:
        kept: where it went.
    """

    Config = ResultsConfig

    def __init__(self, path: Path | None = None, *, keep: bool = False, descriptor: int | None = None) -> None:
        self.kept: Path | None = None
        self._path = path or Path()
        self._keep = keep or path is None
        self._is_named = path is None  # in a pipeline
        self._descriptor = descriptor
        self._file: FileIO | None = None
        self._head = b""
        # A reused answer shares its detections with the one before: most lines need not be rendered twice.
        self._rendered: dict[str, tuple[sv.Detections, str]] = {}

    def __str__(self) -> str:
        return f"results {self._path}"

    def begin(self, provenance: Mapping[str, Any]) -> None:
        """Write the first line: what the answers come from.

        Raises:
            ConfigError: the file cannot be opened, or another run writes it.
        """
        if self._is_named:
            self._path = Path(self.config.path)
        self._head = json.dumps({"schema": SCHEMA, **provenance}).encode() + b"\n"
        if self._descriptor is None and (self._path.is_file() or not self._path.exists()):
            self._put(self._opened(), b"")

    def write(self, records: Sequence[Result], published_at: float) -> None:
        self._put(self._opened(), "".join([self._line(record, published_at) for record in records]).encode())

    def close(self) -> None:
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError as error:
            raise RunError(f"results {self._path} cannot be finished: {error.strerror}") from None

    def _opened(self) -> FileIO:
        if self._file is None:
            try:
                self._file = self._open()
            except OSError as error:
                raise ConfigError(f"results {self._path} cannot be written: {error.strerror}") from None
        return self._file

    def _open(self) -> FileIO:
        if self._descriptor is not None:
            return FileIO(self._descriptor, "wb", closefd=False)
        if self._path.exists() and not self._path.is_file():
            return FileIO(self._path, "wb")
        held = claim(self._path, "results", make=True)
        assert held is not None
        if self._keep and os.fstat(held).st_size:
            try:
                self.kept = put_aside(self._path)
                if self._is_named:
                    log.warning("earlier results of %s are now %s", self._path, self.kept)
            except OSError as error:
                raise ConfigError(
                    f"results {self._path} are there already and cannot be put aside: {error.strerror}; "
                    "move them, or take another file"
                ) from None
            finally:
                os.close(held)
            held = claim(self._path, "results", make=True)
            assert held is not None
        os.ftruncate(held, 0)
        return FileIO(held, "r+b")

    def _put(self, file: FileIO, text: bytes) -> None:
        """Write the first line, unless that is done, and more lines: each of them whole or not at all."""
        text, self._head = self._head + text, b""
        written = 0
        try:
            while written < len(text):
                written += file.write(text[written:]) or 0
        except OSError as error:
            half_line = written - text.rfind(b"\n", 0, written) - 1
            with suppress(OSError):  # a device or pipe keeps it
                file.truncate(file.tell() - half_line)
            raise RunError(f"results {self._path} cannot be written on: {error.strerror}") from None

    def _line(self, record: Result, published_at: float) -> str:
        answer = record.answer
        size = "null" if record.size is None else f"[{record.size[0]}, {record.size[1]}]"
        captured_at = "null" if record.captured_at is None else f"{record.captured_at:.6f}"
        return (
            f'{{"stream": {json.dumps(record.stream)}, "seq": {record.seq}, "pts": {record.pts:.6f}, '
            f'"captured_at": {captured_at}, "published_at": {published_at:.6f}, "how": "{answer.how.value}", '
            f'"by": {json.dumps(answer.by)}, "as_of": {answer.as_of}, "knobs": {record.epoch}, '
            f'"reason": {json.dumps(answer.reason)}, "size": {size}, "detections": {self._detections(record)}}}\n'
        )

    def _detections(self, record: Result) -> str:
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


def answer_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a results file that are answers, each with its number from 1.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if number > 1 or not line.startswith('{"schema": '):
                yield number, line
