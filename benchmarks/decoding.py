"""What it saves to decode less of a recording, and what that loses: on each real clip, and on one that stands still."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from benchmarks.footage import ASSETS
from benchmarks.measure import bare_decoding, spread
from vidpipe.accuracy.held import held_for
from vidpipe.accuracy.reference.predictions import FramePrediction, series_of, timed
from vidpipe.accuracy.series import Series
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.sources.base import DECODE_ALL, Decoding, StreamSpec
from vidpipe.sources.files.file import FileSource
from vidpipe.tuning.floor.decoding import decode_shares
from vidpipe.tuning.floor.evidence import evidence

MODEL = "person-vehicle-bike-detection-2001.xml"
CLASSES = Classes({"person": ["person"], "vehicle": ["vehicle"], "bike": ["bike"]})
CODECS = ("h264", "mpeg4", "msmpeg4")
LESS = {
    "non-reference left out": Decoding("nonref"),
    "key frames only": Decoding("nokey"),
    "no loop filter": Decoding(skip_loop_filter=True),
}
SCORED = ("non-reference left out", "no loop filter")
_LOOK_EVERY = 5  # delivered pictures
_PICTURES = 250  # of a clip that are looked at
_RUNS = 3

HEAD = """CPU time of decoding a whole recording, as a share of that of decoding every picture (in turns, median of
{runs}), and box F1 of looks of 2001 at every {every}th picture that was decoded, boxes held between, against its looks
at every picture of full decoding (first {pictures} pictures). An AVI with B-frames (highway) is always decoded whole.
"""
STILL = """A recording that stands still: {minutes} minutes of car-detection's quiet stretches, encoded anew with
their noise (x264, crf 20, a key frame every 50 pictures, 4 s), in which three passages are put.
With `max_blind_s: {blind_s:g}` {decoded} of {frames} pictures are decoded, {times} times
faster than bare PyAV decodes all of them (CPU, median and range). Presence F1, looks of 2001 at every
fifth decoded picture against every fifth of all: {presence:.2f}. The passages are decoded from
{late} pictures behind their first on."""

STILL_MINUTES = 10
_FPS = Fraction(25, 2)
_QUIET = ((0, 50), (118, 176), (245, 308))  # pictures of car-detection in which nothing passes
_PASSAGES = ((50, 118), (176, 245), (308, 364))
_BEGIN = (1717, 3669, 5931)  # pictures of the still recording at which one of them begins, in the midst of a group
_STILL = Decoding(max_blind_s=5.0)


class _Seen(NamedTuple):
    """What a model says of pictures that it looked at, its boxes held between; and which were decoded."""

    series: Series
    decoded: list[int]


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The section of the page, line by line; clips of these names, or all."""
    yield "## Decoding less"
    yield ""
    yield "    python -m benchmarks decoding"
    yield ""
    yield HEAD.format(runs=_RUNS, every=_LOOK_EVERY, pictures=_PICTURES)
    columns = [*(f"CPU: {what}" for what in LESS), "F1: all decoded", *(f"F1: {what}" for what in SCORED)]
    yield "| clip | codec | " + " | ".join(columns) + " |"
    yield "|---|---|" + "---:|" * len(columns)
    for path in sorted((ASSETS / "videos").iterdir()):
        if not names or path.name in names:
            row = _row(path)
            if row:
                yield row
    if not names:
        yield ""
        yield from _still(folder)


def _row(path: Path) -> str:
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context.name
    if not codec.startswith(CODECS):
        return ""
    spec = StreamSpec(url=str(path))
    runs = [decode_shares("clip", [spec], list(LESS.values())) for _ in range(_RUNS)]
    shares = [statistics.median(run[i] for run in runs) for i in range(len(LESS))]
    truth = _looked(spec, DECODE_ALL, 1, _PICTURES).series
    ways = (DECODE_ALL, *(LESS[what] for what in SCORED))
    scores = [evidence([_looked(spec, way, _LOOK_EVERY, _PICTURES).series], [truth]).value for way in ways]
    cells = [f"{share:.2f}" for share in shares] + ["-" if f1 is None else f"{f1:.3f}" for f1 in scores]
    return f"| {path.stem} | {codec} | " + " | ".join(cells) + " |"


def _still(folder: Path) -> Iterator[str]:
    path = write_still(folder / "still.mp4")
    spec = StreamSpec(url=str(path))
    times = []
    for _ in range(_RUNS):
        _, bare_s, _ = bare_decoding(path)
        with closing(FileSource("still", spec.decoded(_STILL), knobs=Knobs())) as source:
            times.append(bare_s / (sum(took_ns for _, took_ns in timed(source)) / 1e9))
    truth, found = _looked(spec, DECODE_ALL, _LOOK_EVERY), _looked(spec, _STILL, _LOOK_EVERY)
    presence = evidence([found.series], [truth.series], "presence").value
    late = [next(seq for seq in found.decoded if seq >= begin) - begin for begin in _BEGIN]
    yield STILL.format(
        minutes=STILL_MINUTES,
        blind_s=_STILL.max_blind_s,
        decoded=len(found.decoded),
        frames=truth.series.frames,
        times=spread(times),
        presence=presence,
        late=", ".join(map(str, late)),
    )


def write_still(path: Path) -> Path:
    """The still recording, as a camera would send it; one that is there already is kept."""
    if path.is_file():
        return path
    with av.open(str(ASSETS / "videos" / "car-detection.mp4")) as source:
        pictures = [picture.reformat(format="yuv420p") for picture in source.decode(video=0)]
    made = path.with_suffix(".part.mp4")
    with av.open(str(made), "w") as container:
        options = {"crf": "20", "preset": "veryfast", "sc_threshold": "0", "bf": "0", "threads": "1"}
        video = container.add_stream("libx264", _FPS, options)
        video.width, video.height, video.pix_fmt, video.gop_size = 768, 432, "yuv420p", 50
        for number, which in enumerate(_order()):
            picture = pictures[which]
            picture.pts, picture.time_base, picture.pict_type = number, 1 / _FPS, 0
            container.mux(video.encode(picture))
        container.mux(video.encode())
    made.rename(path)
    return path


def _order() -> list[int]:
    """Which picture of car-detection comes when: quiet stretches to and fro, and between them what passes."""
    order: list[int] = []
    frames = round(60 * STILL_MINUTES * _FPS)
    for passage, begin, quiet in zip((*_PASSAGES, None), (*_BEGIN, frames), (*_QUIET, _QUIET[1]), strict=True):
        there = list(range(*quiet))
        to_and_fro = there + there[-2:0:-1]
        order += [to_and_fro[i % len(to_and_fro)] for i in range(begin - len(order))]
        order += range(*passage) if passage else []
    return order


def _looked(spec: StreamSpec, decoding: Decoding, every: int, frames: int | None = None) -> _Seen:
    """Looks at every n-th picture that is decoded, their boxes held."""
    detector = load_detector(ModelSpec(path=MODEL), CLASSES, search_paths=[ASSETS / "models"], threads=1)
    said: list[FramePrediction] = []
    decoded: list[int] = []
    with closing(FileSource("clip", spec.decoded(decoding), knobs=Knobs())) as source:
        info = source.info
        for picture in islice(source, frames):
            if isinstance(picture, Frame):
                decoded.append(picture.seq)
            if isinstance(picture, Missing) or (len(decoded) - 1) % every:
                said.append(FramePrediction(picture.seq, picture.pts, None))
            else:
                (found,) = detector.detect([picture.bgr()])
                said.append(FramePrediction.of(picture, found))
    held, _ = held_for(series_of(said, detector.traits.names, info.width, info.height), 0.0)
    # A held box is an answer, too.
    return _Seen(
        Series(held.classes, held.width, held.height, held.pts, np.ones(held.frames, bool), held.boxes), decoded
    )
