"""Archives of small clips, by a user's own stages, with workers in this process where no process has to die."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import clips
from tests.lines import answers
from tests.runtime.conftest import STAGES
from vidpipe.archive.answering import Answerer, without_rules
from vidpipe.archive.run import Options, run_archive
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.results.usage import machine
from vidpipe.runtime.driver.outcome import Outcome
from vidpipe.runtime.driver.run import run
from vidpipe.runtime.tasks import Done

READ = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
"""
THIRD = """
classes: {even: even, odd: odd}
stages:
  - {id: third, type: mystages:Third}
  - {id: read, type: mystages:Read, on: cloud}
audit: {rate: 0.2, max_unchecked_s: null}
"""
FRAMES, GOP = 100, 10
CHUNKS = Options(chunk_s=0.75, warm_up_s=0.19)  # five chunks of such a clip


@dataclass
class Here:
    """Workers that do a task when they are looked at; what `dies` says of one happens in its place."""

    work: Callable[[Any], Any]
    count: int = 2
    dies: Callable[[Any], str] = lambda task: ""
    done: list[Any] = field(default_factory=list)
    waiting: deque[Any] = field(default_factory=deque)

    @property
    def free(self) -> int:
        return self.count - len(self.waiting)

    def put(self, task: Any) -> None:
        self.waiting.append(task)

    def take(self, timeout_s: float) -> list[Done]:
        if not self.waiting:
            return []
        task = self.waiting.popleft()
        if how := self.dies(task):
            return [Done(task, died=how)]
        self.done.append(task)
        try:
            return [Done(task, self.work(task))]
        except Exception as error:
            return [Done(task, error=error)]

    def end_silent(self, longest_s: float) -> None:
        pass

    def close(self) -> None:
        self.waiting.clear()


class Archiver:
    """Writes a pipeline beside the user's stages, and answers recordings in bulk or one after the other.

    Attributes:
        here: workers of the last archive.
        dies: how a worker ends at a task; "": it does not.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.here: Here | None = None
        self.dies: Callable[[Any], str] = lambda task: ""
        (folder / "mystages.py").write_text(STAGES)
        sys.modules.pop("mystages", None)  # an earlier test's lie elsewhere
        sys.path[:] = [path for path in sys.path if not Path(path, "mystages.py").exists()]

    def clip(self, name: str = "clip", **how: Any) -> Path:
        return clips.encode(self.folder / f"{name}.mp4", **({"frames": FRAMES, "gop": GOP} | how))

    def load(self, pipeline: str, recordings: dict[str, Path], sets: tuple[str, ...] = ()) -> Pipeline:
        file = self.folder / "pipeline.yaml"
        file.write_text(pipeline)
        return load(file, sources={name: str(path) for name, path in recordings.items()}, sets=sets)

    def __call__(
        self, pipeline: str, recordings: dict[str, Path], options: Options = CHUNKS, out: str = "out", **more: Any
    ) -> Outcome:
        loaded = self.load(pipeline, recordings, more.pop("sets", ()))
        more = {"wait": lambda _: None, "make_workers": self.workers} | more
        return run_archive(loaded, self.folder / out, options, **more)

    def workers(self, pipeline: Pipeline, options: Options) -> Here:
        answerer = Answerer(without_rules(pipeline), machine(), look_ahead=options.look_ahead)
        self.here = Here(answerer, dies=self.dies)
        return self.here

    def one_run(self, pipeline: str, recordings: dict[str, Path]) -> dict[str, list[dict[str, Any]]]:
        """The lines of a run, by recording."""
        file = self.folder / "run.jsonl"
        run(self.load(pipeline, recordings), engine="inline", sinks=[ResultsFile(file, keep=False)])
        lines = answers(file)
        return {name: [plain(line) for line in lines if line["stream"] == name] for name in recordings}

    def lines(self, name: str = "clip", out: str = "out") -> list[dict[str, Any]]:
        return [plain(line) for line in answers(self.folder / out / f"{name}.jsonl")]

    def report(self, out: str = "out") -> dict[str, Any]:
        return dict(json.loads((self.folder / out / "report.json").read_text()))


def plain(line: dict[str, Any]) -> dict[str, Any]:
    """A result without when it was published: a run does that as it comes."""
    return {name: value for name, value in line.items() if name != "published_at"}


@pytest.fixture
def archiver(tmp_path: Path) -> Archiver:
    return Archiver(tmp_path)
