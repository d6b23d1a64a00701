"""The process that trains a gate beside a stream: `python -m vidpipe.stages.gate.retrain FOLDER`.

It gives way to everything else, takes one thread and no more than its share of it, and ends when the process that
started it has ended. FOLDER holds what `job` puts there; what comes of it goes there too.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import VidpipeError
from vidpipe.core.files import write_whole
from vidpipe.stages.gate.decide import evidence, thresholds
from vidpipe.stages.gate.examples import Examples
from vidpipe.stages.gate.job import EXAMPLES, FAILED, RESULT, SHARED, TASK, Task
from vidpipe.stages.gate.network import SIZES
from vidpipe.stages.gate.round import Round
from vidpipe.stages.gate.together import Group
from vidpipe.stages.gate.training import train
from vidpipe.stages.gate.versions import with_thresholds

_NICENESS = 15


class DutyCycle:
    """Rests after each step as long as it takes to stay within a share of one core.

    Args:
        share: of the time, 0..1.
        parent: id of the process to work for; when that has gone, this one goes as well.
    """

    def __init__(self, share: float, parent: int, clock: Clock = REAL) -> None:
        self._share = share
        self._parent = parent
        self._clock = clock
        self._rest = threading.Condition()
        self._began = clock.monotonic()
        self._worked = time.process_time()

    def __call__(self, step: int) -> None:
        if os.getppid() != self._parent:
            sys.exit(1)
        worked = time.process_time() - self._worked
        with self._rest:
            self._clock.wait_for(self._rest, lambda: False, self._began + worked / self._share)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the folder asks for; returns the exit status."""
    (name,) = sys.argv[1:] if arguments is None else arguments
    folder = Path(name)
    task = Task(**json.loads((folder / TASK).read_text()))
    os.nice(_NICENESS)
    try:
        retrain(folder, task, DutyCycle(task.cpu_share, os.getppid()), sys.stdin.buffer.read())
    except VidpipeError as error:
        write_whole(folder / FAILED, str(error), "reason")
    return 0


def retrain(folder: Path, task: Task, rest: DutyCycle, key: bytes = b"") -> None:
    """Train, validate, set the threshold, and leave the gate in the folder.

    Raises:
        ConfigError: there is too little to learn from, or what was learnt holds no budget.
    """
    examples = Examples.load(folder / EXAMPLES)
    size = next((size for size in SIZES if size.name == task.architecture), SIZES[1])
    round_ = None if task.group is None else Round(Group(Path(task.group), key), task, examples, size)
    try:
        gate = None if round_ is None else round_.adopted()
        if gate is None:
            trained = train(examples, task.targets, size=size, seed=task.seed, step_done=rest)
            if round_ is not None:
                round_.send(trained)
            decided = thresholds(trained, task.max_miss, task.max_false)
            speaks = evidence(trained, decided, task.max_miss)
            gate = with_thresholds(trained.gate, decided.low, decided.high, **speaks)
        gate.save(folder / RESULT)
    finally:
        if round_ is not None:
            write_whole(folder / SHARED, json.dumps(round_.counts), "counts")


if __name__ == "__main__":
    sys.exit(main())
