"""The one algorithm: a frame goes down the stages until one answers it; the answer goes back up, and each stage learns.

A cascade here is the run of stages that stands in one place. A frame that none of them answers goes on to the next
place, and its answer comes back from there: `ask` is the way down, `complete` the way up, and a `Ticket` is what is
known of a frame between the two. Engines differ only in what lies between places, never in what happens here.

Some answers of cheap stages are withheld and the frame sent straight to the last stage, to see how often the cheap ones
are wrong: a random share (audits), and one whenever a stream has gone unchecked for too long.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from vidpipe.cascade.audit import Audit, AuditSpec, Check, Look
from vidpipe.cascade.runner import Meter, StageRunner
from vidpipe.core.answer import Answer, How, class_ids, nothing, unknown
from vidpipe.core.errors import StageError
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import Knobs, StageConfig


class Away(NamedTuple):
    """A segment of the pipeline that nobody reaches.

    Attributes:
        segment: its name.
        for_s: for how long.
    """

    segment: str
    for_s: float

    def __str__(self) -> str:
        return f"{self.segment} away for {self.for_s:.0f} s"


class Completed(NamedTuple):
    """The answer to a frame once every stage that passed it on has learnt it.

    Attributes:
        states: now and then, what the shared stages below keep of the frame's stream, pickled, by stage id.
        away: who was not asked of it, as nobody reached him.
        checked: what the last stage found where the answer is one that was audited; known in this process only.
    """

    answer: Answer
    audit: Audit | None = None
    states: Mapping[str, bytes] | None = None
    away: Away | None = None
    checked: Answer | None = None


class Withheld(NamedTuple):
    """An answer that is checked: whose it is, and why."""

    answer: Answer
    runner: StageRunner
    check: Check


class Ticket:
    """A frame on its way down one cascade and up again; the next place makes its own.

    Attributes:
        due: the stream has gone unchecked for too long: whoever would answer is checked.
        straight: only the last stage is still asked.
        answer: of a stage of this cascade; None while the frame is open.
        passed: the stages of this cascade that will be told what becomes of it, in the order in which they were asked.
        away: for whom a stage of this cascade stood in.
        withheld: an answer of this cascade that the frame goes on to check.
    """

    __slots__ = ("answer", "away", "due", "frame", "passed", "straight", "withheld")

    def __init__(self, frame: Frame, *, due: bool = False, straight: bool = False) -> None:
        self.frame = frame
        self.due = due
        self.straight = straight
        self.answer: Answer | None = None
        self.away: Away | None = None
        self.passed: list[StageRunner] = []
        self.withheld: Withheld | None = None

    @property
    def checks(self) -> bool:
        """Whether a stage here has answered the frame, and it goes on only to check that answer."""
        return self.withheld is not None


class Cascade:
    """The stages of one place, and what they know of each stream. For one thread.

    Args:
        runners: the stages in the order they are asked.
        audit: which cheap answers are withheld and checked.
        last: id of the last stage of the whole pipeline, here or further down: the one that checks the others.
        top: whether frames enter the pipeline here; only then is `max_unchecked_s` minded.
        publish_checked: whether the answer of the check is published (replay) or the withheld one stands (live).
        closed: told once it is closed: it can still say what its stages have counted.
        away: whom a frame of a stream would not reach now, below this cascade: then others stand in.
    """

    def __init__(
        self,
        runners: Sequence[StageRunner],
        audit: AuditSpec,
        *,
        last: str,
        top: bool = True,
        publish_checked: bool = True,
        closed: Callable[[Cascade], None] | None = None,
        away: Callable[[str], Away | None] = lambda _: None,
    ) -> None:
        self._runners = runners
        self._audit = audit
        self._last_id = last
        self._max_unchecked_s = audit.max_unchecked_s if top else None
        self._publish_checked = publish_checked
        self._closed = closed
        self._away = away
        self._completed: dict[str, Answer] = {}
        self._late: dict[str, Answer] = {}
        self._checked_at: dict[str, float] = {}
        self._owed: set[tuple[str, str]] = set()  # audits that were refused: of a stream, of a stage

    def open(self, streams: Iterable[str]) -> None:
        """Open every stage now, rather than at the first frame of each of these streams.

        Raises what keeps one from opening; those that were open by then are closed.
        """
        try:
            for runner in self._runners:
                for stream in streams if not runner.shared else ("",):
                    runner.open(stream)
        except BaseException:
            self.close()
            raise

    def ask(self, tickets: Sequence[Ticket]) -> None:
        """Hand frames down the stages; those that a stage answers have `ticket.answer` afterwards."""
        if self._max_unchecked_s is not None:
            for ticket in tickets:
                self._mind_unchecked(ticket, self._max_unchecked_s)
        open_ = tickets
        for runner in self._runners:
            if not open_:
                break
            asked = open_ if runner.last else [ticket for ticket in open_ if not self._goes_past(runner, ticket)]
            asked = [ticket for ticket in asked if self._stands_in(ticket)] if runner.stands_in else asked
            for group in _by_instance(runner, asked):
                for ticket, answer in zip(group, runner.ask(tuple(ticket.frame for ticket in group)), strict=True):
                    self._take(runner, ticket, answer)
            open_ = [ticket for ticket in open_ if ticket.answer is None]

    def complete(self, ticket: Ticket, below: Completed | None = None, *, late: bool = False) -> Completed:
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
        away = ticket.away if below is None else below.away
        if below is not None and answer.how is How.DROPPED:
            self._owe(ticket)
        answer = self._carry(frame.stream, answer)
        if answer.by == self._last_id and answer.as_of == frame.seq:
            self._checked_at[frame.stream] = max(frame.pts, self._checked_at.get(frame.stream, frame.pts))
        stands = None
        if ticket.withheld is not None:
            withheld = ticket.withheld.answer if late else self._carry(frame.stream, ticket.withheld.answer)
            answer, audit, stands = self._judge(ticket.withheld.check, withheld, answer)
        for runner in reversed(ticket.passed):
            if answer.how.carried:
                runner.forget(frame)
            else:
                answer = runner.learn(frame, answer)
        checked, answer = answer if stands is not None and audit is not None else None, stands or answer
        if not late:
            self._completed[frame.stream] = answer
        elif answer.as_of == frame.seq:
            self._late[frame.stream] = answer
        return Completed(answer, audit and audit._replace(seq=frame.seq), away=away, checked=checked)

    def look_again(self, frame: Frame, stage: str, config: StageConfig) -> Answer:
        """What a stage that is stateless says of a frame that was answered long ago, with these settings of it.

        Raises:
            StageError: no such stage is here, or it passed the frame on.
        """
        runner = next((runner for runner in self._runners if runner.id == stage), None)
        if runner is None:
            raise StageError(f"no stage {stage} is here")
        frame = frame.twin()
        frame.knobs = Knobs(frame.knobs.version, {stage: config})
        return _given(runner.ask((frame,))[0])

    def complete_missing(self, missing: Missing) -> Completed:
        """The answer for a picture that no stage ever saw."""
        by = "engine" if missing.how is How.FAILED else "source"
        answer = self._carry(missing.stream, Answer(nothing(), missing.how, by, -1, missing.reason))
        self._completed[missing.stream] = answer
        return Completed(answer)

    def look(self, seq: int, answer: Answer) -> Look | None:
        """What the last stage found, if this answer to a frame of that number is what it saw in all of it."""
        if answer.by != self._last_id or answer.as_of != seq or answer.partial or answer.how.carried:
            return None
        return Look(len(answer.detections), len(class_ids(answer)))

    def hold(self, seq: int, published: Answer, late: Answer) -> Audit | None:
        """What was published of a frame of that number against a late answer, if the last stage saw that in it."""
        return Audit.of(published, late) if self.look(seq, late) is not None else None

    def fallback(
        self, ticket: Ticket, reason: str, *, downstream: Answer | None = None, looked_at: bool = True
    ) -> Answer:
        """The best that can be said now of an open frame: of the nearest stage with a fallback, else what is known
        newest.

        Where an answer was withheld to be checked, it stands, unless the stage that gave it has something newer.

        Args:
            downstream: the fallback of a place further down, if one there has any.
            looked_at: somebody still looks at the frame; else it is lost, and `dropped` where no stage has a fallback.
        """
        fallback = downstream if downstream is not None and not ticket.checks else self.stage_fallback(ticket)
        if fallback is not None:
            return fallback if ticket.checks else replace(fallback, reason=fallback.reason or reason)
        stream = ticket.frame.stream
        known, late = self._last(stream), self._late.get(stream)
        if late is not None and late.as_of > known.as_of:
            known = late
        return Answer(known.detections, How.REUSED if looked_at else How.DROPPED, "engine", known.as_of, reason)

    def stage_fallback(self, ticket: Ticket) -> Answer | None:
        """The same of these stages alone: None where none of them has one."""
        frame = ticket.frame
        if ticket.withheld is not None:
            # It may carry what is published now, and is checked as it is published.
            ticket.withheld = ticket.withheld._replace(answer=self._carry(frame.stream, ticket.withheld.answer))
            return ticket.withheld.runner.fallback(frame) or ticket.withheld.answer
        fallbacks = (runner.fallback(frame) for runner in reversed(ticket.passed))
        return next((answer for answer in fallbacks if answer is not None), None)

    def published(self, stream: str, fallback: Answer) -> None:
        """A fallback was published: it is the last answer of the stream now."""
        self._completed[stream] = fallback

    def snapshot(self, stream: str) -> dict[str, bytes]:
        """What these stages keep of a stream, pickled, by stage id; those without state are left out."""
        states = {runner.id: runner.snapshot(stream) for runner in self._runners}
        return {stage: state for stage, state in states.items() if state is not None}

    def restore(self, stream: str, states: Mapping[str, bytes], last: Answer | None = None) -> None:
        """Take up the state of a stream, and its last published answer where that is known, after a restart."""
        if last is not None:
            self._completed[stream] = last
        for runner in self._runners:
            if runner.id in states:
                runner.restore(stream, states[runner.id])

    def meters(self) -> dict[str, Meter]:
        """What each stage has done and cost so far, by stage id."""
        return {runner.id: runner.meter() for runner in self._runners}

    def close(self) -> None:
        """Close the stages, from the first to the last."""
        for runner in self._runners:
            runner.close()
        if self._closed is not None:
            self._closed(self)

    def _mind_unchecked(self, ticket: Ticket, longest_s: float) -> None:
        frame = ticket.frame
        checked_at = self._checked_at.setdefault(frame.stream, frame.pts)
        if not 0 <= frame.pts - checked_at < longest_s:
            ticket.due = True
            # Counted from the asking: frames asked while this one is open need not be checked as well.
            self._checked_at[frame.stream] = frame.pts

    def _goes_past(self, runner: StageRunner, ticket: Ticket) -> bool:
        """Whether this stage is not asked, because the frame goes straight to the last one."""
        if ticket.straight and runner.learns_checked(ticket.frame.stream):
            ticket.passed.append(runner)
        return ticket.straight

    def _stands_in(self, ticket: Ticket) -> bool:
        """Whether a later stage cannot be asked, so that another one answers for it."""
        ticket.away = self._away(ticket.frame.stream)
        return ticket.away is not None

    def _take(self, runner: StageRunner, ticket: Ticket, answer: Answer | None) -> None:
        if answer is None and ticket.frame.in_parts:
            answer = Answer(nothing(), How.FAILED, runner.id, -1, "passed on a frame of which only parts came")
        if answer is None:
            ticket.passed.append(runner)
            return
        if runner.stands_in:  # who would check it is away, and no earlier stage is to learn from it what it is worth
            answer = replace(
                answer, reason=answer.reason if answer.how is How.FAILED else str(ticket.away), partial=True
            )
            ticket.due = False
        if not (
            runner.last or runner.stands_in or ticket.straight or answer.how is How.FAILED or ticket.frame.in_parts
        ):
            check = Check.UNCHECKED if ticket.due else self._audited(runner, ticket.frame)
            if check is not None:
                ticket.withheld, ticket.straight = Withheld(answer, runner, check), True
                ticket.passed.append(runner)
                return
        if answer.how is not How.FAILED:
            runner.count_answered()
        ticket.answer = answer

    def _audited(self, runner: StageRunner, frame: Frame) -> Check | None:
        if self._owed and (owed := (frame.stream, runner.id)) in self._owed:
            self._owed.discard(owed)
            return Check.AUDIT
        return Check.AUDIT if self._audit.draws(frame.stream, frame.seq, runner.id) else None

    def _owe(self, ticket: Ticket) -> None:
        """The frame was refused below: what it was to check is left to the next one."""
        stream = ticket.frame.stream
        if ticket.due and stream in self._checked_at:
            self._checked_at[stream] = -math.inf
        if ticket.withheld is not None and ticket.withheld.check is Check.AUDIT:
            self._owed.add((stream, ticket.withheld.runner.id))

    def _judge(self, check: Check, withheld: Answer, checked: Answer) -> tuple[Answer, Audit | None, Answer | None]:
        """What the stages learn, what the audit found, and what is published instead of the former."""
        if checked.how.carried:  # the check itself failed: it says nothing of the withheld answer
            return withheld, None, None
        audit = None
        if check is Check.AUDIT:
            audit = Audit.of(withheld, checked)
            checked = replace(checked, reason=f"audit of {withheld.by}", audit_of=withheld.by)
        else:
            checked = replace(checked, reason=f"unchecked for {self._audit.max_unchecked_s:g} s")
        return checked, audit, None if self._publish_checked else withheld

    def _carry(self, stream: str, answer: Answer) -> Answer:
        if not answer.how.carried:
            return answer
        last = self._last(stream)
        return replace(answer, detections=last.detections, as_of=last.as_of)

    def _last(self, stream: str) -> Answer:
        return self._completed.get(stream) or unknown()


def _given(answer: Answer | None) -> Answer:
    if answer is None:
        raise StageError("no stage answered a frame: the last stage of a pipeline must answer every one")
    return answer


def _by_instance(runner: StageRunner, tickets: Sequence[Ticket]) -> Iterable[Sequence[Ticket]]:
    """Tickets that one call may take: of one configuration for a shared stage, one by one otherwise."""
    if not runner.shared:
        return [[ticket] for ticket in tickets]
    if len(tickets) < 2:
        return [tickets] if tickets else []
    groups: list[tuple[StageConfig | None, list[Ticket]]] = []
    own: dict[int, list[Ticket]] = {}  # streams with the same settings mostly share them: then nothing is compared
    for ticket in tickets:
        config = ticket.frame.knobs.stages.get(runner.id)
        if id(config) not in own:
            same = (group for known, group in groups if _are_equal(known, config))
            if (group := next(same, None)) is None:
                groups.append((config, group := []))
            own[id(config)] = group
        own[id(config)].append(ticket)
    return [group for _, group in groups]


def _are_equal(one: StageConfig | None, other: StageConfig | None) -> bool:
    try:
        return bool(one == other)
    except Exception:  # settings may hold what cannot be compared, such as arrays
        return False
