"""The way down from a place of the cascade to the next one: a thread, a link, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from vidpipe.cascade.cascade import Away, Completed, Ticket
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import VidpipeError
from vidpipe.core.frame import Frame
from vidpipe.runtime.shadow.ask import ShadowAsk, Tell
from vidpipe.sources.queue import OVERLOADED


class LocalStatus(NamedTuple):
    """What can be said of a frame on the tier on which it was asked.

    Attributes:
        fallback: of the stages that passed it on there, if it went on to a slower tier and one of them has one.
        far: it is open on a slower tier; else there is its answer.
    """

    fallback: Answer | None = None
    far: bool = False


class PendingResult:
    """What becomes of a frame that was handed down.

    Attributes:
        local: done as soon as nothing more is to be expected on the tier on which the frame was asked: its answer is
            there, or it is open on a slower tier.
        completed: the answer, once stages have learnt it. It never raises: what goes wrong below comes as a `failed`
            answer, and a frame that newer ones kept from being looked at as a `dropped` one.
    """

    __slots__ = ("completed", "local")

    def __init__(self) -> None:
        self.local: Future[LocalStatus] = Future()
        self.completed: Future[Completed] = Future()

    def went_far(self, fallback: Answer | None = None) -> None:
        """The frame is open on a slower tier from now on."""
        self.local.set_result(LocalStatus(fallback, far=True))

    def from_far(self) -> PendingResult:
        """The same answer for those who asked a slower tier; it may have come before they knew that it is one."""
        pending = PendingResult()
        pending.went_far()
        self.completed.add_done_callback(lambda done: pending.complete(done.result()))
        return pending

    def complete(self, completed: Completed) -> None:
        """There is the answer."""
        self.completed.set_result(completed)
        if not self.local.done():
            self.local.set_result(LocalStatus())

    def is_refused(self) -> bool:
        """Whether the frame was never looked at."""
        return self.completed.done() and self.completed.result().answer.how is How.DROPPED

    def refuse(self) -> None:
        """The frame is not looked at: a newer one of its stream has taken its place."""
        self.complete(Completed(Answer(nothing(), How.DROPPED, "engine", -1, OVERLOADED)))


class Downstream(Protocol):
    """What a cascade hands its open frames to.

    A frame is completed in two steps, because stages below may learn from an answer, and when they do must not depend
    on how fast anybody is: first it is asked, and once the stream has been asked as far ahead as it may be, completed.
    """

    def ask(self, ticket: Ticket, *, complete: bool) -> PendingResult:
        """Hand an open frame down.

        Waits until there is room, except for a stream on a detour: of that one only the newest frame waits, and one
        that has to give way to it is refused.

        Args:
            ticket: of the frame; of a stream that is not on a detour it is read before this returns.
            complete: learning may follow as soon as there is an answer; otherwise `complete` will say when.

        Raises:
            RunError: what lies below has broken; no frame that comes later will get through either.
        """
        ...

    def complete(self, stream: str, seq: int) -> None:
        """Let the stages below learn what became of this frame, which was asked with `complete=False`."""
        ...

    def away(self, stream: str) -> Away | None:
        """Who is away on the next tier, so that a frame of this stream would not be answered there now."""
        ...

    def shadow(self, frame: Frame, asks: Sequence[ShadowAsk], tell: Tell) -> None:
        """Have stages below say what they would of this frame under other settings; never waits, and never raises."""
        ...


def broken(what: str, error: BaseException) -> str:
    """Why nothing more gets through a thread or a link; what a place further down said is passed on as it is."""
    cause = getattr(error, "cause", None) or error  # of what Ray brought
    if isinstance(cause, VidpipeError):
        return str(cause)
    return f"{what} broke: {type(cause).__name__}: {cause}".splitlines()[0]
