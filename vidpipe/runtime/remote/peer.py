"""The `Peer` that is a server: a channel with it outlives its connections, and another one begins where it does not."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

from vidpipe.cascade.cascade import Completed
from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import ConfigError, RunError, VidpipeError
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.plan import Plan
from vidpipe.results.records import Counts
from vidpipe.runtime.links.job import Command, Handled, Job, Order
from vidpipe.runtime.links.peer import SilentError, with_commands
from vidpipe.runtime.links.presence import Presence
from vidpipe.runtime.links.shared_memory import SharedMemoryPool
from vidpipe.runtime.remote.agreement import agreement, fixed
from vidpipe.runtime.remote.caller import Caller, RefusedError, Welcome
from vidpipe.runtime.remote.channel import Channel
from vidpipe.runtime.remote.connection import MOST_BYTES, TIMING, LostError
from vidpipe.runtime.remote.counts import NONE, read_counts
from vidpipe.runtime.remote.messages import (
    AskCounts,
    Bye,
    Down,
    Prepare,
    Restore,
    ShadowQuestion,
    Writer,
    read_answer,
)
from vidpipe.runtime.remote.tls import UntrustedError
from vidpipe.runtime.remote.values import CannotCrossError, MalformedError
from vidpipe.runtime.segment_worker import failed
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk
from vidpipe.runtime.transport.codec import PackedFrame
from vidpipe.runtime.worker import Settings

log = logging.getLogger(__name__)

FIRST_S = 15.0  # for a server to be reached when a run of recordings begins
COUNTS_S = 10.0  # for a server to say what it has counted
PREPARE_S = 300.0  # for a server to load what settings need
BYE_S = 2.0


class _Reply(Protocol):
    """Waits for what comes of a message."""

    def heard(self, value: Any, why: str, held_s: float) -> None:
        """It is this, after the server had what was asked for so long; `why` says why there is none."""
        ...

    def lost(self, error: Exception) -> None:
        """Nobody will say."""
        ...


class ServerPeer:
    """Reaches a server over TLS; see `Peer`.

    Args:
        plan: whose way out leads there.
        clock: by which it is silent.

    Attributes:
        opened: done once the server has taken this run in; raises what keeps it from that. Of a run with live streams
            also done where the server cannot be reached: a site must be able to start while its uplink is down.
    """

    kind = "server"
    gone: tuple[type[BaseException], ...] = (LostError, SilentError)
    pool: SharedMemoryPool | None = None

    def __init__(self, plan: Plan, clock: Clock = REAL) -> None:
        link = plan.way_out
        assert link is not None
        first = plan.here
        below = [stage.id for segment in plan.segments[first:] for stage in segment.stages]
        _check_settings(plan)
        self._lower = link.lower
        self._clock = clock
        self._is_live = any(stream.spec.live for stream in plan.pipeline.streams.values())
        self._writer = Writer(below, self._left_out)
        self._below = frozenset(below)
        self._unable: set[str] = set()
        self._changed = threading.Condition()
        self._states: dict[str, dict[str, bytes]] = {}
        self._untold: set[str] = set()
        self._goes_by: dict[str, Settings] = {}
        self._replies: dict[int, _Reply] = {}
        self._channel = self._new_channel()
        self._life = ""  # of what the server keeps, in this channel
        self._met: Channel | None = None  # the channel that the link has begun
        self._is_up = False
        self._down_since = clock.monotonic()
        self._closed = False
        self._told = ""  # of refusals, the newest that a user was told of
        self._counts: dict[str, Counts] = {}  # by life
        self._counting: Future[Any] | None = None
        self.presence = Presence(link.end, clock)
        self.silent_s = 0.0  # a connection that is down is known at once
        self.why_away = "no answer"
        self.opened: Future[None] = Future()
        name = uuid.uuid4().hex
        call = partial(Caller, name, link.name, link.spec, lambda: agreement(plan, first))
        self._caller = call(lambda: self._channel, self._went_up, self._went_down, self._take, TIMING)
        self.address = str(self._caller.address)

    def start(self) -> None:
        """Begin to connect."""
        self._caller.start()
        if not self._is_live:
            timer = threading.Timer(FIRST_S, self._give_up_opening)
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """Say good-bye, and end the connection."""
        with self._changed:
            said = self._ask(Bye())
            self._closed = True
            self._changed.notify_all()
        try:
            said.exception(BYE_S)
        except TimeoutError:
            log.debug("%s did not hear that the run has ended", self.address)
        self._caller.close(BYE_S)
        self._lose(LostError("the run has ended"))

    def remember(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        with self._changed:
            for stream, kept in states.items():
                self._states.setdefault(stream, {}).update(kept)

    def begin(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        self.remember(states)
        with self._changed:
            self._untold.update(states)

    def meet(self, timeout_s: float | None) -> bool:
        until = float("inf") if timeout_s is None else self._clock.monotonic() + timeout_s
        with self._changed:
            if self._met is self._channel:  # whoever held its frames is not waited for any more
                self._renew(LostError("given up"))
            self._clock.wait_for(self._changed, lambda: self._is_up or self._closed, until)
            if self._closed:
                raise RunError("the run has ended")
            if not self._is_up:
                return False
            self._met, self._goes_by = self._channel, {}
            self._untold.clear()
            if self._states:
                self._put(self._writer.write(Restore(self._states)))
        return True

    def tell(self) -> None:
        with self._changed:
            self._check_met()
            untold = {stream: dict(self._states[stream]) for stream in self._untold}
            self._untold.clear()
            if untold:
                self._put(self._writer.write(Restore(untold)))

    def call(self, entries: Sequence[Job | Order]) -> Future[Handled]:
        handled: Future[Handled] = Future()
        with self._changed:
            self._check_met()
            goes_by = dict(self._goes_by)
            messages = [(entry, self._written(entry)) for entry in with_commands(entries, goes_by)]
            self._goes_by = goes_by
            frames = [_awaited(entry) for entry, _ in messages]
            call = _Call(sum(frame is not None for frame in frames), handled)
            for (_, body), frame in zip(messages, frames, strict=True):
                self._put(body, _OfCall(call, frame) if frame is not None else None)
        return handled

    def shadow(self, item: PackedFrame, asks: Sequence[ShadowAsk]) -> Future[Sequence[Reply]]:
        return self._ask(ShadowQuestion(item, asks))

    def is_silent(self, for_s: float) -> bool:
        with self._changed:
            return not self._is_up and self._clock.monotonic() - self._down_since > for_s

    def prepare(self, configs: Mapping[str, Sequence[StageConfig]]) -> None:
        """Have the server load what these settings need; one that is away does when a frame comes.

        Raises:
            ConfigError: they cannot be used there.
        """
        try:
            self._ask(Prepare(configs)).result(PREPARE_S)
        except (LostError, TimeoutError):
            return
        except RuntimeError as error:
            raise ConfigError(str(error)) from None

    def counts(self, *, fresh: bool, within_s: float = COUNTS_S) -> Counts:
        """What the server has counted for this run, so far as it could tell; `fresh`: waits so long for it to tell."""
        with self._changed:
            asks = self._is_up and (fresh or self._counting is None or self._counting.done())
            if asks:
                self._counting = self._ask(AskCounts())
                self._counting.add_done_callback(partial(self._counted, self._life))
            counting, life = self._counting if asks and fresh else None, self._life
        if counting is not None:
            try:
                counting.exception(within_s)
                self._counted(life, counting)  # its callback may come later than this
            except TimeoutError:
                log.debug("%s does not say what it has counted", self.address)
        with self._changed:
            return sum(self._counts.values(), NONE)

    def _counted(self, life: str, done: Future[Any]) -> None:
        if done.exception() is None:
            with self._changed:
                self._counts[life] = read_counts(done.result())

    def _ask(self, message: Down) -> Future[Any]:
        """Send a message, and wait for what comes of it; RuntimeError says why nothing does."""
        asked = _Asked()
        with self._changed:
            if self._is_up:
                self._put(self._writer.write(message), asked)
            else:
                asked.lost(LostError(self.why_away))
        return asked.future

    def _put(self, body: bytes, reply: _Reply | None = None) -> None:
        def expect(number: int) -> None:
            if reply is not None:
                self._replies[number] = reply

        self._channel.put(body, expect)

    def _written(self, entry: Job | Order | Command) -> bytes:
        message: Any = entry if isinstance(entry, Command) else entry.message(by_slot=False)
        body = self._writer.write(message)
        if len(body) > MOST_BYTES:
            raise CannotCrossError(f"a message of {len(body)} bytes cannot cross: at most {MOST_BYTES} can")
        return body

    def _check_met(self) -> None:
        if self._met is not self._channel:
            raise LostError(self.why_away)

    def _new_channel(self) -> Channel:
        return Channel(uuid.uuid4().hex)

    def _renew(self, error: Exception) -> None:
        """Begin another channel, at once or as soon as there is a server; what waits in this one is lost."""
        self._channel, self._life, self._is_up = self._new_channel(), "", False
        self._caller.reconnect()
        self._lose(error)

    def _lose(self, error: Exception) -> None:
        with self._changed:
            lost, self._replies = self._replies, {}
        for reply in lost.values():
            reply.lost(error)

    def _went_up(self, channel: Channel, welcome: Welcome) -> bool:
        """A server has answered; whether the channel goes on there."""
        with self._changed:
            if channel is not self._channel:
                return False
            if channel.acknowledged > welcome.received or (self._life and self._life != welcome.life):
                self.why_away = "it was started anew"
                self._renew(LostError(self.why_away))
                return False
            self.presence.met()
            self._life, self._is_up = welcome.life, True
            self._changed.notify_all()
        _set(self.opened, None)
        return True

    def _went_down(self, error: Exception) -> None:
        with self._changed:
            if self._closed:
                return
            if self._is_up:
                self._down_since = self._clock.monotonic()
            self._is_up = False
            self.why_away = f"{self.address}: {error}"
            self.presence.lost(self.why_away)
        if isinstance(error, RefusedError | UntrustedError | MalformedError | VidpipeError):
            self._refused(ConfigError(f"the link to {self._lower}: {self.why_away}"))
        elif self._is_live:
            _set(self.opened, None)

    def _refused(self, why: ConfigError) -> None:
        """Who runs the server has to put something right: the run does not begin, and one that goes on says so once."""
        if not self.opened.done():
            _set(self.opened, None, why)
        elif str(why) != self._told:
            self._told = str(why)
            log.warning("%s: it does not take this run, which goes on without it until that is put right", why)

    def _give_up_opening(self) -> None:
        why = f"the link to {self._lower}: {self.why_away}"
        _set(self.opened, None, RunError(f"{why}: is `vidpipe host` running there?"))

    def _take(self, channel: Channel, body: bytes | bytearray) -> None:
        answered = read_answer(body)
        with self._changed:
            reply = self._replies.pop(answered.to, None) if channel is self._channel else None
        if reply is not None:
            reply.heard(self._own(answered.value), answered.failed, answered.held_s)

    def _own(self, value: Any) -> Any:
        """An answer with states of the stages below alone: those of others would be taken for their own here."""
        if isinstance(value, Completed) and value.states:
            return value._replace(states={id: state for id, state in value.states.items() if id in self._below})
        return value

    def _left_out(self, stage: str, why: str) -> None:
        if stage not in self._unable:
            self._unable.add(stage)
            log.warning("what stage %s leaves for stages below does not reach the server: %s", stage, why)


def _check_settings(plan: Plan) -> None:
    """Raises ConfigError where a stream has settings of its own, other than knobs, for a stage of the server."""
    placed = {stage.id: stage for segment in plan.segments[plan.here :] for stage in segment.stages}
    for name, stream in plan.pipeline.streams.items():
        for id, config in stream.configs.items():
            if id in placed and (own := fixed(config)) != (common := fixed(placed[id].config)):
                field = next(field for field, value in own.items() if value != common[field])
                raise ConfigError(
                    f"streams.{name}.stages.{id}.{field} cannot differ by stream: the stage runs on a server, and only "
                    "knobs may differ there"
                )


class _Asked:
    """Waits for what comes of one message."""

    def __init__(self) -> None:
        self.future: Future[Any] = Future()

    def heard(self, value: Any, why: str, held_s: float) -> None:
        _set(self.future, value, RuntimeError(why) if why else None)

    def lost(self, error: Exception) -> None:
        _set(self.future, None, error)


class _Call:
    """The answers of one call, as they come one by one."""

    def __init__(self, wanted: int, handled: Future[Handled]) -> None:
        self.handled = handled
        self._wanted = wanted
        self._came: dict[tuple[str, int], Completed] = {}
        if not wanted:
            handled.set_result(Handled({}, 0.0))

    def heard(self, frame: tuple[str, int], completed: Completed, held_s: float) -> None:
        """The last one says how long it took to cross: all before it had arrived by then."""
        self._came[frame] = completed
        if len(self._came) == self._wanted:
            _set(self.handled, Handled(self._came, held_s))


class _OfCall:
    """Waits for the answer to one frame of a call."""

    def __init__(self, call: _Call, frame: tuple[str, int]) -> None:
        self._call, self._frame = call, frame

    def heard(self, value: Any, why: str, held_s: float) -> None:
        answered = isinstance(value, Completed)
        completed = value if answered else Completed(failed(why or "the server gave no answer"))
        self._call.heard(self._frame, completed, held_s)

    def lost(self, error: Exception) -> None:
        _set(self._call.handled, None, error)


def _awaited(entry: Job | Order | Command) -> tuple[str, int] | None:
    """The frame whose answer comes of this, if one does."""
    if isinstance(entry, Order):
        return entry.job.frame
    return entry.frame if isinstance(entry, Job) and entry.item.complete else None


def _set(future: Future[Any], value: Any, error: Exception | None = None) -> None:
    """Have a future done, unless it is."""
    if not future.done():
        future.set_result(value) if error is None else future.set_exception(error)
