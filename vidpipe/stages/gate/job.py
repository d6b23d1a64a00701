"""A training in the background: a process of low priority, so that neither the stream nor its threads wait for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from vidpipe.core.errors import ModelError, RunError
from vidpipe.core.extensions import child_environment
from vidpipe.core.files import write_whole
from vidpipe.models.gate import Gate
from vidpipe.stages.gate.examples import Examples

TASK, EXAMPLES, RESULT, FAILED, STDERR = "task.json", "examples.npz", "result.gate", "failed.txt", "stderr.txt"
SHARED = "shared.json"


@dataclass(frozen=True, slots=True)
class Task:
    """What shall be trained.

    Attributes:
        targets: classes; none: anything.
        architecture: name of one of `network.SIZES`.
        max_miss: share of the frames with a target that may be missed.
        max_false: share of those without that may be taken for one.
        cpu_share: of one core that may be used.
        group: folder that is shared with other cameras; None: none is.
        adopt: whether a gate of the group is tried before one is trained.
        train: whether there is enough to train on.
    """

    targets: Sequence[str]
    architecture: str
    max_miss: float
    max_false: float
    cpu_share: float
    seed: int
    group: str | None = None
    adopt: bool = False
    train: bool = True


class Job:
    """A training under way in a folder of its own.

    Args:
        folder: that nothing else uses.
        key: of the group that is shared with; empty: there is none.

    Raises:
        RunError: the examples cannot be written, or no process can be started.
    """

    def __init__(self, folder: Path, task: Task, examples: Examples, key: bytes = b"") -> None:
        self._folder = folder
        for old in (RESULT, FAILED, SHARED):
            (folder / old).unlink(missing_ok=True)
        examples.save(folder / EXAMPLES)
        write_whole(folder / TASK, json.dumps(asdict(task)), "task")
        command = [sys.executable, "-m", "vidpipe.stages.gate.retrain", str(folder)]
        try:
            with (folder / STDERR).open("wb") as errors:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, env=child_environment()
                )
            self._give(key)
        except OSError as error:
            raise RunError(f"training of stream {examples.stream}: no process can be started: {error}") from None

    def _give(self, key: bytes) -> None:
        """Through a pipe: files, arguments and the environment of a process are for others to see."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(key)

    @property
    def done(self) -> bool:
        """Whether `result` would not wait."""
        return self._process.poll() is not None

    def result(self) -> Gate:
        """The gate, waited for.

        Raises:
            ModelError: there is none; it says why.
        """
        status = self._process.wait()
        (self._folder / EXAMPLES).unlink(missing_ok=True)
        if (self._folder / RESULT).exists():
            return Gate.load(self._folder / RESULT)
        if (self._folder / FAILED).exists():
            raise ModelError((self._folder / FAILED).read_text())
        lines = (self._folder / STDERR).read_text(errors="replace").splitlines()
        raise ModelError(f"the training ended with status {status}: {next(reversed(lines), 'it said nothing')}")

    def shared(self) -> dict[str, int]:
        """What was sent to a group and read of it, counted; known once it is done."""
        try:
            counts: dict[str, int] = json.loads((self._folder / SHARED).read_text())
        except (OSError, ValueError):  # none is shared with, or it ended before
            return {}
        return counts

    def stop(self) -> None:
        """End it, whatever it is at."""
        self._process.kill()
        self._process.wait()
        (self._folder / EXAMPLES).unlink(missing_ok=True)
