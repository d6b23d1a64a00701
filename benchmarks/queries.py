"""What several queries on one camera cost against one alone: `python -m benchmarks queries [CLIP...]`.

CPU time of the whole process from the first picture to the last answer, decoding included; one, two and three queries
in turns, so that the machine's speed is that of all. Before, each query runs alone, and its answers are held against
those that it gives beside the others: where one differs there are no figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.footage import clip, model
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml import build
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.runtime.driver.queries import Queries
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.sharing import QueryShare

ROUNDS = 3
CLIPS = ("car-detection.mp4", "vtest.avi")
QUERIES: Mapping[str, tuple[list[str], float]] = {
    "door": (["person"], 0.5),
    "yard": (["vehicle"], 0.4),
    "street": (["person", "vehicle", "bike"], 0.3),
}
"""Classes and threshold of each."""

CASCADES: Mapping[str, list[dict[str, Any]]] = {
    "difference, big": [
        {"id": "difference", "type": "difference"},
        {"id": "big", "type": "detect", "model": "big"},
    ],
    "track, big": [
        {"id": "track", "type": "track", "refresh_s": 0.5},
        {"id": "big", "type": "detect", "model": "big"},
    ],
    "big at every frame": [{"id": "big", "type": "detect", "model": "big"}],
}


class _Answers(Sink):
    """Keeps of each answer what must be the same."""

    def __init__(self) -> None:
        self.answers: list[Any] = []

    def write(self, results: Sequence[Result], published_at: float) -> None:
        for each in results:
            boxes = each.answer.detections
            seen = boxes.xyxy.tobytes(), boxes.confidence.tobytes(), boxes.class_id.tobytes()  # type: ignore[union-attr]
            self.answers.append((each.seq, each.answer.how, each.answer.by, each.answer.as_of, each.audits, seen))


HEAD = """## Several queries on one camera

    python -m benchmarks queries

CPU time of the whole process from the first picture to the last answer, decoding included, against one query;
one, two and three in turns, median of {rounds}. *Apart*: the same two or three in a process each. Each looks for other
classes at another threshold, with model 2002. The answers of each are those that it gives alone, or there is no figure.
Looks shared: of all looks that three queries asked for, those that one of the others had made.

| clip | cascade | one, CPU s | two | apart | three | apart | looks shared |
|---|---|---:|---:|---:|---:|---:|---:|"""


def report(names: Sequence[str], _: Path) -> Iterator[str]:
    """The section of the page: a row for each cascade and clip."""
    yield HEAD.format(rounds=ROUNDS)
    with TemporaryDirectory() as folder:
        for cascade in CASCADES:
            for name in names or CLIPS:
                yield f"| {Path(name).stem} | {cascade} | {_row(clip(name, Path(folder)), cascade)} |"


def _row(path: Path, cascade: str) -> str:
    pipelines = {name: _pipeline(path, cascade, *asks) for name, asks in QUERIES.items()}
    alone: dict[str, list[Any]] = {}
    ratios: dict[str, list[float]] = {}
    ones = []
    shared = 0.0
    for _ in range(ROUNDS):
        took = {}
        for name, each in pipelines.items():
            took[name], answers, _shared = _run({name: each})
            alone.update(answers)
        one, *others = took.values()
        ones.append(one)
        for count in (2, 3):
            cpu_s, answers, shared = _run(dict(list(pipelines.items())[:count]))
            if any(answers[name] != alone[name] for name in answers):
                raise AssertionError("a query answers otherwise beside others")
            ratios.setdefault(f"{count}", []).append(cpu_s / one)
            ratios.setdefault(f"{count} apart", []).append(1 + sum(others[: count - 1]) / one)
    told = " | ".join(f"{statistics.median(each):.2f} times" for each in ratios.values())
    return f"{statistics.median(ones):.1f} | {told} | {shared:.0%}"


def _run(pipelines: Mapping[str, Pipeline]) -> tuple[float, dict[str, list[Any]], float]:
    """CPU seconds, the answers of each, and the share of looks that others had made."""
    sinks = {name: _Answers() for name in pipelines}

    def make(pipeline: Pipeline, share: QueryShare) -> Run:
        return Run(pipeline, engine="inline", sinks=[sinks[share.name]], results=False, share=share)

    with Queries(pipelines, make) as queries:
        began = time.process_time()
        outcomes = queries.join()
        cpu_s = time.process_time() - began
    if errors := [error for outcome in outcomes.values() for error in outcome.errors]:
        raise AssertionError(errors[0])
    looks = [outcome.report["models"]["big"] for outcome in outcomes.values()]
    total = sum(each["calls"] for each in looks)
    return cpu_s, {n: s.answers for n, s in sinks.items()}, sum(each.get("shared", 0) for each in looks) / total


def _pipeline(path: Path, cascade: str, classes: Sequence[str], threshold: float) -> Pipeline:
    file = model("person-vehicle-bike-detection-2002.xml")
    return build.Pipeline(
        CASCADES[cascade],
        classes={name: name for name in classes},
        models={"big": {"path": str(file), "threshold": threshold}},
        streams={"cam": str(path)},
    )
