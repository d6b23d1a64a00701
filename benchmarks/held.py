"""What floors hold and cost on footage that nothing was chosen on: the last 60 % of each clip, fitted on the rest.

Everything but looks is the pipeline itself; looks are made once and cached. Costs are those of the replay.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import av
import cv2
import numpy as np

from benchmarks.footage import ASSETS
from vidpipe.accuracy.held import held_for
from vidpipe.bench.clip import outline
from vidpipe.core.frame import Image
from vidpipe.core.progress import Silent
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.base import StreamSpec
from vidpipe.tuning.floor.apply import audit_rate, with_audits
from vidpipe.tuning.floor.configuration import Roles, model_of_stage, roles_of
from vidpipe.tuning.floor.decoding import decode_shares
from vidpipe.tuning.floor.evidence import evidence
from vidpipe.tuning.floor.footage import variants_of
from vidpipe.tuning.floor.precisions import calibrated_in, cheaper
from vidpipe.tuning.floor.replay import replay
from vidpipe.tuning.floor.search import Search, Stretch, search
from vidpipe.tuning.looks import Look, Variant, look

FLOORS = (0.8, 0.9, 0.95)
FITTED = 0.4
PIPELINE = "follow"

VARIATIONS: dict[str, Callable[[Image], Image]] = {
    "mirrored": lambda picture: np.ascontiguousarray(picture[:, ::-1]),
    "dim": lambda picture: (255 * (picture / 255.0) ** 1.6).astype(np.uint8),
    "half the pictures": lambda picture: picture,
    "small": lambda picture: cv2.resize(picture, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA),
}


class Row(NamedTuple):
    """A floor on the scored part of a clip; `times`: less CPU than a look at every frame."""

    clip: str
    floor: float
    chosen: str
    f1: float | None
    times: float
    static_f1: float | None
    static_times: float

    @property
    def held(self) -> bool:
        return self.f1 is None or self.f1 >= self.floor - 0.02

    @property
    def less_than_static(self) -> float:
        return self.times / self.static_times

    def __str__(self) -> str:
        def score(value: float | None) -> str:
            return "-" if value is None else f"{value:.3f}"

        return (
            f"| {self.clip} | {self.floor:g} | {self.chosen} | {score(self.f1)}{'' if self.held else ' **under**'} | "
            f"{self.times:.1f} | {score(self.static_f1)} | {self.static_times:.1f} | {self.less_than_static:.2f} |"
        )


def on_clips(names: Sequence[str] = (), variation: str = "") -> Iterator[Row]:
    """Each floor on each clip that is there, or on these, as they are or varied."""
    os.chdir(ASSETS / "models")  # where the pipeline's models are found
    with TemporaryDirectory() as folder:
        for clip in sorted((ASSETS / "videos").iterdir()):
            if not names or clip.name in names or clip.stem in names:
                source = varied(clip, variation, Path(folder)) if variation else clip
                name = clip.stem + (f", {variation}" if variation else "")
                yield from _of_clip(name, source, Path(folder) / f"int8-{clip.stem}")


EVERY = {"half the pictures": 2}  # of which one is left, with its time


def varied(clip: Path, variation: str, folder: Path) -> Path:
    """The clip with every picture changed, or with fewer of them."""
    every = EVERY.get(variation, 1)
    target = folder / f"{clip.stem}-{variation}.mp4"
    with av.open(str(clip)) as source, av.open(str(target), "w") as out:
        stream = None
        for number, frame in enumerate(islice(source.decode(video=0), None, None, every)):
            picture = VARIATIONS[variation](frame.to_ndarray(format="bgr24"))
            picture = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
            if stream is None:
                rate = (source.streams.video[0].average_rate or 25) / every
                stream = out.add_stream("libx264", rate=rate, options={"crf": "20"})
                stream.height, stream.width = picture.shape[:2]
            made = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            made.pts = number
            out.mux(stream.encode(made))
        if stream is not None:
            out.mux(stream.encode())
    return target


class _Clip:
    """Both parts of a clip, with the looks that were needed so far; `int8`: where its quantised networks are kept."""

    def __init__(self, name: str, source: Path, int8: Path) -> None:
        self.name = name
        self.roles: Roles = calibrated_in(roles_of(load(PIPELINE, sources={"clip": str(source)})), int8)
        self.big = Variant(model_of_stage(self.roles.pipeline, self.roles.last))
        frames = outline("clip", StreamSpec(url=str(source)), self.roles.pipeline.classes.names)
        border = float(frames.pts[round(FITTED * frames.frames)]) - 0.5 / frames.fps
        first = StreamSpec(url=str(source), end_s=border)
        self.scored = StreamSpec(url=str(source), start_s=border)
        fitted = round(FITTED * frames.frames)
        precise, _ = cheaper(self.roles, "clip", [(first, fitted)], {}, Silent())
        looks = {variant: self._look(first, variant) for variant in (self.big, *variants_of(self.roles), *precise)}
        self.fitted = Stretch(first, looks[self.big].predictions.sure(), looks)
        self._scored_looks: dict[Variant, Look] = {}

    def scored_look(self, variant: Variant) -> Look:
        if variant not in self._scored_looks:
            self._scored_looks[variant] = self._look(self.scored, variant)
        return self._scored_looks[variant]

    def _look(self, spec: StreamSpec, variant: Variant) -> Look:
        pipeline = self.roles.pipeline
        return look(pipeline, "clip", spec, variant.spec(pipeline), Silent())


def _of_clip(name: str, source: Path, int8: Path) -> Iterator[Row]:
    clip = _Clip(name, source, int8)
    truth = clip.scored_look(clip.big).predictions.sure()
    every_ms = clip.scored_look(clip.big).cpu_ms + clip.scored_look(clip.big).predictions.decode_cpu_ms
    for floor in FLOORS:
        found = search(clip.roles, "clip", [clip.fitted], floor, "boxes", Silent())
        f1, cost_ms = _chosen(clip, found, floor)
        static = found.static.configuration
        variant = static.looker or clip.big
        said = clip.scored_look(variant).predictions.sure()
        held, looked = held_for(said, static.between_s)
        decode_ms = clip.scored_look(clip.big).predictions.decode_cpu_ms
        static_ms = decode_ms + float(looked.mean()) * clip.scored_look(variant).cpu_ms
        yield Row(
            name,
            floor,
            str(found.chosen.configuration),
            f1,
            every_ms / cost_ms,
            evidence([held], [truth]).value,
            every_ms / static_ms,
        )


def _chosen(clip: _Clip, found: Search, floor: float) -> tuple[float | None, float]:
    """Score and CPU ms a frame of what was chosen, on the scored part."""
    configuration = found.chosen.configuration
    looks = {variant: clip.scored_look(variant) for variant in {clip.big, configuration.looker or clip.big}}
    settings = clip.roles.settings(configuration, floor if found.chosen.guarded else None)
    audited = with_audits(clip.roles.pipeline, audit_rate(found.chosen.cpu_ms, found.safe.cpu_ms))
    (run,) = replay(audited, "clip", clip.scored.decoded(configuration.decoding), looks, [settings])
    frames = run.series.frames
    looks_ms = sum(count * looks[variant].cpu_ms for variant, count in run.looks.items()) / frames
    truth = looks[clip.big].predictions.sure()
    (share,) = decode_shares("clip", [clip.scored], [configuration.decoding])
    decode_ms = share * looks[clip.big].predictions.decode_cpu_ms
    return evidence([run.series], [truth]).value, decode_ms + run.stages_ms + looks_ms


def report(names: Sequence[str], _: Path) -> Iterator[str]:
    """The table, and what it comes to; the first name may be a variation."""
    variation = names[0] if names and names[0] in VARIATIONS else ""
    rows = []
    yield "| clip | floor | chosen | box F1 | x less CPU | static F1 | x less CPU | x less than static |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in on_clips(names[bool(variation) :], variation):
        rows.append(row)
        yield str(row)
    held = sum(row.held for row in rows)
    cheaper = sum(row.less_than_static >= 1.5 for row in rows)
    dearer = sum(row.less_than_static < 1 / 1.05 for row in rows)
    than = f"{cheaper} take 1.5 times less than static, {dearer} over 1.05 times as much"
    yield f"{held} of {len(rows)} held to .02; {than}"
