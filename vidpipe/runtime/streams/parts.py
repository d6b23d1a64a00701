"""What the thread of one stream works with."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from vidpipe.cascade.audit import Audit
from vidpipe.cascade.cascade import Cascade, Completed
from vidpipe.cascade.reachback import Correction
from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame, Missing
from vidpipe.media.stream import StreamMedia
from vidpipe.results.frame_sink import StreamFrameSinks
from vidpipe.runtime.streams.reachback import Reachback
from vidpipe.sources.base import Source
from vidpipe.transforms.runner import TransformRunner


@dataclass(slots=True)
class Parts:
    """What a stream's thread works with, once it is open.

    Attributes:
        transforms: complete what is published.
        frame_sinks: what sees its frames with their answers.
        media: makes pictures and clips of what happens; None: nobody asks for any.
        hide: leaves out what lies in the masked parts of a picture; None for a stream without.
        poison: numbers of pictures that killed the process more than once; they are not tried again.
        measured: frame that the last published boxes were measured on, and the model; -1 and None at the beginning.
        states: what stages below keep of the stream, pickled, by stage id, as far as it has come by.
        reachback: asks the last stage again when a class came or went; None: nobody wants it.
    """

    source: Source
    cascade: Cascade
    transforms: TransformRunner = field(default_factory=TransformRunner)
    frame_sinks: StreamFrameSinks = field(default_factory=lambda: StreamFrameSinks(""))
    media: StreamMedia | None = None
    hide: Callable[[Answer, Frame], Answer] | None = None
    poison: frozenset[int] = frozenset()
    measured: tuple[int, str | None] = (-1, None)
    states: dict[str, bytes] = field(default_factory=dict)
    reachback: Reachback | None = None

    def audited(self, item: Frame | Missing, completed: Completed) -> Audit | None:
        """What an audit found, if the frame was one; where it found an answer wrong, frame sinks see that."""
        audit = completed.audit
        if audit is not None and (audit.missed or audit.false) and isinstance(item, Frame):
            self.frame_sinks.audited(item, audit, completed.checked or completed.answer)
        return audit

    def reach_back(
        self,
        item: Frame | Missing,
        completed: Completed,
        waits: Callable[[Future[Any], float], bool],
        *,
        by_filter: bool,
    ) -> tuple[Correction, ...]:
        """What has become known of earlier answers; arguments as of `Reachback.publish`."""
        if self.reachback is None:
            return ()
        if isinstance(item, Frame):
            self.note_look(item, completed.checked or completed.answer)
        by_filter = by_filter and completed.away is None
        return self.reachback.publish(item, completed.answer, waits, by_filter=by_filter)

    def note_look(self, frame: Frame, answer: Answer) -> None:
        """Have an answer, published or not, searched where it is a look that differs from the one before it."""
        if self.reachback is not None and self.cascade.look(frame.seq, answer) is not None:
            self.reachback.look(frame, answer)

    def without_hidden(self, item: Frame | Missing, answer: Answer) -> Answer:
        """The answer without boxes in hidden parts of the picture; one that is carried has lost them already."""
        if self.hide is None or not isinstance(item, Frame) or answer.as_of != item.seq:
            return answer
        return self.hide(answer, item)
