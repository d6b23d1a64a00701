"""The one algorithm: a frame goes down the stages until one answers it; the answer goes back up, and each stage learns.

A cascade here is the run of stages that stands in one place. A frame that none of them answers goes on to the next
place, and its answer comes back from there: `ask` is the way down, `settle` the way up, and a `Ticket` is what is known
of a frame between the two. Engines differ only in what lies between places, never in what happens here.

Some answers of cheap stages are withheld and the frame sent straight to the last stage, to see how often the cheap ones
are wrong: a random share (audits), and one whenever a stream has gone unchecked for too long.
"""

from __future__ import annotations

import logging
import math
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from vidpipe.answer import Answer, How, audit_reason, nothing
from vidpipe.calibration.draw import RANGE, hashed
from vidpipe.errors import StageError, VidpipeError
from vidpipe.frame import Frame, Missing
from vidpipe.stages.base import Stage, StageConfig

log = logging.getLogger(__name__)

_CPU_SAMPLE = 8
_draw = random.Random(0)  # of what is measured, never of what is answered


class AuditSpec(BaseModel):
    """How often a cheap answer is checked against the last stage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: float = Field(default=0.01, ge=0, le=1, description="share of each stage's answers that are audited")
    max_unchecked_s: float | None = Field(
        default=30.0, gt=0, description="longest media time of a stream without an answer of the last stage"
    )
    seed: int = Field(default=0, ge=0, description="another seed audits other frames")


class Check(StrEnum):
    """Why a cheap answer was withheld."""

    AUDIT = "audit"
    UNCHECKED = "unchecked"


class Audit(NamedTuple):
    """What an audit of one frame found.

    Attributes:
        missed: the last stage saw a class that the withheld answer has not.
        false: the withheld answer has a class that the last stage did not see.
    """

    stage: str
    missed: bool
    false: bool


class Settled(NamedTuple):
    """The answer to a frame once every stage that passed it on has learnt it.

    Attributes:
        states: now and then, what the shared stages below keep of the frame's stream, by stage id.
    """

    answer: Answer
    audit: Audit | None = None
    states: Mapping[str, Any] | None = None


class Ticket:
    """A frame on its way down one cascade and up again; the next place makes its own.

    Attributes:
        due: the stream has gone unchecked for too long: whoever would answer is checked.
        straight: only the last stage is still asked.
        answer: of a stage of this cascade; None while the frame is open.
    """

    __slots__ = ("_check", "_checked", "_passed", "_withheld", "answer", "due", "frame", "straight")

    def __init__(self, frame: Frame, *, due: bool = False, straight: bool = False) -> None:
        self.frame = frame
        self.due = due
        self.straight = straight
        self.answer: Answer | None = None
        self._passed: list[_Seat] = []
        self._withheld: Answer | None = None
        self._checked: _Seat | None = None  # whose answer that is
        self._check: Check | None = None

    @property
    def checks(self) -> bool:
        """Whether a stage here has answered the frame, and it goes on only to check that answer."""
        return self._withheld is not None


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


class Seat(NamedTuple):
    """A stage's place in a cascade.

    Attributes:
        open: makes an opened instance; its argument is the stream that the instance is for, None for a shared stage.
        last: whether it is the last stage of the whole pipeline.
    """

    id: str
    shared: bool
    last: bool
    open: Callable[[str | None], Stage[Any]]


@dataclass(slots=True)
class _Seat:
    seat: Seat
    instances: dict[str | None, Stage[Any]] = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    timed: int = 0  # of _CPU_SAMPLE calls, the one whose CPU time is read

    def instance(self, stream: str) -> Stage[Any]:
        key = None if self.seat.shared else stream
        stage = self.instances.get(key)
        if stage is None:
            stage = self.instances[key] = self.seat.open(key)
        return stage

    def counts(self) -> Counter[str]:
        """Of all its instances together."""
        return sum((Counter(stage.counts) for stage in list(self.instances.values())), Counter())


class Cascade:
    """The stages of one place, and what they know of each stream. For one thread.

    Args:
        seats: the stages in the order they are asked.
        audit: which cheap answers are withheld and checked.
        last: id of the last stage of the whole pipeline, here or further down: the one that checks the others.
        top: whether frames enter the pipeline here; only then is `max_unchecked_s` minded.
        publish_checked: whether the answer of the check is published (replay) or the withheld one stands (live).
        cpu_clock: nanoseconds of CPU that this thread, and what infers for it, have used.
    """

    def __init__(
        self,
        seats: Sequence[Seat],
        audit: AuditSpec,
        *,
        last: str,
        top: bool = True,
        publish_checked: bool = True,
        cpu_clock: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        self._seats = [_Seat(seat) for seat in seats]
        self._audit = audit
        self._last_id = last
        self._max_unchecked_s = audit.max_unchecked_s if top else None
        self._publish_checked = publish_checked
        self._cpu_clock = cpu_clock
        self._settled: dict[str, Answer] = {}
        self._late: dict[str, Answer] = {}
        self._checked_at: dict[str, float] = {}
        self._owed: set[tuple[str, str]] = set()  # audits that were refused: of a stream, of a stage

    def open(self, streams: Iterable[str]) -> None:
        """Open every stage now, rather than at the first frame of each of these streams."""
        for seat in self._seats:
            for stream in streams if not seat.seat.shared else ("",):
                seat.instance(stream)

    def ask(self, tickets: Sequence[Ticket]) -> None:
        """Hand frames down the stages; those that a stage answers have `ticket.answer` afterwards."""
        if self._max_unchecked_s is not None:
            for ticket in tickets:
                self._mind_unchecked(ticket, self._max_unchecked_s)
        open_ = tickets
        for seat in self._seats:
            if not open_:
                break
            asked = open_ if seat.seat.last else [ticket for ticket in open_ if not self._goes_past(seat, ticket)]
            for group in _by_instance(seat, asked):
                for ticket, answer in zip(group, self._ask(seat, group), strict=True):
                    self._take(seat, ticket, answer)
            open_ = [ticket for ticket in open_ if ticket.answer is None]

    def settle(self, ticket: Ticket, below: Settled | None = None, *, late: bool = False) -> Settled:
        """Tell the stages that passed the frame on what became of it, from the last to the first.

        Args:
            ticket: as `ask` left it.
            below: what the next place said; needed where no stage here answered.
            late: something was published for this frame already: the answer is only learnt from.

        Returns:
            The answer as the stages completed it, and the audit if the frame was one.
        """
        frame = ticket.frame
        answer, audit = below[:2] if below is not None else (_given(ticket.answer), None)
        if below is not None and answer.how is How.DROPPED:
            self._owe(ticket)
        answer = self._carry(frame.stream, answer)
        if answer.by == self._last_id and answer.as_of == frame.seq:
            self._checked_at[frame.stream] = max(frame.pts, self._checked_at.get(frame.stream, frame.pts))
        stands = None
        if ticket._withheld is not None:
            withheld = self._carry(frame.stream, ticket._withheld)
            answer, audit, stands = self._judge(ticket, withheld, answer)
        for seat in reversed(ticket._passed):
            if answer.how.carried:
                self._forget(seat, frame)
            else:
                answer = self._learn(seat, frame, answer)
        answer = stands or answer
        if not late:
            self._settled[frame.stream] = answer
        elif answer.as_of == frame.seq:
            self._late[frame.stream] = answer
        return Settled(answer, audit)

    def settle_missing(self, missing: Missing) -> Settled:
        """The answer for a picture that no stage ever saw."""
        by = "engine" if missing.how is How.FAILED else "source"
        answer = self._carry(missing.stream, Answer(nothing(), missing.how, by, -1, missing.reason))
        self._settled[missing.stream] = answer
        return Settled(answer)

    def cover(self, ticket: Ticket, reason: str, *, near: Answer | None = None, looked_at: bool = True) -> Answer:
        """The best that can be said now of an open frame: of the nearest stage that covers, else what is known newest.

        Where an answer was withheld to be checked, it stands, unless the stage that gave it has something newer.

        Args:
            near: the cover of a place further down, if one there has any.
            looked_at: somebody still looks at the frame; else it is lost, and `dropped` where no stage covers it.
        """
        cover = near if near is not None and not ticket.checks else self.stage_cover(ticket)
        if cover is not None:
            return cover if ticket.checks else replace(cover, reason=cover.reason or reason)
        stream = ticket.frame.stream
        known, late = self._last(stream), self._late.get(stream)
        if late is not None and late.as_of > known.as_of:
            known = late
        return Answer(known.detections, How.REUSED if looked_at else How.DROPPED, "engine", known.as_of, reason)

    def stage_cover(self, ticket: Ticket) -> Answer | None:
        """The same of these stages alone: None where none of them covers."""
        frame = ticket.frame
        if ticket._withheld is not None and ticket._checked is not None:
            return self._cover(ticket._checked, frame) or self._carry(frame.stream, ticket._withheld)
        covers = (self._cover(seat, frame) for seat in reversed(ticket._passed))
        return next((answer for answer in covers if answer is not None), None)

    def published(self, stream: str, cover: Answer) -> None:
        """A cover was published: it is the last answer of the stream now."""
        self._settled[stream] = cover

    def snapshot(self, stream: str) -> dict[str, Any]:
        """What these stages keep of a stream, by stage id; those without state are left out."""
        states = {seat.seat.id: _snapshot(seat, stream) for seat in self._seats}
        return {stage: state for stage, state in states.items() if state is not None}

    def restore(self, stream: str, states: Mapping[str, Any], last: Answer | None = None) -> None:
        """Take up the state of a stream, and its last published answer where that is known, after a restart."""
        if last is not None:
            self._settled[stream] = last
        for seat in self._seats:
            if seat.seat.id in states:
                _restore(seat, stream, states[seat.seat.id])

    def meters(self) -> dict[str, Meter]:
        """What each stage has done and cost so far, by stage id."""
        return {seat.seat.id: replace(seat.meter, counts=seat.counts()) for seat in self._seats}

    def close(self) -> None:
        for seat in self._seats:
            for stage in seat.instances.values():
                stage.close()

    def _cover(self, seat: _Seat, frame: Frame) -> Answer | None:
        try:
            return seat.instance(frame.stream).cover(frame)
        except Exception as error:
            _count_error(seat, error, "cover")
            return None

    def _mind_unchecked(self, ticket: Ticket, longest_s: float) -> None:
        frame = ticket.frame
        checked_at = self._checked_at.setdefault(frame.stream, frame.pts)
        if not 0 <= frame.pts - checked_at < longest_s:
            ticket.due = True
            # Counted from the asking: frames asked while this one is open need not be checked as well.
            self._checked_at[frame.stream] = frame.pts

    def _ask(self, seat: _Seat, group: Sequence[Ticket]) -> Sequence[Answer | None]:
        frames = [ticket.frame for ticket in group]
        stage = seat.instance(frames[0].stream)
        meter = seat.meter
        weight = 1 if seat.seat.shared else self._cpu_weight(seat)
        cpu = self._cpu_clock() if weight else 0
        wall = time.perf_counter_ns()
        answers = self._answers(seat, stage, frames)
        meter.wall_ns += time.perf_counter_ns() - wall
        if weight:
            meter.cpu_ns += weight * (self._cpu_clock() - cpu)
        meter.asked += len(frames)
        return answers

    def _cpu_weight(self, seat: _Seat) -> int:
        """How many calls this one stands for in the CPU time of a stage that is called for one frame at a time.

        The CPU clock is a system call of some microseconds, the filters' own scale: there it reads one call in eight.
        Which one is drawn: a tracker that works at every second frame would always or never be seen at work.
        """
        turn = seat.meter.asked % _CPU_SAMPLE
        if turn == 0:
            seat.timed = _draw.randrange(_CPU_SAMPLE)
        return _CPU_SAMPLE if turn == seat.timed else 0

    def _answers(self, seat: _Seat, stage: Stage[Any], frames: Sequence[Frame]) -> Sequence[Answer | None]:
        config = frames[0].knobs.stages.get(seat.seat.id)
        if config is not None:
            stage.config = config
        try:
            answers = stage.answer(frames)
            _check_answers(seat, answers, frames)
        except Exception as error:
            if len(frames) > 1 and not isinstance(error, StageError):
                # One bad frame must not cost the batch its answers.
                return [answer for frame in frames for answer in self._answers(seat, stage, [frame])]
            return [self._failed(seat, error)] * len(frames)
        return answers

    def _failed(self, seat: _Seat, error: Exception) -> Answer:
        reason = _count_error(seat, error, "answer")
        return Answer(nothing(), How.FAILED, seat.seat.id, -1, reason)

    def _goes_past(self, seat: _Seat, ticket: Ticket) -> bool:
        """Whether this stage is not asked, because the frame goes straight to the last one."""
        if ticket.straight and seat.instance(ticket.frame.stream).learns_checked:
            ticket._passed.append(seat)
        return ticket.straight

    def _take(self, seat: _Seat, ticket: Ticket, answer: Answer | None) -> None:
        if answer is None:
            ticket._passed.append(seat)
            return
        if not (seat.seat.last or ticket.straight or answer.how is How.FAILED):
            check = Check.UNCHECKED if ticket.due else self._audited(seat, ticket.frame)
            if check is not None:
                ticket._withheld, ticket._checked, ticket._check, ticket.straight = answer, seat, check, True
                ticket._passed.append(seat)
                return
        if answer.how is not How.FAILED:
            seat.meter.answered += 1
        ticket.answer = answer

    def _audited(self, seat: _Seat, frame: Frame) -> Check | None:
        if self._owed and (owed := (frame.stream, seat.seat.id)) in self._owed:
            self._owed.discard(owed)
            return Check.AUDIT
        if self._audit.rate == 0:
            return None
        drawn = hashed(f"{self._audit.seed}/{frame.stream}/{frame.seq}/{seat.seat.id}")
        return Check.AUDIT if drawn < self._audit.rate * RANGE else None

    def _owe(self, ticket: Ticket) -> None:
        """The frame was refused below: what it was to check is left to the next one."""
        stream = ticket.frame.stream
        if ticket.due and stream in self._checked_at:
            self._checked_at[stream] = -math.inf
        if ticket._check is Check.AUDIT and ticket._checked is not None:
            self._owed.add((stream, ticket._checked.seat.id))

    def _judge(self, ticket: Ticket, withheld: Answer, checked: Answer) -> tuple[Answer, Audit | None, Answer | None]:
        """What the stages learn, what the audit found, and what is published instead of the former."""
        if checked.how.carried:  # the check itself failed: it says nothing of the withheld answer
            return withheld, None, None
        audit = None
        if ticket._check is Check.AUDIT:
            seen, said = _class_ids(checked), _class_ids(withheld)
            audit = Audit(withheld.by, missed=bool(seen - said), false=bool(said - seen))
            reason = audit_reason(withheld.by)
        else:
            reason = f"unchecked for {self._audit.max_unchecked_s:g} s"
        return replace(checked, reason=reason), audit, None if self._publish_checked else withheld

    def _learn(self, seat: _Seat, frame: Frame, answer: Answer) -> Answer:
        wall, cpu = time.perf_counter_ns(), self._cpu_clock()
        try:
            return seat.instance(frame.stream).learn(frame, answer) or answer
        except Exception as error:
            _count_error(seat, error, "learn")
            return answer
        finally:
            seat.meter.wall_ns += time.perf_counter_ns() - wall
            seat.meter.cpu_ns += self._cpu_clock() - cpu

    def _forget(self, seat: _Seat, frame: Frame) -> None:
        try:
            seat.instance(frame.stream).forget(frame)
        except Exception as error:
            _count_error(seat, error, "forget")

    def _carry(self, stream: str, answer: Answer) -> Answer:
        if not answer.how.carried:
            return answer
        last = self._last(stream)
        return replace(answer, detections=last.detections, as_of=last.as_of)

    def _last(self, stream: str) -> Answer:
        return self._settled.get(stream) or Answer(nothing(), How.SKIPPED, "engine", -1)


def _snapshot(seat: _Seat, stream: str) -> Any:
    stage = seat.instance(stream)
    return stage.snapshot_stream(stream) if seat.seat.shared else stage.snapshot()


def _restore(seat: _Seat, stream: str, state: Any) -> None:
    stage = seat.instance(stream)
    if seat.seat.shared:
        stage.restore_stream(stream, state)
    else:
        stage.restore(state)


def _given(answer: Answer | None) -> Answer:
    if answer is None:
        raise StageError("no stage answered a frame: the last stage of a pipeline must answer every one")
    return answer


def _by_instance(seat: _Seat, tickets: Sequence[Ticket]) -> Iterable[Sequence[Ticket]]:
    """Tickets that one call may take: of one configuration for a shared stage, one by one otherwise."""
    if not seat.seat.shared:
        return [[ticket] for ticket in tickets]
    if len(tickets) < 2:
        return [tickets] if tickets else []
    groups: dict[StageConfig | None, list[Ticket]] = {}
    for ticket in tickets:
        groups.setdefault(ticket.frame.knobs.stages.get(seat.seat.id), []).append(ticket)
    return groups.values()


def _check_answers(seat: _Seat, answers: Sequence[Answer | None], frames: Sequence[Frame]) -> None:
    if not isinstance(answers, list) or len(answers) != len(frames):
        got = len(answers) if isinstance(answers, list) else type(answers).__name__
        raise StageError(f"stage {seat.seat.id} gave {got} answers for {len(frames)} frames")
    for answer in answers:
        if not (answer is None or isinstance(answer, Answer)):
            raise StageError(f"stage {seat.seat.id} gave a {type(answer).__name__} in place of an Answer or None")
    if seat.seat.last and None in answers:
        raise StageError(f"stage {seat.seat.id} is the last one and passed a frame on: there is nowhere to go")


def _count_error(seat: _Seat, error: Exception, call: str) -> str:
    reason = str(error) if isinstance(error, VidpipeError) else f"{type(error).__name__}: {error}{_where(error)}"
    if seat.meter.errors == 0:
        seat.meter.first_error = reason
        log.debug("stage %s raised in %s", seat.seat.id, call, exc_info=error)
    seat.meter.errors += 1
    return reason


def _where(error: Exception) -> str:
    """The line that raised: what the author of a stage needs of a traceback, on one line."""
    raised = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({Path(raised.filename).name}:{raised.lineno})"


def _class_ids(answer: Answer) -> set[int]:
    ids = answer.detections.class_id
    return set() if ids is None else set(ids.tolist())
