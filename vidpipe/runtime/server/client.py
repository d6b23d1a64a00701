"""What a server keeps for one run that calls it: stages of its own, on models that all clients share."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from vidpipe.cascade.cascade import Completed
from vidpipe.core.errors import RunError
from vidpipe.models.library import Library
from vidpipe.pipeline.plan import Plan
from vidpipe.results.records import Counts
from vidpipe.runtime.inline import Stack
from vidpipe.runtime.links.job import Command, CompleteOrder
from vidpipe.runtime.links.receiver import Receiver
from vidpipe.runtime.opening import opened
from vidpipe.runtime.remote.channel import Channel
from vidpipe.runtime.remote.connection import Connection, LostError
from vidpipe.runtime.remote.counts import write_counts
from vidpipe.runtime.remote.link import way_out
from vidpipe.runtime.remote.messages import (
    Answered,
    AskCounts,
    Prepare,
    Reader,
    Restore,
    SettingsError,
    ShadowQuestion,
    write_answer,
)
from vidpipe.runtime.remote.values import CannotCrossError, MalformedError
from vidpipe.runtime.server.seal import Seal
from vidpipe.runtime.shadow.ask import Reply
from vidpipe.runtime.transport.codec import PackedFrame
from vidpipe.runtime.worker import WorkerRuntime

log = logging.getLogger(__name__)

CLOSE_S = 5.0
MOST_HELD_MB = 512.0  # of one run's frames that are open here: its links have less credit


class Client:
    """A run, kept apart from others: names of streams, settings, states and what stages have learnt are its own.

    Args:
        plan: with the first segment that runs here.
        library: whose models it shares.

    Attributes:
        life: another one knows nothing of what this one was told.
        left_at: when its last connection ended, by the monotonic clock; None: it has one.
        broken: why it can do no more; "" where it can.
        ended: whether the run has said good-bye.
    """

    def __init__(self, plan: Plan, first: int, library: Library, seal: Seal) -> None:
        self.life = uuid.uuid4().hex
        self.left_at: float | None = time.monotonic()
        self.broken = ""
        self.ended = False
        self._seal = seal
        self._reader = Reader(plan)
        self._runtime = WorkerRuntime(plan, library=library.sharing())
        self._link = way_out(plan, self._runtime)
        self._stack = Stack(plan, range(first, plan.here), self._link, self._runtime)
        assert self._stack.top is not None
        self._receiver = Receiver(self._runtime, self._stack.top, self._restore)
        self._unsettled: dict[str, str] = {}  # streams whose newest settings are not taken, and why
        self._held: dict[tuple[str, int], int] = {}  # bytes of each frame that is open
        self._refused: dict[tuple[str, int], str] = {}  # frames that were not taken and are still to be completed
        self._channel: Channel | None = None
        self._connection: Connection | None = None
        self._turn = ThreadPoolExecutor(1, "vidpipe-client")  # messages one after the other
        self._aside = ThreadPoolExecutor(1, "vidpipe-aside")  # what frames do not wait for

    def open(self) -> None:
        """Open the stages; raises what keeps them from opening."""
        opened([*self._stack.start(), *([self._link.start()] if self._link else [])], threading.Event())

    def channel(self, name: str, received: int) -> Channel:
        """The channel of that name, from now on the only one.

        Args:
            received: how many of this side's messages the other one has.
        """
        if self._channel is not None and self._channel.name == name:
            self._channel.acknowledge(received)
        else:  # where the other side has some, it will see that they were another's, and begin anew
            self._channel = Channel(name)
            self._held.clear()
            self._refused.clear()
            self._receiver.forget()
        return self._channel

    async def serve(self, connection: Connection, channel: Channel, sent: int) -> None:
        """Carry a channel until its connection ends, or another one takes its place; raises why it ended."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self.left_at = connection, None
        loop = asyncio.get_running_loop()

        def take(number: int, body: bytearray) -> asyncio.Future[None]:
            # What was accepted is done, also where the connection is cut before its turn has come.
            return asyncio.shield(loop.run_in_executor(self._turn, self._take, channel, number, body))

        try:
            await connection.exchange(channel, sent, take)
        finally:
            if self._connection is connection:
                self._connection, self.left_at = None, time.monotonic()

    def close(self) -> None:
        """End its stages and threads."""
        if self._connection is not None:
            self._connection.close()
        self._turn.shutdown(wait=False, cancel_futures=True)
        self._aside.shutdown(wait=False, cancel_futures=True)
        self._stack.close(time.monotonic() + CLOSE_S)
        if self._link is not None:
            self._link.close()
        self._runtime.close()

    def _take(self, channel: Channel, number: int, body: bytearray) -> None:
        """Do what a message says. What cannot be done costs that message alone."""
        try:
            self._do(channel, number, body)
        except RunError as error:  # a thread of the stages has ended: nothing gets through any more
            self.broken = str(error)
            raise LostError(self.broken) from None
        except Exception as error:
            log.debug("a message of a client was not taken", exc_info=error)
            if isinstance(error, SettingsError):
                self._unsettled[error.stream] = str(error)
            self._reply(channel, Answered(number, None, f"{type(error).__name__}: {error}".splitlines()[0]))

    def _do(self, channel: Channel, number: int, body: bytearray) -> None:
        message = self._reader.read(body)
        if isinstance(message, Command | CompleteOrder | PackedFrame):
            self._enter(channel, number, message, len(body))
        elif isinstance(message, Restore):
            states = {stream: self._seal.opened(stream, kept) for stream, kept in message.states.items()}
            self._receiver.restore(states)
        elif isinstance(message, ShadowQuestion):
            self._shadow(channel, number, message)
        elif isinstance(message, Prepare):
            self._aside.submit(self._prepare, channel, number, message)
        elif isinstance(message, AskCounts):
            self._aside.submit(self._count, channel, number)
        else:
            self.ended = True
            self._reply(channel, Answered(number))

    def _enter(self, channel: Channel, number: int, message: Command | CompleteOrder | PackedFrame, size: int) -> None:
        """Hand on what a link brings; a frame that is not taken is answered with why, now or when it is completed."""
        if isinstance(message, Command):
            self._unsettled.pop(message.stream, None)
        try:
            if isinstance(message, PackedFrame) and (why := self._unsettled.get(message.stream)):
                raise MalformedError(why)
            if isinstance(message, CompleteOrder) and (why := self._refused.pop(message, "")):
                raise MalformedError(why)
            if isinstance(message, PackedFrame):
                self._hold(message, size)
            taken = self._receiver.take(message)
        except RunError:
            raise
        except Exception as error:
            if isinstance(message, PackedFrame):
                self._held.pop((message.stream, message.seq), None)
                if not message.complete:
                    self._refused[message.stream, message.seq] = str(error)
            raise
        if taken is not None:
            frame, result = taken
            result.add_done_callback(partial(self._answered, channel, number, frame, time.monotonic()))

    def _hold(self, frame: PackedFrame, nbytes: int) -> None:
        """Count a frame that comes in; a run that heeds no credit does not fill the memory."""
        if (sum(list(self._held.values())) + nbytes) / 1e6 > MOST_HELD_MB and self._held:
            raise MalformedError(f"the server holds {MOST_HELD_MB:g} MB of this run: lower the link's `credit_mb`")
        self._held[frame.stream, frame.seq] = nbytes

    def _answered(
        self, channel: Channel, number: int, frame: tuple[str, int], came_at: float, done: Future[Completed]
    ) -> None:
        completed, (stream, _) = done.result(), frame
        if channel is self._channel:  # on another one the same frame has come again
            self._held.pop(frame, None)
        if completed.states:
            completed = completed._replace(states=self._seal.closed(stream, completed.states))
        self._reply(channel, Answered(number, completed, held_s=time.monotonic() - came_at))

    def _shadow(self, channel: Channel, number: int, question: ShadowQuestion) -> None:
        replies = self._receiver.shadow(question.frame, question.asks)
        missing = len(replies)

        def came(_: Future[Reply]) -> None:
            nonlocal missing
            missing -= 1
            if not missing:
                self._reply(channel, Answered(number, [reply.result() for reply in replies]))

        for reply in replies:
            reply.add_done_callback(came)

    def _prepare(self, channel: Channel, number: int, message: Prepare) -> None:
        try:
            self._runtime.prepare(message.configs)
        except Exception as error:
            self._reply(channel, Answered(number, None, str(error)))
        else:
            self._reply(channel, Answered(number))

    def _count(self, channel: Channel, number: int) -> None:
        self._reply(channel, Answered(number, write_counts(self._counted())))

    def _counted(self) -> Counts:
        if self._link is None:
            return self._runtime.counts(self._stack.counts())
        return self._runtime.counts(self._stack.counts() | self._link.counts()) + self._link.server_counts()

    def _reply(self, channel: Channel, answered: Answered) -> None:
        try:
            channel.put(write_answer(answered))
        except CannotCrossError as error:
            channel.put(write_answer(Answered(answered.to, None, str(error))))

    def _restore(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        if self._link is not None:
            self._link.restore(states)
        self._stack.restore(states)
