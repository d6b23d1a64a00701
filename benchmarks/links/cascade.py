"""`python -m benchmarks links cascade`: bytes from device to cloud, of a cascade and of every picture.

Both links code pictures alike. Settings are chosen on the first 40 % of a clip, the fewest bytes that hold the score
there, and scored on the rest. Audits cross as well, and count.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from benchmarks.footage import ASSETS
from vidpipe.accuracy.reference.reference import reference
from vidpipe.accuracy.scores.box_score import count, total
from vidpipe.accuracy.scores.presence import presence
from vidpipe.accuracy.series import Series
from vidpipe.bench.labels.read import read_labels
from vidpipe.bench.results import read_answers
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.sources.base import StreamSpec

FITTED = 0.4
HELD = 0.95  # of the score of every picture
MARGIN = 0.01  # more than that on the fitted part
LITTLES = ("2000", "2001")
HEAD = """Bytes from device to cloud at jpeg 85, on both sides. Every picture: 2003 in the cloud looks at each. Cascade:
a model on the device answers what it is sure of, parts in doubt cross (`regions`), or boxes are tracked between looks;
the fewest bytes that held {held:g} of the score of every picture on the first {fitted:.0%} of the clip, scored on the
rest. Audits of {audits:.1%} of the answers are in the bytes. Presence: F1 of passages that begin and end within a
second; in frames: F1 of the classes that are in a frame. Against labels, in brackets against 2003 without a link.
"""

MODELS = """
classes: {person: person, vehicle: vehicle, bike: bike}
models:
  "2000": {path: person-vehicle-bike-detection-2000.xml, threshold: 0.4}
  "2001": {path: person-vehicle-bike-detection-2001.xml, threshold: 0.4}
  part: {path: person-vehicle-bike-detection-2003.xml, threshold: 0.3, size: [240, 432]}
  big: {path: person-vehicle-bike-detection-2003.xml, threshold: 0.3}
links: {device-cloud: {codec: jpeg, quality: 85}}
"""
AUDITS = 0.005
EVERY = "audit: {rate: 0, max_unchecked_s: null}\nstages:\n"
CHECKED = f"audit: {{rate: {AUDITS}, max_unchecked_s: 30}}\nstages:\n"
BIG = "  - {id: big, type: detect, on: cloud, model: big}\n"
PART = "  - {id: part, type: regions, on: cloud, model: part}\n"


class Clip(NamedTuple):
    """A part of a clip: where it is, what 2003 sees in it, and what people say is in it."""

    spec: StreamSpec
    truth: Series
    labels: Series


class Scores(NamedTuple):
    """Of answers, against one side."""

    boxes: float
    presence: float
    in_frames: float

    @classmethod
    def of(cls, said: Series, truth: Series) -> Scores:
        classes = set(truth.boxes.label.tolist()) or {0}
        runs, _ = presence(said, truth, {})
        pairs = [
            {(frame, label) for frame, label in zip(*each, strict=True) if label in classes}
            for each in ((one.boxes.frame.tolist(), one.boxes.label.tolist()) for one in (said, truth))
        ]
        in_frames = 2 * len(pairs[0] & pairs[1]) / max(len(pairs[0]) + len(pairs[1]), 1)
        return cls(total(count(said, truth)).f1 or 0.0, runs.f1 or 0.0, in_frames)


class Measured(NamedTuple):
    """A pipeline on a part of a clip."""

    name: str
    megabytes: float
    by_labels: Scores
    by_big: Scores


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The section of the page, line by line; of these clips, or both."""
    os.chdir(ASSETS / "models")  # where the models are found
    yield HEAD.format(held=HELD, fitted=FITTED, audits=AUDITS)
    yield "| clip | | MB | times less | boxes | presence | in frames |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for name, (suffix, score, candidates) in CLIPS.items():
        if not names or name in names:
            yield from _of_clip(name, ASSETS / "videos" / f"{name}{suffix}", score, candidates())


def _of_clip(name: str, path: Path, score: str, candidates: Mapping[str, str]) -> Iterator[str]:
    fitted, scored = _parts(path)
    every = _measured("every picture", EVERY + BIG, fitted)
    wanted = HELD * getattr(every.by_big, score) + MARGIN
    tried = [_measured(what, CHECKED + stages, fitted) for what, stages in candidates.items()]
    enough = [each for each in tried if getattr(each.by_big, score) >= wanted]
    chosen = min(
        enough, key=lambda each: each.megabytes, default=max(tried, key=lambda each: getattr(each.by_big, score))
    )
    every = _measured("every picture", EVERY + BIG, scored)
    yield _row(name, every, every)
    yield _row(name, _measured(chosen.name, CHECKED + candidates[chosen.name], scored), every)


def _row(clip: str, measured: Measured, every: Measured) -> str:
    pairs = zip(measured.by_labels, measured.by_big, strict=True)
    scores = " | ".join(f"{labels:.3f} ({big:.3f})" for labels, big in pairs)
    less = every.megabytes / measured.megabytes if measured.megabytes else float("inf")
    return f"| {clip} | {measured.name} | {measured.megabytes:.2f} | {less:.1f} | {scores} |"


def _parts(path: Path) -> tuple[Clip, Clip]:
    """The fitted and the scored part."""
    pipeline = _load(EVERY + BIG, StreamSpec(url=str(path)))
    big, classes = pipeline.models["big"], pipeline.classes
    truth = reference(StreamSpec(url=str(path)), "clip", big, classes, progress=lambda _: None).sure()
    labels = read_labels(ASSETS / "truth" / f"{path.stem}.txt", classes, truth).series
    border = round(FITTED * truth.frames)
    border_s = float(truth.pts[border]) - 0.5 / truth.fps
    return (
        Clip(StreamSpec(url=str(path), end_s=border_s), truth.part(0, border), labels.part(0, border)),
        Clip(
            StreamSpec(url=str(path), start_s=border_s),
            truth.part(border, truth.frames),
            labels.part(border, truth.frames),
        ),
    )


def _load(text: str, spec: StreamSpec) -> Pipeline:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "cascade.yaml"
        file.write_text(MODELS + text)
        return replace(load(file, sources={"clip": spec.url}), streams={"clip": Stream(spec)})


def _measured(name: str, text: str, clip: Clip) -> Measured:
    with TemporaryDirectory() as folder:
        results = Path(folder) / "results.jsonl"
        outcome = run(_load(text, clip.spec), engine="inline", sinks=[ResultsFile(results)])
        truth = clip.truth
        said = read_answers(results, "clip", truth.classes, truth.width, truth.height).series
    megabytes = sum(link["bytes"] for link in outcome.report["links"].values()) / 1e6
    said = replace(said, pts=truth.pts, known=np.ones(truth.frames, bool))
    return Measured(name, megabytes, Scores.of(said, clip.labels), Scores.of(said, truth))


def _little(model: str, accept: float, reject: float) -> str:
    return f'  - {{id: little, type: detect, model: "{model}", accept: {accept}, reject: {reject}}}\n'


def _sure_ones() -> dict[str, str]:
    """A model on the device answers what it is sure of."""
    found = {}
    for model, accept, reject in product(LITTLES, (0.3, 0.4, 0.5, 0.6), (0.1, 0.2, 0.3)):
        if reject < accept:
            name = f"{model} on the device, accept {accept}, reject {reject}"
            found[f"{name}, parts of the others"] = _little(model, accept, reject) + PART + BIG
            found[name] = _little(model, accept, reject) + BIG
    return found


def _tracked() -> dict[str, str]:
    """Boxes are tracked between looks, of the cloud or, where it is sure, of a model on the device."""
    found = {}
    for refresh_s in (0.3, 0.4, 0.5, 0.6, 0.8, 1.0):
        track = f"  - {{id: track, type: track, refresh_s: {refresh_s}}}\n"
        found[f"tracked, looks every {refresh_s} s"] = track + BIG
    for refresh_s, accept in product((0.3, 0.5), (0.4, 0.5)):
        track = f"  - {{id: track, type: track, refresh_s: {refresh_s}}}\n"
        name = f"tracked, looks of 2001 on the device every {refresh_s} s, accept {accept}, parts of the others"
        found[name] = track + _little("2001", accept, 0.2) + PART + BIG
    return found


CLIPS = {
    "car-detection": (".mp4", "in_frames", _sure_ones),
    "vtest": (".avi", "boxes", _tracked),
}
