"""The command line as a user meets it: a process of its own, what it says, and what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import clips
from tests.lines import answers
from tests.runtime.conftest import STAGES
from tests.waiting import until
from tests.warm.forked import Forked

RAY = pytest.param("ray", marks=pytest.mark.ray)

READ = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
"""

PAIR = """
name: pair
classes: {vehicle: vehicle, person: person}
models:
  little: {path: little.onnx, family: ssd, names: [vehicle, person], threshold: 0.3}
  big: {path: big.onnx, family: ssd, names: [vehicle, person], threshold: 0.3}
stages:
  - {id: difference, type: difference, on: device, blocks: 1, threshold: 700}
  - {id: little, type: detect, on: edge, model: little, accept: 0.5}
  - {id: big, type: detect, on: cloud, model: big}
audit: {rate: 0.3, max_unchecked_s: 1}
"""

MORE_STAGES = '''

import time


class NoAnswers(Stage):
    """Forgets the frames that it passes on."""

    def answer(self, frames):
        return []


class DoesNotOpen(Stage):
    def open(self, context):
        raise OSError("no licence for this machine")

    def answer(self, frames):
        return [None] * len(frames)


class SharedDoesNotOpen(DoesNotOpen):
    shared = True


class OpensForEver(Stage):
    """Leaves a file beside itself when it begins to open, and never has."""

    def open(self, context):
        Path(__file__).with_name("opening").touch()
        threading.Event().wait()

    def answer(self, frames):
        return [None] * len(frames)


class Slow(Read):
    """A model that takes its time."""

    def answer(self, frames):
        time.sleep(0.02 * len(frames))
        return super().answer(frames)


class Cheats(Stage):
    """Answers what stands in a file, for frames from the first that it is asked on."""

    def open(self, context):
        import json

        with open("cheat.jsonl") as file:
            self.known = [json.loads(line)["detections"] for line in file]

    def answer(self, frames):
        (frame,) = frames
        boxes = self.known[frame.seq]
        names = [box["class"] for box in boxes]
        found = sv.Detections(
            xyxy=np.array([box["xyxy"] for box in boxes], np.float32).reshape(-1, 4),
            confidence=np.array([box["score"] for box in boxes]),
            class_id=np.array([["person", "car"].index(name) for name in names], int),
            data={"class_name": np.array(names, str)},
        )
        return [Answer(found, How.MEASURED, self.id, frame.seq)]


class SaysEmpty(Stage):
    """Says of every frame that there is nothing."""

    def answer(self, frames):
        return [Answer(sv.Detections.empty(), How.EMPTY, self.id, frame.seq) for frame in frames]


class Prints(Read):
    """Says something of its own, as a user's stage may."""

    def open(self, context):
        print("a word of the stage's own", flush=True)


class KeyedConfig(StageConfig):
    api_key: str = ""
    hook: str = ""


class Keyed(Read):
    """Is told a secret."""

    Config = KeyedConfig


class Hangs(Read):
    """Does not come back from frame 5."""

    def answer(self, frames):
        if any(frame.seq >= 5 for frame in frames):
            time.sleep(600)
        return super().answer(frames)
'''


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """What it said on stderr, which must be one line."""
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n")
        return self.err[:-1]

    @property
    def error(self) -> str:
        """What it said is wrong, without the program's name, which `check` leaves out."""
        return self.line.removeprefix("vidpipe: ")


class Command:
    """A `vidpipe` that runs, in a process group of its own as a terminal would start it.

    Args:
        runs: the folder of runs that have a name.
        fresh: Python begins anew for it, and loads what it needs: seconds of CPU.
    """

    def __init__(self, folder: Path, runs: str, arguments: Sequence[str], *, fresh: bool = False) -> None:
        self._mark = uuid.uuid4().hex
        self._folder = folder
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("VIDPIPE_")}
        places = {f"VIDPIPE_{place.upper()}": str(folder / place) for place in ("cache", "profiles")}
        places["VIDPIPE_RUNS"] = runs
        environment = inherited | {"VIDPIPE_TEST_MARK": self._mark} | places
        self.process = _fresh(folder, arguments, environment) if fresh else Forked(arguments, folder, environment)

    def end(self, timeout_s: float = 240) -> Said:
        """Wait for the end; a command that takes longer is killed, and the test fails."""
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return Said(self.process.returncode, out, err)

    def send(self, number: signal.Signals, *, to_group: bool) -> None:
        (os.killpg if to_group else os.kill)(self.process.pid, number)

    def wait_for_lines(self, count: int) -> None:
        """Until so many answers are written, behind the first line."""
        file = self._folder / "results.jsonl"
        until(lambda: file.exists() and file.read_bytes().count(b"\n") > count, 40)

    def processes(self) -> list[int]:
        """The numbers of all processes that it has started, itself included, whoever their parent is now."""
        return [int(entry.name) for entry in Path("/proc").iterdir() if self._started(entry)]

    def _started(self, entry: Path) -> bool:
        if entry.name == str(self.process.pid):  # a fork shows the environment of the process that it comes from
            return self.process.poll() is None
        try:
            return entry.name.isdigit() and self._mark.encode() in (entry / "environ").read_bytes()
        except OSError:
            return False

    def kill(self) -> None:
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        self.process.communicate()


def _fresh(folder: Path, arguments: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "vidpipe.cli.main", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


class Shell:
    """A user in a folder with pipelines, clips and stages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._commands: list[Command] = []
        self._runs = tempfile.TemporaryDirectory(prefix="vp-")  # of a short name, as sockets must have one
        Path(self._runs.name).chmod(0o700)

    @property
    def runs(self) -> str:
        """The folder of runs that have a name."""
        return self._runs.name

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text)
        return file

    def start(self, *arguments: object, fresh: bool = False) -> Command:
        command = Command(self.folder, self._runs.name, [str(argument) for argument in arguments], fresh=fresh)
        self._commands.append(command)
        return command

    def vidpipe(self, *arguments: object) -> Said:
        return self.start(*arguments).end()

    def run(self, pipeline: str, source: object, *arguments: object, engine: str = "inline") -> Said:
        """`vidpipe run` of a pipeline given as text, which leaves results.jsonl and report.json."""
        return self.begin(pipeline, source, *arguments, engine=engine).end()

    def begin(
        self, pipeline: str, source: object, *arguments: object, engine: str = "inline", fresh: bool = False
    ) -> Command:
        """The same, without waiting for its end."""
        self.write("pipeline.yaml", pipeline)
        outputs = ("--results", "results.jsonl", "--report", "report.json")
        return self.start(
            "run", "pipeline.yaml", "--source", source, "--engine", engine, *outputs, *arguments, fresh=fresh
        )

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The results: every line is whole."""
        text = (self.folder / "results.jsonl").read_text()
        assert not text or text.endswith("\n")
        return answers(self.folder / "results.jsonl")

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return report

    def clean_up(self) -> None:
        for command in self._commands:
            if command.process.poll() is None or command.processes():
                command.kill()
            for pipe in (command.process.stdout, command.process.stderr):
                pipe.close()
        self._runs.cleanup()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    shell.write("mystages.py", STAGES + MORE_STAGES)
    yield shell
    shell.clean_up()


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good.mp4 of 40 frames and long.mp4 of 400, whole and sound."""
    folder = tmp_path_factory.mktemp("footage")
    clips.encode(folder / "good.mp4", frames=40)
    clips.encode(folder / "long.mp4", frames=400)
    return folder


@pytest.fixture(scope="session")
def good(footage: Path) -> Path:
    return footage / "good.mp4"
