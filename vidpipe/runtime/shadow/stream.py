"""Shadow asks of one stream: they wait for its next picture, and their answers leave beside its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame
from vidpipe.results.outbox import Outbox
from vidpipe.results.records import ShadowAnswer
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk, Tell, refuse


class StreamShadows:
    """Where shadow asks of a stream wait.

    Args:
        ask: has them asked; see `Downstream.shadow`.
    """

    def __init__(
        self, stream: str, outbox: Outbox, ask: Callable[[Frame, Sequence[ShadowAsk], Tell], None] | None
    ) -> None:
        self._stream = stream
        self._outbox = outbox
        self._ask = ask
        self._waiting: deque[Sequence[ShadowAsk]] = deque()
        self._ended = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, asks: Sequence[ShadowAsk]) -> None:
        """Have these asked of the next picture; from any thread."""
        self._waiting.append(asks)
        if self._ended:
            self.end()

    def ask(self, frame: Frame, without_hidden: Callable[[Answer], Answer]) -> None:
        """Ask what waits of this frame: of a copy, as nobody waits for the answers."""

        def tell(ask: ShadowAsk, reply: Reply) -> None:
            self._tell(ask, frame.seq, frame.pts, reply._replace(answer=without_hidden(reply.answer)))

        while self._waiting and self._ask is not None:
            self._ask(frame, self._waiting.popleft(), tell)

    def end(self) -> None:
        """No picture comes any more."""
        self._ended = True
        with suppress(IndexError):  # until none is left, also where two threads do this
            while True:
                self.refuse(self._waiting.popleft(), "the stream has ended")

    def refuse(self, asks: Sequence[ShadowAsk], reason: str) -> None:
        """Tell that there is no picture to ask these of."""
        refuse(asks, lambda ask, reply: self._tell(ask, -1, 0.0, reply), reason)

    def _tell(self, ask: ShadowAsk, seq: int, pts: float, reply: Reply) -> None:
        answer = ShadowAnswer(self._stream, *ask.key, seq, pts, reply.answer, reply.cpu_ns / 1e6)
        self._outbox.shadow(answer)
