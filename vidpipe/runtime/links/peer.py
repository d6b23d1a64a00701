"""What a link knows of its other end, whatever it is reached over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from vidpipe.cascade.cascade import Completed
from vidpipe.runtime.links.job import Command, Handled, Job, Order
from vidpipe.runtime.links.presence import Presence
from vidpipe.runtime.links.shared_memory import SharedMemoryPool
from vidpipe.runtime.segment_worker import failed
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk
from vidpipe.runtime.transport.codec import PackedFrame
from vidpipe.runtime.worker import Settings


class SilentError(Exception):
    """The other end has not said a word for so long that nobody waits for its answer any more."""


class Peer(Protocol):
    """Reaches the other end of a link. A new instance of it is told what the one before it knew, before any frame.

    Attributes:
        kind: what is there, for messages: "actor".
        gone: what a call raises whose frames have to be sent again, as the instance that held them is lost.
        pool: memory for the pictures that both ends have; None: they travel in the message.
        presence: whether anybody is there.
        silent_s: without a word for so long nobody is there.
        why_away: what kept it from being met the last time.
    """

    kind: str
    gone: tuple[type[BaseException], ...]
    pool: SharedMemoryPool | None
    presence: Presence
    silent_s: float

    @property
    def why_away(self) -> str: ...

    def remember(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        """Hold what stages below keep, by stream and stage id, for an instance that knows nothing of these streams."""
        ...

    def begin(self, states: Mapping[str, Mapping[str, bytes]]) -> None:
        """The same for streams that begin now: the instance that is there may not know them either."""
        ...

    def meet(self, timeout_s: float | None) -> bool:
        """Wait until an instance is there, and tell it all; whether one came in time (None: however long it takes)."""
        ...

    def tell(self) -> None:
        """Tell of streams that have begun since it was met; raises one of `gone` where it is lost."""
        ...

    def call(self, entries: Sequence[Job | Order]) -> Future[Handled]:
        """Hand over a batch, behind those of earlier calls; raises what keeps a message from being sent.

        What the other end has to go by for a stream goes before the first frame that it is for.
        """
        ...

    def shadow(self, item: PackedFrame, asks: Sequence[ShadowAsk]) -> Future[Sequence[Reply]]:
        """Have shadow asks answered, in any order with frames; raises what keeps the call from being sent."""
        ...

    def is_silent(self, for_s: float) -> bool:
        """Whether it has said nothing for so long; to be asked now and then while a call is out."""
        ...


def outcome(peer: Peer, done: Future[Handled], ping_every_s: float, silent_s: float) -> BaseException | None:
    """How a call ends: what it raised, None where it brought answers, a SilentError where the other end is silent.

    Args:
        silent_s: without a word for so long nobody waits any more.
    """
    while True:
        try:
            return done.exception(ping_every_s)
        except TimeoutError:
            if peer.is_silent(silent_s):
                return SilentError()


def answer_of(job: Job, done: Future[Handled], error: BaseException | None, end: str) -> Completed:
    """What a call has brought for a frame, given how it ended; one that raised fails it, with the name of that end."""
    if error is not None:
        return Completed(failed(f"{end}: {one_line(error)}"))
    return done.result().answers[job.frame]


def with_commands(entries: Sequence[Job | Order], goes_by: dict[str, Settings]) -> Iterator[Job | Order | Command]:
    """These, each frame behind what its settings are where the other end does not go by them yet.

    Args:
        goes_by: what the other end was told, by stream; it is brought up to date.
    """
    for entry in entries:
        if isinstance(entry, Job) and not _same(goes_by.get(entry.item.stream), entry.settings):
            goes_by[entry.item.stream] = entry.settings
            yield Command(entry.item.stream, entry.settings)
        yield entry


def _same(told: Settings | None, settings: Settings) -> bool:
    """Whether all parts are the same objects: settings may hold what cannot be compared, and parts stay until changed.

    The number of their epoch is not enough: a stream that begins anew with other settings has the number that it had.
    """
    return told is not None and all(before is now for before, now in zip(told, settings, strict=True))


def one_line(error: BaseException) -> str:
    """What went wrong, as a user can read it: of an error that Ray brought, the one behind it."""
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0]
