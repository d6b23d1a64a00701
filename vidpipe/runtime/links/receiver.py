"""The receiving end of a link: takes what crosses it to the stages of the segment, and has their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from vidpipe.cascade.cascade import Completed
from vidpipe.core.settings import Knobs
from vidpipe.runtime.downstream import Downstream
from vidpipe.runtime.links.job import Command, CompleteOrder
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk, Tell
from vidpipe.runtime.transport import codec
from vidpipe.runtime.worker import WorkerRuntime

States = Mapping[str, Mapping[str, bytes]]


class Receiver:
    """Not for several threads at once, but for `shadow`.

    Args:
        top: what frames are handed to.
        restore: have stages here, and those below, take up what they kept of streams.
    """

    def __init__(self, runtime: WorkerRuntime, top: Downstream, restore: Callable[[States], None]) -> None:
        self._runtime = runtime
        self._top = top
        self._restore = restore
        self._known: set[str] = set()  # streams of which this instance has kept something
        self._uncompleted: dict[tuple[str, int], Future[Completed]] = {}

    def restore(self, states: States) -> None:
        """Take up, before any frame that comes later, what an earlier instance kept; by stream and stage id.

        What this one keeps of a stream itself is newer, and stays.
        """
        fresh = {stream: kept for stream, kept in states.items() if stream not in self._known}
        self._known.update(fresh)
        self._restore(fresh)

    def forget(self) -> None:
        """No order comes any more for the frames that wait for one."""
        self._uncompleted.clear()

    def take(
        self, message: Command | CompleteOrder | codec.PackedFrame
    ) -> tuple[tuple[str, int], Future[Completed]] | None:
        """Hand on what comes next; the frame that may be completed with it, and its answer to be."""
        if isinstance(message, Command):
            self._runtime.go_by(*message)
            return None
        if isinstance(message, CompleteOrder):
            self._top.complete(message.stream, message.seq)
            return message, self._uncompleted.pop(message)
        self._known.add(message.stream)
        ticket = codec.unpack(message, self._runtime.knobs[message.stream], self._runtime.views)
        result = self._top.ask(ticket, complete=message.complete).completed
        if message.complete:
            return (message.stream, message.seq), result
        self._uncompleted[message.stream, message.seq] = result
        return None

    def shadow(self, item: codec.PackedFrame, asks: Sequence[ShadowAsk]) -> list[Future[Reply]]:
        """What stages here and below would say of a frame under other settings; in any order with other calls."""
        frame = codec.unpack(item, Knobs(), self._runtime.views).frame
        replies: dict[tuple[int, int], Future[Reply]] = {ask.key: Future() for ask in asks}
        tell: Tell = lambda ask, reply: replies[ask.key].set_result(reply)  # noqa: E731
        self._top.shadow(frame, asks, tell)
        return list(replies.values())
