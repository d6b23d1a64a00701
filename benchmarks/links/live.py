"""`python -m benchmarks links live`: the same as `shaped` on Ray, at the pace of the clip: for a machine that idles.

Actors on Ray, a live stream, and an emulated network: its rate goes 25, 7.5, 5, 25 Mbps, in four parts of the clip and
scaled so that the first is a quarter more than pictures need at the link's own setting (AWStream, SIGCOMM 2018).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from benchmarks.footage import ASSETS
from vidpipe.accuracy.reference.reference import reference
from vidpipe.accuracy.scores.box_score import count, total
from vidpipe.accuracy.scores.staleness import newest
from vidpipe.accuracy.series import Answers, Series
from vidpipe.bench.results import read_answers
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.sources.base import StreamSpec

CLIP = "vtest"
RATES = (25.0, 7.5, 5.0, 25.0)
ROOM = 1.25  # of the first rate, over what the link's own setting needs
FAST = {"rate_mbps": 10_000.0}
OPENING_S = 8.0  # until pictures come: the emulator's time begins with the process

PIPELINE = """
classes: {person: person, vehicle: vehicle, bike: bike}
models:
  big: {path: person-vehicle-bike-detection-2001.xml, threshold: 0.4}
stages:
  - {id: track, type: track, on: device, refresh_s: 0.2}
  - {id: big, type: detect, on: cloud, model: big}
audit: {rate: 0, max_unchecked_s: null}
"""
HEAD = """`live+file:` {clip}, {seconds:.0f} s: boxes tracked on the device, a look of 2001 in the cloud each 0.2 s, on
Ray; a fallback is published while a look is late. The rate of the link goes {rates} Mbps: 25, 7.5, 5, 25
scaled so that the first is {room:g} of what jpeg 85 needs. Age: from the capture of the picture that an answer rests
on to its publication. F1 against 2001 at every picture: of answers to their own picture, and of the newest answer when
a picture comes.
"""


class Ran(NamedTuple):
    """A run: its answers and what the link has told of itself."""

    answers: Answers
    link: Mapping[str, Any]

    @property
    def ages_s(self) -> Any:
        """Of each answer that rests on a picture."""
        known = self.answers.as_of >= 0
        return (self.answers.published_at - self.answers.captured_at[self.answers.as_of])[known]


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The section of the page, line by line; the first of these clips, or vtest."""
    clip = ASSETS / "videos" / next((path.name for path in _clips() if path.stem in names), f"{CLIP}.avi")
    os.chdir(ASSETS / "models")  # where the models are found
    pipeline = load_text(PIPELINE, clip)
    truth = reference(
        StreamSpec(url=str(clip)), "clip", pipeline.models["big"], pipeline.classes, progress=lambda _: None
    ).sure()
    unshaped = _run(clip, {"codec": "jpeg", "shaper": FAST}, truth)
    needed = unshaped.link["bytes"] * 8e-6 / truth.video_s
    rates = [round(ROOM * needed * rate / RATES[0], 2) for rate in RATES]
    part_s = truth.video_s / len(rates)
    trace = [(0.0, rates[0]), *((OPENING_S + part_s * part, rate) for part, rate in enumerate(rates) if part)]
    told = ", ".join(f"{rate:g}" for rate in rates)
    yield HEAD.format(clip=clip.stem, seconds=truth.video_s, rates=told, room=ROOM)
    yield "| link | MB | age: median, 95 %, s | F1 | of unshaped | F1 of the newest | of unshaped | frames by setting |"
    yield "|---|---:|---:|---:|---:|---:|---:|---|"
    yield _row("unshaped, jpeg 85", unshaped, unshaped, truth)
    for name, link in {
        "jpeg 85": {"codec": "jpeg"},
        "jpeg 20": {"codec": "jpeg", "quality": 20},
        "jpeg 85, adapts": {"codec": "jpeg", "adapt": True},
    }.items():
        yield _row(name, _run(clip, {**link, "shaper": {"trace": trace}}, truth), unshaped, truth)


def load_text(text: str, clip: Path, link: Mapping[str, Any] | None = None) -> Any:
    """A pipeline of YAML, on a clip at its own pace."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "links.yaml"
        file.write_text(text)
        return load(file, sources={"clip": f"live+file:{clip}"}, sets=_sets(link or {}))


def _sets(link: Mapping[str, Any], prefix: str = "links.device-cloud") -> list[str]:
    sets: list[str] = []
    for name, value in link.items():
        if isinstance(value, dict):
            sets += _sets(value, f"{prefix}.{name}")
        else:
            sets.append(f"{prefix}.{name}={list(map(list, value)) if name == 'trace' else str(value)}")
    return sets


def _run(clip: Path, link: Mapping[str, Any], truth: Series) -> Ran:
    with TemporaryDirectory() as folder:
        results = Path(folder) / "results.jsonl"
        outcome = run(load_text(PIPELINE, clip, link), engine="ray", sinks=[ResultsFile(results)])
        answers = read_answers(results, "clip", truth.classes, truth.width, truth.height)
    return Ran(answers, outcome.report["links"]["device-cloud"])


def _row(name: str, ran: Ran, unshaped: Ran, truth: Series) -> str:
    (f1, streaming), (best, best_streaming) = _scores(ran, truth), _scores(unshaped, truth)
    median, late = np.percentile(ran.ages_s, [50, 95])
    settings = "; ".join(f"{setting}: {count}" for setting, count in ran.link.get("settings", {}).items())
    return (
        f"| {name} | {ran.link['bytes'] / 1e6:.1f} | {median:.2f}, {late:.2f} | {f1:.3f} | {f1 / best:.3f} "
        f"| {streaming:.3f} | {streaming / best_streaming:.3f} | {settings} |"
    )


def _scores(ran: Ran, truth: Series) -> tuple[float, float]:
    own = total(count(ran.answers.series, truth)).f1 or 0.0
    return own, total(count(newest(ran.answers, ran.answers.captured_at), truth)).f1 or 0.0


def _clips() -> list[Path]:
    return sorted((ASSETS / "videos").iterdir())
