"""The engines that tests run on, and a user's own stages."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.lines import answers
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.collector import Collector
from vidpipe.results.records import Result
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import Outcome, run
from vidpipe.runtime.driver.watcher import Watcher
from vidpipe.sources.base import StreamInfo
from vidpipe.testing.clock import HandClock

STAGES = '''
"""Stages as a user writes them."""

import logging
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import supervision as sv

from vidpipe.core.answer import Answer, How
from vidpipe.cascade.stage import Stage
from vidpipe.core.settings import StageConfig


def number(frame):
    """What tests/clips.py wrote into the top row of each picture."""
    inner = frame.luma()[4:12, :128].reshape(8, 8, 16)[:, :, 4:-4]
    return int(np.packbits(inner.mean(axis=(0, 2)) > 125)[0])


class Read(Stage):
    """Measures the number in the picture as the left edge of a box."""

    shared = True

    def answer(self, frames):
        return [self.measure(frame) for frame in frames]

    def measure(self, frame):
        n = number(frame)
        boxes = sv.Detections(
            xyxy=np.array([[n, 0, n + 10, 10]], np.float32), confidence=np.array([0.5 + n / 1000]),
            class_id=np.array([n % 2]), data={"class_name": np.array(["even", "odd"])[[n % 2]]},
        )
        return Answer(boxes, How.MEASURED, self.id, frame.seq)


class Third(Stage):
    """Answers two frames of three with what it learnt last; its answers tell when it learnt."""

    known = None

    def answer(self, frames):
        (frame,) = frames
        if frame.seq % 3 == 0 or self.known is None:
            return [None]
        return [Answer(self.known.detections, How.TRACKED, self.id, self.known.as_of, "moved")]

    def learn(self, frame, answer):
        self.known = answer
        ids = np.full(len(answer.detections), frame.seq)
        boxes = replace(answer.detections, tracker_id=ids)
        self.known = replace(answer, detections=boxes)
        return self.known

    def snapshot(self):
        return self.known

    def restore(self, state):
        self.known = state


class Config(StageConfig):
    at: int = 5
    once: str = ""


class Warns(Stage):
    """Has something to say of one frame."""

    Config = Config

    def answer(self, frames):
        if any(frame.seq == self.config.at for frame in frames):
            logging.getLogger("vidpipe.mystages").warning("stage %s: %d%% of something", self.id, 50)
        return [None] * len(frames)


class SharedWarns(Warns):
    shared = True


class Raises(Stage):
    """Raises on one frame."""

    Config = Config

    def answer(self, frames):
        if any(frame.seq == self.config.at for frame in frames):
            raise ValueError("this frame again")
        return [None] * len(frames)


class Dies(Stage):
    """Kills its process on one frame: once, if it may leave a file behind, else each time."""

    Config = Config

    def answer(self, frames):
        for frame in frames:
            if frame.seq == self.config.at and not (self.config.once and Path(self.config.once).exists()):
                if self.config.once:
                    Path(self.config.once).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return [None] * len(frames)


class SharedDies(Dies):
    shared = True


class MarksConfig(StageConfig):
    file: str


class Marks(Stage):
    """Passes all frames on; leaves the number of its process in a file."""

    Config = MarksConfig

    def open(self, context):
        Path(self.config.file).write_text(str(os.getpid()))

    def answer(self, frames):
        return [None] * len(frames)


class Counts(Stage):
    """Passes all frames on; says in each answer how many of the stream it has learnt."""

    shared = True

    def open(self, context):
        self.learnt = {}

    def answer(self, frames):
        return [None] * len(frames)

    def learn(self, frame, answer):
        self.learnt[frame.stream] = self.learnt.get(frame.stream, 0) + 1
        return replace(answer, reason=str(self.learnt[frame.stream]))

    def snapshot_stream(self, stream):
        return self.learnt.get(stream)

    def restore_stream(self, stream, state):
        self.learnt[stream] = state


class Slow(Read):
    """A model that does ten frames a second."""

    def answer(self, frames):
        time.sleep(0.1 * len(frames))
        return super().answer(frames)


class Where(Stage):
    """Says of every third frame, from that at which it begins, which process and thread it runs in."""

    Config = Config
    shared = True

    def answer(self, frames):
        return [self.said(frame) if frame.seq % 3 == self.config.at else None for frame in frames]

    def said(self, frame):
        said = f"{os.getpid()} {threading.current_thread().name}"
        return Answer(sv.Detections.empty(), How.MEASURED, self.id, frame.seq, said)
'''


@dataclass
class Ran:
    """A run and what it left."""

    outcome: Outcome
    lines: list[dict[str, Any]]

    def of(self, stream: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["stream"] == stream]

    @property
    def report(self) -> dict[str, Any]:
        return self.outcome.report

    def comparable(self) -> dict[str, list[dict[str, Any]]]:
        """What two equal runs have in common, by stream."""
        left_out = {"captured_at", "published_at", "reason"}
        streams = sorted({line["stream"] for line in self.lines})
        return {s: [{k: v for k, v in line.items() if k not in left_out} for line in self.of(s)] for s in streams}


class Runner:
    """Writes a pipeline beside the user's stages and runs it."""

    def __init__(self, folder: Path, engine: str, address: str | None) -> None:
        self.folder, self.engine, self.address = folder, engine, address
        (folder / "mystages.py").write_text(STAGES)
        # An earlier test's stages lie elsewhere, where no actor of this run looks for them.
        sys.modules.pop("mystages", None)
        sys.path[:] = [path for path in sys.path if not Path(path, "mystages.py").exists()]

    def __call__(self, pipeline: str, clips: dict[str, Path], *, sets: Sequence[str] = (), **options: Any) -> Ran:
        file = self.folder / "pipeline.yaml"
        file.write_text(pipeline)
        results = self.folder / f"{self.engine}.jsonl"
        outcome = run(
            load(file, sources={name: str(path) for name, path in clips.items()}, sets=sets),
            engine=self.engine,
            address=self.address,
            sinks=[ResultsFile(results)],
            **options,
        )
        return Ran(outcome, answers(results))


# For a test by `runner` of what the engine has no part in: an actor takes seconds to start.
BY_INLINE = pytest.mark.parametrize("runner", ["inline"], indirect=True)


@pytest.fixture
def inline(tmp_path: Path) -> Runner:
    return Runner(tmp_path, "inline", None)


@pytest.fixture
def on_ray(tmp_path: Path, cluster: str) -> Runner:
    return Runner(tmp_path, "ray", cluster)


@pytest.fixture(params=["inline", pytest.param("ray", marks=pytest.mark.ray)])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    """Each engine in turn."""
    address = request.getfixturevalue("cluster") if request.param == "ray" else None
    return Runner(tmp_path, request.param, address)


LIVE_FPS = 25


@dataclass
class TurnedClock:
    """A watcher that turns a clock: once all streams have answered the picture that was due, the next is."""

    clock: HandClock
    frames: dict[str, int] = field(default_factory=dict)

    def started(self, infos: Sequence[StreamInfo]) -> None: ...

    def progressed(self, collector: Collector) -> None:
        running = collector.ledgers.keys() - collector.ended.keys()
        frames = {stream: collector.ledgers[stream].frames_in for stream in running}
        if all(count > self.frames.get(stream, 0) for stream, count in frames.items()):
            self.frames |= frames
            self.clock.turn(1 / LIVE_FPS)


class Live:
    """How recordings are played as cameras on an engine: inline by a clock of their own, which costs no time.

    Attributes:
        frames: of a clip at `LIVE_FPS`: some seconds where they pass in truth.
    """

    def __init__(self, engine: str) -> None:
        self._inline = engine == "inline"
        self._clock = HandClock()
        self.frames = 24 if self._inline else 100

    def turned(self, *watchers: Watcher) -> dict[str, Any]:
        """Options for a run that turns its clock itself, with these watchers."""
        turned = TurnedClock(self._clock)
        return {"clock": self._clock, "watchers": [*watchers, turned]} if self._inline else {"watchers": watchers}

    def options(self) -> dict[str, Any]:
        """Options for a run whose results are taken by `results`."""
        return {"clock": self._clock} if self._inline else {}

    def results(self, run: Iterable[Result], streams: int) -> Iterator[Result]:
        """The results of so many streams, time going on as they are taken."""
        for count, result in enumerate(run, 1):
            yield result
            if count % streams == 0:
                self._clock.turn(1 / LIVE_FPS)


@pytest.fixture
def live(runner: Runner) -> Live:
    return Live(runner.engine)
