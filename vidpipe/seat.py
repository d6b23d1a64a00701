"""A stage's place in a cascade: its instances, what they have done and cost, and what becomes of what they raise."""

from __future__ import annotations

import logging
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vidpipe.answer import Answer, How, nothing
from vidpipe.errors import StageError, VidpipeError
from vidpipe.frame import Frame
from vidpipe.stages.base import Stage

log = logging.getLogger(__name__)

_CPU_SAMPLE = 8
_draw = random.Random(0)  # of what is measured, never of what is answered


@dataclass(slots=True)
class Meter:
    """What a stage has done and cost; times cover `answer` and `learn`, in nanoseconds.

    Attributes:
        counts: what it says of itself.
    """

    asked: int = 0
    answered: int = 0
    errors: int = 0
    wall_ns: int = 0
    cpu_ns: int = 0
    first_error: str = ""
    counts: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Meter) -> Meter:
        return Meter(
            self.asked + other.asked,
            self.answered + other.answered,
            self.errors + other.errors,
            self.wall_ns + other.wall_ns,
            self.cpu_ns + other.cpu_ns,
            self.first_error or other.first_error,
            self.counts + other.counts,
        )


class Seat:
    """A stage in its place, for all streams that come there.

    What the stage raises ends here: it is counted, and costs the frame its answer, or the stage its lesson.

    Args:
        last: whether it is the last stage of the whole pipeline.
        open: makes an opened instance; its argument is the stream that the instance is for, None for a shared stage.
        cpu_clock: nanoseconds of CPU that this thread, and what infers for it, have used.
    """

    def __init__(
        self,
        id: str,
        shared: bool,
        last: bool,
        open: Callable[[str | None], Stage[Any]],
        cpu_clock: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        self.id = id
        self.shared = shared
        self.last = last
        self._open = open
        self._cpu_clock = cpu_clock
        self._instances: dict[str | None, Stage[Any]] = {}
        self._meter = Meter()
        self._timed = 0  # of _CPU_SAMPLE calls, the one whose CPU time is read

    def instance(self, stream: str) -> Stage[Any]:
        """The stage for a stream, opened if it is the first time."""
        key = None if self.shared else stream
        stage = self._instances.get(key)
        if stage is None:
            stage = self._instances[key] = self._open(key)
        return stage

    def ask(self, frames: Sequence[Frame]) -> Sequence[Answer | None]:
        """What the stage says of frames that one call may take; a `failed` answer where it raises."""
        stage = self.instance(frames[0].stream)
        meter = self._meter
        weight = 1 if self.shared else self._cpu_weight()
        cpu = self._cpu_clock() if weight else 0
        wall = time.perf_counter_ns()
        answers = self._answers(stage, frames)
        meter.wall_ns += time.perf_counter_ns() - wall
        if weight:
            meter.cpu_ns += weight * (self._cpu_clock() - cpu)
        meter.asked += len(frames)
        return answers

    def count_answered(self) -> None:
        """An answer of this stage was taken."""
        self._meter.answered += 1

    def learn(self, frame: Frame, answer: Answer) -> Answer:
        """Tell the stage what a later one said; the answer as it completed it."""
        wall, cpu = time.perf_counter_ns(), self._cpu_clock()
        try:
            return self.instance(frame.stream).learn(frame, answer) or answer
        except Exception as error:
            self._count_error(error, "learn")
            return answer
        finally:
            self._meter.wall_ns += time.perf_counter_ns() - wall
            self._meter.cpu_ns += self._cpu_clock() - cpu

    def forget(self, frame: Frame) -> None:
        """Tell the stage that nothing will be learnt of a frame that it passed on."""
        try:
            self.instance(frame.stream).forget(frame)
        except Exception as error:
            self._count_error(error, "forget")

    def cover(self, frame: Frame) -> Answer | None:
        """What the stage would say of an open frame that nobody waits for."""
        try:
            return self.instance(frame.stream).cover(frame)
        except Exception as error:
            self._count_error(error, "cover")
            return None

    def snapshot(self, stream: str) -> Any:
        """What the stage keeps of a stream; None where that is nothing."""
        stage = self.instance(stream)
        return stage.snapshot_stream(stream) if self.shared else stage.snapshot()

    def restore(self, stream: str, state: Any) -> None:
        stage = self.instance(stream)
        if self.shared:
            stage.restore_stream(stream, state)
        else:
            stage.restore(state)

    def meter(self) -> Meter:
        """What the stage has done and cost so far, all its instances together."""
        counts = sum((Counter(stage.counts) for stage in list(self._instances.values())), Counter[str]())
        return replace(self._meter, counts=counts)

    def close(self) -> None:
        for stage in self._instances.values():
            stage.close()

    def _cpu_weight(self) -> int:
        """How many calls this one stands for in the CPU time of a stage that is called for one frame at a time.

        The CPU clock is a system call of some microseconds, the filters' own scale: there it reads one call in eight.
        Which one is drawn: a tracker that works at every second frame would always or never be seen at work.
        """
        turn = self._meter.asked % _CPU_SAMPLE
        if turn == 0:
            self._timed = _draw.randrange(_CPU_SAMPLE)
        return _CPU_SAMPLE if turn == self._timed else 0

    def _answers(self, stage: Stage[Any], frames: Sequence[Frame]) -> Sequence[Answer | None]:
        config = frames[0].knobs.stages.get(self.id)
        if config is not None:
            stage.config = config
        try:
            answers = stage.answer(frames)
            self._check_answers(answers, frames)
        except Exception as error:
            if len(frames) > 1 and not isinstance(error, StageError):
                # One bad frame must not cost the batch its answers.
                return [answer for frame in frames for answer in self._answers(stage, [frame])]
            return [Answer(nothing(), How.FAILED, self.id, -1, self._count_error(error, "answer"))] * len(frames)
        return answers

    def _check_answers(self, answers: Sequence[Answer | None], frames: Sequence[Frame]) -> None:
        if not isinstance(answers, list) or len(answers) != len(frames):
            got = len(answers) if isinstance(answers, list) else type(answers).__name__
            raise StageError(f"stage {self.id} gave {got} answers for {len(frames)} frames")
        for answer in answers:
            if not (answer is None or isinstance(answer, Answer)):
                raise StageError(f"stage {self.id} gave a {type(answer).__name__} in place of an Answer or None")
        if self.last and None in answers:
            raise StageError(f"stage {self.id} is the last one and passed a frame on: there is nowhere to go")

    def _count_error(self, error: Exception, call: str) -> str:
        reason = str(error) if isinstance(error, VidpipeError) else f"{type(error).__name__}: {error}{_where(error)}"
        if self._meter.errors == 0:
            self._meter.first_error = reason
            log.debug("stage %s raised in %s", self.id, call, exc_info=error)
        self._meter.errors += 1
        return reason


def _where(error: Exception) -> str:
    """The line that raised: what the author of a stage needs of a traceback, on one line."""
    raised = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({Path(raised.filename).name}:{raised.lineno})"
