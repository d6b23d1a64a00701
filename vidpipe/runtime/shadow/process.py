"""The process that answers shadow asks: `python -m vidpipe.runtime.shadow.process`.

It gives way to everything else: answers that somebody waits for are not late for its sake, nor can a variant that
breaks hurt a run. It reads what is asked from stdin, writes replies to stdout, and ends when stdin does.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from vidpipe.cascade.runner import StageRunner
from vidpipe.cascade.stage import Context
from vidpipe.core.extensions import find_on
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.models.library import Library
from vidpipe.models.meter import thread_cpu_ns
from vidpipe.pipeline.spec import PlacedStage
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk
from vidpipe.runtime.shadow.messages import Question, Replies, Setup
from vidpipe.runtime.transport import codec

_NICENESS = 10
_KEPT = 4  # variants that stay loaded


class Variants:
    """Stages under other settings, opened when they are first asked; the newest few stay."""

    def __init__(self, setup: Setup) -> None:
        self._stages = {placed.id: placed for placed in setup.stages}
        self._classes = setup.classes
        paths = [Path(path) for path in setup.search_paths]
        self._library = Library(setup.models, setup.classes, search_paths=paths, threads=1)
        self._open: dict[str, StageRunner] = {}

    def ask(self, frame: Frame, ask: ShadowAsk) -> Reply:
        """What one variant says of a frame; time to load it is not counted."""
        runner = self._runner(ask.label, self._stages[ask.stage])
        frame.knobs = Knobs(0, {ask.stage: ask.config})
        with suppress(Exception):  # what keeps it from opening is told by the answer
            runner.open(frame.stream)
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        (answer,) = runner.ask((frame,))
        assert answer is not None, "the last stage answers every frame"
        return Reply(answer, time.perf_counter_ns() - wall, time.process_time_ns() - cpu)

    def _runner(self, label: str, placed: PlacedStage) -> StageRunner:
        runner = self._open.pop(label, None) or self._made(placed)
        self._open[label] = runner
        if len(self._open) > _KEPT:
            self._open.pop(next(iter(self._open))).close()
        return runner

    def _made(self, placed: PlacedStage) -> StageRunner:
        def opened(stream: str | None) -> Any:
            stage = placed.type()
            stage.id, stage.config = placed.id, placed.config
            stage.open(Context(placed.id, stream, self._library, self._classes.names, last=True))
            return stage

        # As the last one, so that it says what it sees rather than pass the frame on.
        return StageRunner(placed.id, placed.type.shared, True, opened, self._classes.names, thread_cpu_ns)


def main() -> int:
    """Answer what is asked until nobody asks any more; returns the exit status."""
    os.nice(_NICENESS)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a stage prints is no reply
    asked = sys.stdin.buffer
    find_on(pickle.load(asked))
    variants = Variants(pickle.loads(pickle.load(asked)))
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            question: Question = pickle.loads(pickle.load(asked))
            views = {question.frame.stream: question.view} if question.view is not None else {}
            frame = codec.unpack(question.frame, Knobs(), views).frame
            told = Replies([variants.ask(frame, ask) for ask in question.asks], time.process_time_ns())
            pickle.dump(told, replies)
            replies.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
