"""What looking ahead saves, and what it loses: `python -m benchmarks.ahead [SECONDS] [CLIP ...] [=VARIATION ...]`.

Each clip is played so often that it lasts for so long, once with the tracker of a run and once looking ahead, under
the settings of pipelines/follow.yaml, as one chunk that begins knowing nothing. What the big model says of each frame
has been recorded; all else is the real thing. A look's price is measured beside. Decoding, which is the same for both,
is left out. Looking ahead has no constants of its own that could have been chosen on a clip: it goes by those of a
run's tracker. A variation, as `=mirrored`, is one of `benchmarks.held`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import supervision as sv

from benchmarks.footage import ASSETS
from benchmarks.held import varied
from vidpipe.archive.ahead.looks import LookAhead
from vidpipe.cascade.stage import Context
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.core.progress import Silent
from vidpipe.core.settings import Knobs
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.open import open_source
from vidpipe.stages.track.track import Track, TrackConfig
from vidpipe.statistics.agreement import Matched, match, together
from vidpipe.tuning.looks import look

CONFIG = TrackConfig(refresh_s=1, floor=0.9)
COLUMNS = ["recording", "seconds", "looks in a run", "ahead", "of them", "CPU ms a frame", "ahead"]
COLUMNS += ["boxes F1", "ahead", "presence F1", "ahead"]

LookAt = Callable[[Frame], Answer]


class Found(NamedTuple):
    """What came of a clip: looks, CPU milliseconds a frame without them, F1 of boxes and of presence."""

    looks: int
    own_ms: float
    boxes: float
    presence: float


def main(seconds: float, names: list[str], variations: list[str]) -> None:
    """Print a row for each clip, or for each variation of each."""
    os.chdir(ASSETS / "models")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")  # noqa: T201
    with TemporaryDirectory() as folder:
        for name in names:
            clip = ASSETS / "videos" / name
            for variation in variations:
                print(_row(f"{clip.stem}, {variation}", varied(clip, variation, Path(folder)), seconds), flush=True)  # noqa: T201
            if not variations:
                print(_row(clip.stem, clip, seconds), flush=True)  # noqa: T201


def _row(name: str, clip: Path, seconds: float) -> str:
    pipeline = load("follow", sources={"cam": str(clip)})
    said, look_ms = _recorded(pipeline)
    with closing(_source(pipeline)) as source:
        last_s = max(item.pts for item in source)
    times = max(1, round(seconds / max(last_s, 0.1)))
    run, ahead = (_measured(pipeline, said, times, tracking) for tracking in (_tracked, _ahead))
    frames = len(said) * times
    cpu = [each.own_ms + each.looks * look_ms / frames for each in (run, ahead)]
    figures = [name, f"{last_s * times:.0f}", str(run.looks), str(ahead.looks)]
    figures += [f"{ahead.looks / run.looks:.2f}", *(f"{each:.1f}" for each in cpu)]
    figures += [f"{each:.3f}" for pair in zip(run[2:], ahead[2:], strict=True) for each in pair]
    return f"| {' | '.join(figures)} |"


def _source(pipeline: Pipeline) -> Any:
    return open_source("cam", pipeline.streams["cam"].spec.waiting, knobs=Knobs())


def _recorded(pipeline: Pipeline) -> tuple[list[sv.Detections], float]:
    """What the big model says of each frame, and the CPU milliseconds of a look."""
    model, names = pipeline.models["big"], np.array(pipeline.classes.names)
    known = look(pipeline, "cam", pipeline.streams["cam"].spec, model, Silent())
    series = known.predictions.series
    boxes, least = series.boxes, 0.3  # the threshold of follow.yaml
    said = []
    for seq in range(series.frames):
        rows = (boxes.frame == seq) & (boxes.score >= least)
        labels = boxes.label[rows].astype(int)
        data = {"class_name": names[labels]}
        said.append(sv.Detections(xyxy=boxes.xyxy[rows], confidence=boxes.score[rows], class_id=labels, data=data))
    return said, known.cpu_ms


def _measured(
    pipeline: Pipeline, said: list[sv.Detections], times: int, tracking: Callable[[LookAt], Iterator[Any]]
) -> Found:
    looks, spent_s = 0, 0.0

    def look_at(frame: Frame) -> Answer:
        nonlocal looks
        looks += 1
        frame.bgr()  # part of what a look costs, wherever it is looked at
        return Answer(said[frame.seq % len(said)], How.MEASURED, "big", frame.seq)

    takes = tracking(look_at)
    next(takes)
    boxes, classes = [], []
    for frame in chain(_frames(pipeline, len(said), times), [None]):
        began = time.thread_time()
        published = takes.send(frame)
        spent_s += time.thread_time() - began
        for seq, found in published:
            true = said[seq % len(said)]
            boxes.append(match(found, true))
            one, other = set(found.class_id.tolist() if len(found) else ()), set(true.class_id.tolist())
            classes.append(Matched(len(one & other), len(one) + len(other)))
    f1 = [together(each).f1 for each in (boxes, classes)]
    return Found(looks, 1000 * spent_s / len(boxes), *(1.0 if each is None else each for each in f1))


def _frames(pipeline: Pipeline, count: int, times: int) -> Iterator[Frame]:
    began_s = 0.0
    for turn in range(times):
        last_s = 0.0
        with closing(_source(pipeline)) as source:
            for item in source:
                last_s = item.pts
                if isinstance(item, Frame):
                    item.seq, item.pts = item.seq + turn * count, item.pts + began_s
                    yield item
        began_s += last_s + 0.1


def _tracked(look_at: LookAt) -> Iterator[Any]:
    stage = Track()
    stage.id, stage.config = "track", CONFIG
    stage.open(Context("track", "cam", None, (), False))  # type: ignore[arg-type]
    frame = yield []
    while frame is not None:
        (answer,) = stage.answer([frame])
        if answer is None:
            answer = look_at(frame)
            answer = stage.learn(frame, answer) or answer
        frame = yield [(frame.seq, answer.detections)]
    yield []


def _ahead(look_at: LookAt) -> Iterator[Any]:
    ahead = LookAhead("cam", CONFIG, look_at)
    frame = yield []
    while frame is not None:
        frame = yield [(said.seq, said.detections) for said in ahead.take(frame)]
    yield [(said.seq, said.detections) for said in ahead.end()]


if __name__ == "__main__":
    every = sorted(path.name for path in (ASSETS / "videos").iterdir())
    given = sys.argv[2:]
    clips = [name for name in given if not name.startswith("=")]
    main(
        float(sys.argv[1]) if len(sys.argv) > 1 else 120.0,
        clips or every,
        [name[1:] for name in given if name[0] == "="],
    )
