"""Answers as JSON lines: what they come from, then one object for every frame of every stream."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vidpipe.cascade.audit import Audit
from vidpipe.cascade.reachback import written
from vidpipe.core.rounding import round_boxes, round_scores
from vidpipe.results.records import Result
from vidpipe.results.sinks.lines import LinesSink

if TYPE_CHECKING:
    import supervision as sv

SCHEMA = "vidpipe.results/1"
_AT_ONCE = 100  # lines that are written together: a file grows by so many over the size at which it is turned


class ResultsFile(LinesSink):
    """Writes `docs/results.md`'s lines to a file, each stream's in order of `seq`; see `LinesSink`.

    The file is opened by `begin`, or by the first `write`, and belongs to this process until it is closed. A pipe or
    device is opened by the first `write`, which may wait for a reader.
    """

    what = "results"

    _provenance: Mapping[str, Any] | None = None
    _query = ""  # what each line says of it, where it is one of several

    def __init__(self, path: Path | None = None, **options: Any) -> None:
        super().__init__(path, **options)
        # A reused answer shares its detections with the one before: most lines need not be rendered twice.
        self._rendered: dict[str, tuple[sv.Detections, str]] = {}

    @property
    def begins(self) -> bytes:
        return f'{{"schema": "{SCHEMA}"'.encode()

    def begin(self, provenance: Mapping[str, Any]) -> None:
        """Write the first line: what the answers come from.

        Raises:
            ConfigError: the file cannot be opened, or another run writes it.
        """
        self._provenance = provenance
        self._query = f', "query": {json.dumps(provenance["query"])}' if "query" in provenance else ""
        self._begin(provenance, _head(provenance), repeats=True)

    def write(self, records: Sequence[Result], published_at: float) -> None:
        for first in range(0, len(records), _AT_ONCE):
            some = records[first : first + _AT_ONCE]
            self._turn_if_due()
            self.lines.write("".join([self._line(record, published_at) for record in some]).encode())
            for record in some:
                if record.settings:
                    self._note(record)

    def flush(self) -> Mapping[str, int]:
        """Have what was written outlive a loss of power."""
        self.lines.flush()
        return {}

    def _note(self, record: Result) -> None:
        """A file that is begun later says which settings are in force then."""
        if self._provenance is None:
            return
        streams = dict(self._provenance.get("streams", {}))
        stream = {"source": None, "size": None, **streams.get(record.stream, {})}  # one that has joined is new here
        stages = dict(stream.get("stages", {}))
        for change in record.settings:
            for stage, fields in change["changes"].items():
                stages[stage] = {**stages.get(stage, {}), **fields}
        streams[record.stream] = {**stream, "stages": stages}
        self._provenance = {**self._provenance, "streams": streams}
        self.lines.head = _head(self._provenance)

    def _line(self, record: Result, published_at: float) -> str:
        answer = record.answer
        size = "null" if record.size is None else f"[{record.size[0]}, {record.size[1]}]"
        captured_at = "null" if record.captured_at is None else f"{record.captured_at:.6f}"
        boxes = self._detections(record)
        more = self._query
        more += f', "audits": {_audits(record.audits)}' if record.audits else ""
        if record.corrections:
            more += f', "corrections": {json.dumps([written(each) for each in record.corrections])}'
        if answer.features:
            more += f', "features": {json.dumps(answer.features)}'
        if record.degraded:
            more += f', "degraded": {json.dumps(record.degraded)}'
        if record.settings:
            more += f', "settings": {json.dumps(record.settings)}'
        return (
            f'{{"stream": {json.dumps(record.stream)}, "seq": {record.seq}, "pts": {record.pts:.6f}, '
            f'"captured_at": {captured_at}, "published_at": {published_at:.6f}, "how": "{answer.how.value}", '
            f'"by": {json.dumps(answer.by)}, "as_of": {answer.as_of}, "knobs": {record.epoch}, '
            f'"model": {json.dumps(record.model)}, '
            f'"reason": {json.dumps(answer.reason)}, "size": {size}, "detections": {boxes}{more}}}\n'
        )

    def _detections(self, record: Result) -> str:
        detections = record.answer.detections
        known = self._rendered.get(record.stream)
        if known is not None and known[0] is detections:
            return known[1]
        text = render(detections)
        self._rendered[record.stream] = detections, text
        return text


def _head(provenance: Mapping[str, Any]) -> bytes:
    return json.dumps({"schema": SCHEMA, **provenance}).encode() + b"\n"


def _audits(audits: Sequence[Audit]) -> str:
    return json.dumps([{"stage": audit.stage, "missed": audit.missed, "false": audit.false} for audit in audits])


def render(detections: sv.Detections) -> str:
    """The boxes of an answer as a JSON list: `xyxy` to a hundredth of a pixel, `score` to four places."""
    if not len(detections):
        return "[]"
    count = len(detections)
    scores = [None] * count if detections.confidence is None else round_scores(detections.confidence).tolist()
    ids = [None] * count if detections.tracker_id is None else detections.tracker_id.tolist()
    names = np.asarray(detections.data["class_name"]).tolist()
    identities = detections.data.get("identity")
    extra = [{}] * count if identities is None else [{"identity": number} for number in np.asarray(identities).tolist()]
    rows = zip(round_boxes(detections.xyxy).tolist(), scores, names, ids, extra, strict=True)
    return json.dumps(
        [
            {
                "xyxy": xyxy,
                "score": score,
                "class": name,
                "track_id": track,
                **described,
            }
            for xyxy, score, name, track, described in rows
        ]
    )


def is_head(line: str) -> bool:
    """Whether a line of a results file says what the answers below it come from."""
    return line.startswith('{"schema": ')
