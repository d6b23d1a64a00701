"""Runs one stage of a cascade: its instances, what they have done and cost, and what becomes of what they raise."""

from __future__ import annotations

import logging
import pickle
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import index
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from vidpipe.cascade.contract import Contract
from vidpipe.cascade.stage import Stage
from vidpipe.core import traces
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import StageError, VidpipeError, text_of
from vidpipe.core.frame import Frame
from vidpipe.core.logs import treated
from vidpipe.core.settings import Knobs, StageConfig

T = TypeVar("T")

log = logging.getLogger(__name__)

_CPU_SAMPLE = 8
_draw = random.Random(0)  # of what is measured, never of what is answered
_NO_KNOBS: Mapping[str, Knobs] = {}


class Counting(Protocol):
    """What says of itself what it has done and met, by name."""

    @property
    def counts(self) -> Mapping[str, int]: ...


@dataclass(slots=True)
class Meter:
    """What a stage has done and cost; times cover all that it is asked and told of frames and streams, in nanoseconds.

    Attributes:
        raised: how often it raised, or gave what it must not, by the name of the callback.
        first_error: the first of these, with the callback where that was not `answer`.
        counts: what it says of itself.
    """

    asked: int = 0
    answered: int = 0
    wall_ns: int = 0
    cpu_ns: int = 0
    raised: Counter[str] = field(default_factory=Counter)
    first_error: str = ""
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def errors(self) -> int:
        """How often it raised in all."""
        return self.raised.total()

    def count(self, error: BaseException, callback: str) -> str:
        """Count what was raised; what a user is told of it."""
        reason = _reason(error)
        self.raised[callback] += 1
        self.first_error = self.first_error or (reason if callback == "answer" else f"in {callback}: {reason}")
        return reason

    def with_counts(self, who: str, parts: Iterable[Counting]) -> Meter:
        """A copy, with what these say of themselves; `who` names them in an error."""
        meter = replace(self, raised=self.raised.copy(), counts=Counter())
        for part in parts:
            try:
                meter.counts += _counts(who, part)
            except BaseException as error:
                meter.count(error, "counts")
        return meter

    def __add__(self, other: Meter) -> Meter:
        return Meter(
            self.asked + other.asked,
            self.answered + other.answered,
            self.wall_ns + other.wall_ns,
            self.cpu_ns + other.cpu_ns,
            self.raised + other.raised,
            self.first_error or other.first_error,
            self.counts + other.counts,
        )


class CpuSample:
    """Draws the calls whose CPU time is read, of what is called for one frame at a time.

    The CPU clock is a system call of some microseconds, the filters' own scale: there it reads one call in eight. Which
    one is drawn: a tracker that works at every second frame would always or never be seen at work.
    """

    __slots__ = ("_timed",)

    def __init__(self) -> None:
        self._timed = 0

    def weight(self, asked: int) -> int:
        """How many calls the one behind `asked` others stands for in the CPU time; 0: it is not read."""
        turn = asked % _CPU_SAMPLE
        if turn == 0:
            self._timed = _draw.randrange(_CPU_SAMPLE)
        return _CPU_SAMPLE if turn == self._timed else 0


class _Instance(NamedTuple):
    """A stage and the settings that it opened with: those of no stream in particular, where it is shared."""

    stage: Stage[Any]
    knobs: Knobs | None


class _Raised:
    """In place of what a stage would have returned: what a user is told of what it raised."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class StageRunner:
    """Runs one stage, for all streams that come to it.

    Every callback of the stage runs under the settings of the stream that it is for, and is timed. What it raises ends
    here, whatever it is: it is counted, and costs the frame its answer, or the stage its lesson or its state. So does
    an answer that breaks the contract.

    Args:
        last: whether it is the last stage of the whole pipeline.
        open: makes an opened instance; its argument is the stream that the instance is for, None for a shared stage.
        classes: names of the pipeline's classes.
        cpu_clock: nanoseconds of CPU that this thread, and what infers for it, have used.
        knobs: the settings of each stream, for what the stage is asked of a stream and not of a frame.
        pack: makes bytes of a stage's state that `pickle.loads` reads.
        stands_in: whether it is asked only while the next tier is away.
    """

    def __init__(
        self,
        id: str,
        shared: bool,
        last: bool,
        open: Callable[[str | None], Stage[Any]],
        classes: Sequence[str],
        cpu_clock: Callable[[], int] = time.thread_time_ns,
        knobs: Mapping[str, Knobs] = _NO_KNOBS,
        pack: Callable[[Any], bytes] = pickle.dumps,
        *,
        stands_in: bool = False,
    ) -> None:
        self.id = id
        self.shared = shared
        self.last = last
        self.stands_in = stands_in
        self._open = open
        self._cpu_clock = cpu_clock
        self._knobs = knobs
        self._pack = pack
        self._contract = Contract(id, classes)
        self._instances: dict[str | None, _Instance] = {}
        self._meter = Meter()
        self._at_end: Meter | None = None
        self._cpu_sample = CpuSample()

    def open(self, stream: str) -> None:
        """Open the stage for a stream now, rather than when it is first called; raises what keeps it from opening."""
        self._instance(stream)

    def ask(self, frames: Sequence[Frame]) -> Sequence[Answer | None]:
        """What the stage says of frames that one call may take; a `failed` answer where it breaks its contract."""
        weight = 1 if self.shared else self._cpu_sample.weight(self._meter.asked)
        self._meter.asked += len(frames)
        for frame in frames:
            if frame.trace:
                return self._traced(frames, weight)
        return self._answers(frames, weight)

    def _traced(self, frames: Sequence[Frame], weight: int) -> Sequence[Answer | None]:
        """The answers; the call is a span of each frame that is traced."""
        began = time.monotonic()
        answers = self._answers(frames, weight)
        ended = time.monotonic()
        for frame, answer in zip(frames, answers, strict=True):
            if frame.trace:
                says = "passed on" if answer is None else answer.how.value
                traces.note(f"stage {self.id}", frame.trace, began, ended, says=says, batch=len(frames))
        return answers

    def count_answered(self) -> None:
        """An answer of this stage was taken."""
        self._meter.answered += 1

    def learns_checked(self, stream: str) -> bool:
        """Whether the stage is told of frames on which a stage above it is checked."""
        return self._call("learns_checked", stream, None, _learns_checked) is True

    def learn(self, frame: Frame, answer: Answer) -> Answer:
        """Tell the stage what a later one said; the answer as it completed it."""
        completed = self._call("learn", frame.stream, frame.knobs, self._learn, frame, answer)
        return answer if isinstance(completed, _Raised) else completed

    def forget(self, frame: Frame) -> None:
        """Tell the stage that nothing will be learnt of a frame that it passed on."""
        self._call("forget", frame.stream, frame.knobs, _forget, frame)

    def fallback(self, frame: Frame) -> Answer | None:
        """The stage's best answer to an open frame whose final answer is late; None where it has none."""
        answer = self._call("fallback", frame.stream, frame.knobs, self._fallback, frame)
        return None if isinstance(answer, _Raised) else answer

    def snapshot(self, stream: str) -> bytes | None:
        """What the stage keeps of a stream, pickled: so it outlives what it was made of, and cannot fail on its way.

        None where that is nothing, or where it cannot be had.
        """
        callback = "snapshot_stream" if self.shared else "snapshot"
        state = self._call(callback, stream, self._knobs.get(stream), self._snapshot, stream)
        return None if isinstance(state, _Raised) else state

    def restore(self, stream: str, state: bytes) -> None:
        """Have the stage take up what `snapshot` gave; one that cannot begins anew."""
        callback = "restore_stream" if self.shared else "restore"
        self._call(callback, stream, self._knobs.get(stream), self._restore, stream, state)

    def meter(self) -> Meter:
        """What the stage has done and cost so far, all its instances together; any thread may ask."""
        if self._at_end is not None:
            return self._at_end
        return self._meter.with_counts(f"stage {self.id}", [each.stage for each in list(self._instances.values())])

    def close(self) -> None:
        """Close all instances and let go of them; what they have counted stays."""
        for key, instance in self._instances.items():
            self._call("close", key or "", instance.knobs, _close)
        self._at_end = self.meter()
        self._instances = {}

    def _call(
        self,
        callback: str,
        stream: str,
        knobs: Knobs | None,
        work: Callable[..., T],
        *given: Any,
        weight: int = 1,
    ) -> T | _Raised:
        """Call the stage: under these settings, timed, and with nothing that it raises coming out.

        Args:
            callback: its name, for the count of errors.
            knobs: the settings; None: those that were in force before.
            work: makes the call and takes what is returned; its arguments are the stage and `given`.
            weight: how many calls this one stands for in the CPU time.
        """
        meter = self._meter
        before = treated.set((stream, given))
        cpu = self._cpu_clock() if weight else 0
        wall = time.perf_counter_ns()
        try:
            stage = self._instance(stream)
            if knobs is not None and (config := knobs.stages.get(self.id)) is not None:
                stage.config = config
            return work(stage, *given)
        except BaseException as error:  # SystemExit would end this thread without a word, and all that waits for it
            return _Raised(self._count(error, callback))
        finally:
            treated.reset(before)
            meter.wall_ns += time.perf_counter_ns() - wall
            if weight:
                meter.cpu_ns += weight * (self._cpu_clock() - cpu)

    def _instance(self, stream: str) -> Stage[Any]:
        key = None if self.shared else stream
        instance = self._instances.get(key)
        if instance is None:
            stage = self._open(key)
            config: StageConfig | None = getattr(stage, "config", None)
            instance = _Instance(stage, None if config is None else Knobs(0, {self.id: config}))
            self._instances[key] = instance
        return instance.stage

    def _answers(self, frames: Sequence[Frame], weight: int = 1) -> Sequence[Answer | None]:
        first = frames[0]
        answers = self._call("answer", first.stream, first.knobs, self._answer, frames, weight=weight)
        if isinstance(answers, _Raised):
            return [self._failed(answers.reason)] * len(frames)
        if answers is None:  # one bad frame must not cost the batch its answers
            return [answer for frame in frames for answer in self._answers((frame,))]
        return answers

    def _answer(self, stage: Stage[Any], frames: Sequence[Frame]) -> list[Answer | None] | None:
        """The answers, each of them as it may stand; None where a batch has to be asked one by one."""
        try:
            answers = stage.answer(frames)
            if type(answers) is not list or len(answers) != len(frames):
                got = len(answers) if type(answers) is list else type(answers).__name__
                raise StageError(f"stage {self.id} gave {got} answers for {len(frames)} frames")
        except BaseException:
            if len(frames) == 1:
                raise
            return None
        check = self._contract.check
        for place, answer in enumerate(answers):
            try:
                if answer is not None:
                    check(answer, frames[place])
                elif self.last:
                    raise StageError(f"stage {self.id} is the last one and passed a frame on: there is nowhere to go")
            except StageError as error:
                answers[place] = self._failed(self._count(error, "answer"))
        return answers

    def _learn(self, stage: Stage[Any], frame: Frame, answer: Answer) -> Answer:
        completed = stage.learn(frame, answer)
        if completed is None or completed is answer:
            return answer
        self._contract.check_completed(completed, frame)
        return completed

    def _fallback(self, stage: Stage[Any], frame: Frame) -> Answer | None:
        answer = stage.fallback(frame)
        if answer is not None:
            self._contract.check(answer, frame)
        return answer

    def _snapshot(self, stage: Stage[Any], stream: str) -> bytes | None:
        state = stage.snapshot_stream(stream) if self.shared else stage.snapshot()
        return None if state is None else self._pack(state)

    def _restore(self, stage: Stage[Any], stream: str, state: bytes) -> None:
        kept = pickle.loads(state)
        if self.shared:
            stage.restore_stream(stream, kept)
        else:
            stage.restore(kept)

    def _failed(self, reason: str) -> Answer:
        return Answer(nothing(), How.FAILED, self.id, -1, reason)

    def _count(self, error: BaseException, callback: str) -> str:
        if self._meter.errors == 0:
            log.debug("stage %s raised in %s", self.id, callback, exc_info=error)
        return self._meter.count(error, callback)


def _learns_checked(stage: Stage[Any]) -> bool:
    return bool(stage.learns_checked)


def _forget(stage: Stage[Any], frame: Frame) -> None:
    stage.forget(frame)


def _close(stage: Stage[Any]) -> None:
    stage.close()


def _counts(who: str, part: Counting) -> Counter[str]:
    counts = dict(part.counts)
    if not all(type(name) is str for name in counts):
        raise StageError(f"{who} gave counts that are not all named by a str")
    return Counter({name: int(index(count)) for name, count in counts.items()})


def _reason(error: BaseException) -> str:
    """What went wrong, with the line that raised: what the author of a stage needs of a traceback."""
    if isinstance(error, VidpipeError):
        return text_of(error)
    raised = error.__traceback__
    while raised is not None and raised.tb_next is not None:
        raised = raised.tb_next
    where = f" ({Path(raised.tb_frame.f_code.co_filename).name}:{raised.tb_lineno})" if raised is not None else ""
    return f"{type(error).__name__}: {text_of(error)}{where}"
