"""What is learnt of frames for which something was published before their answer came."""

from __future__ import annotations

from collections.abc import Callable

from vidpipe.cascade.audit import Audit
from vidpipe.cascade.cascade import Completed
from vidpipe.core.answer import Answer
from vidpipe.results.outbox import Outbox
from vidpipe.results.records import LateAnswer, LateAudit
from vidpipe.runtime.streams.measured import MeasuringModels
from vidpipe.runtime.streams.parts import Parts
from vidpipe.runtime.streams.stream_ticket import StreamTicket


class LateAnswers:
    """Of one stream, for its thread.

    Args:
        outbox: where it is told what came.
        models: that measured what came.
        seen: the answer of a frame as the stream takes it.

    Attributes:
        crowded: the last answer said that nobody had looked at its frame.
    """

    def __init__(
        self, stream: str, outbox: Outbox, models: MeasuringModels, seen: Callable[[Parts, StreamTicket], Completed]
    ) -> None:
        self._stream = stream
        self._outbox = outbox
        self._models = models
        self._seen = seen
        self._open: list[StreamTicket] = []
        self._audits: list[Audit] = []
        self.crowded = False

    @property
    def oldest(self) -> StreamTicket | None:
        """The first frame whose answer is still to come."""
        return self._open[0] if self._open else None

    def put(self, ticket: StreamTicket, published: Answer) -> None:
        """Something was published for a frame whose answer is still to come."""
        ticket.fallback = published
        self._open.append(ticket)

    def clear(self) -> None:
        """Let go of all."""
        self._open.clear()

    def take_audits(self) -> list[Audit]:
        """Those whose outcome has become known since this was last asked."""
        audits, self._audits = self._audits, []
        return audits

    def learn(self, parts: Parts) -> None:
        """Learn from the answers that have come."""
        if not self._open:
            return
        late, self._open = self._open, []
        for ticket in late:
            if not ticket.is_answered():
                self._open.append(ticket)
                continue
            seen = self._seen(parts, ticket)
            audit = parts.audited(ticket.frame, parts.cascade.complete(ticket, seen, late=True))
            self._models.note(ticket.frame.seq, seen.answer, ticket.frame.knobs)
            parts.note_look(ticket.frame, seen.answer)
            if audit is not None:
                self._audits.append(audit)
                self._outbox.audit(LateAudit(self._stream, ticket.frame.knobs.version, audit, ticket.checks))
            self.crowded = ticket.is_refused()
            if self.crowded:
                self._outbox.refused(self._stream)
            elif not seen.answer.how.carried:
                self._outbox.late(self._late_answer(parts, ticket, seen.answer, audit is None))

    def _late_answer(self, parts: Parts, ticket: StreamTicket, answer: Answer, holds: bool) -> LateAnswer:
        """An answer that is late; `holds`: what was published is held against it, as no audit does that."""
        frame, published = ticket.frame, ticket.fallback
        assert published is not None
        held = parts.cascade.hold(frame.seq, published, answer) if holds else None
        return LateAnswer(self._stream, answer.by, published.by, frame.knobs.version, held)
