"""The last frames of a stream that filters answered, and the asking of them when two looks differ."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, cast

from vidpipe.cascade.reachback import Correction, ReachbackSpec, Search
from vidpipe.core.answer import Answer, How, class_ids
from vidpipe.core.clock import Clock
from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.plan import Plan
from vidpipe.pipeline.spec import why_not_again
from vidpipe.results.outbox import Outbox
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk, Tell
from vidpipe.runtime.streams.hiding import hiding
from vidpipe.runtime.transport.kept import kept
from vidpipe.sources.base import LiveSource, Source
from vidpipe.sources.view import View

WAITING = 4  # pairs of looks that differ and are still to be searched; of more the oldest is left out
REFUSALS = 3  # of frames that are asked in a search, after which it is given up: nobody has time


@dataclass(slots=True)
class _Past:
    """A frame that has been answered.

    Attributes:
        said: classes of its answer, as it was published.
        frame: a copy, where a filter answered it; None: it cannot be asked.
    """

    seq: int
    pts: float
    captured_at: float | None
    said: frozenset[int]
    frame: Frame | None


class _Look(NamedTuple):
    seq: int
    found: frozenset[int]
    config: StageConfig | None


class _Open(NamedTuple):
    """A search, and the frames that it is about."""

    search: Search
    past: Mapping[int, _Past]
    config: StageConfig


class Reachback:
    """Of one stream, for its thread.

    What has been published stays; what is found out is told with the next result of the stream.

    Args:
        stage: id of the last one, which is asked.
        classes: names of the pipeline's classes.
        copy: of a frame, to be kept.
        ask: has it asked; see `Downstream.shadow`.
        without_hidden: leaves out boxes in hidden parts of a picture.
        clock: that answers are waited for by.
        count: told what there is to count; see `StreamLedger.reachback`.
        wake: called, in some thread, when there may be something to do in `step`.
    """

    def __init__(
        self,
        spec: ReachbackSpec,
        stage: str,
        classes: Sequence[str],
        copy: Callable[[Frame], Frame],
        ask: Callable[[Frame, Sequence[ShadowAsk], Tell], None],
        without_hidden: Callable[[Answer, Frame], Answer],
        clock: Clock,
        count: Callable[[Counter[str]], None] = lambda _: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._spec = spec
        self._stage = stage
        self._classes = classes
        self._copy = copy
        self._ask = ask
        self._without_hidden = without_hidden
        self._clock = clock
        self._count = count
        self._wake = wake
        self._past: deque[_Past] = deque()
        self._bytes = 0
        self._kept = -spec.frames  # number of the newest frame that is kept
        self._newest: _Look | None = None
        self._waiting: deque[_Open] = deque()
        self._found: list[Correction] = []
        self._asked: tuple[int, Future[Reply]] | None = None
        self._refused = 0  # in the search that goes on
        self._until = 0.0  # when the frame that is asked is given up, by the monotonic clock
        self._counts: Counter[str] = Counter()

    def publish(
        self,
        item: Frame | Missing,
        answer: Answer,
        waits: Callable[[Future[Reply], float], bool],
        *,
        by_filter: bool,
    ) -> tuple[Correction, ...]:
        """Take note of what is published of the next picture; what has become known of earlier ones.

        Args:
            waits: waits for an answer, at most until a time; False: nobody waits for any more.
            by_filter: no later stage looked at it, nor is asked to.
        """
        while (coming := self.step()) is not None and waits(coming, self._until):
            pass
        self._see(item, answer, by_filter=by_filter)
        if self._counts:
            self._count(self._counts)
            self._counts = Counter()
        found, self._found = self._found, []
        return tuple(found)

    def _see(self, item: Frame | Missing, answer: Answer, *, by_filter: bool) -> None:
        keep = by_filter and isinstance(item, Frame) and item.seq - self._kept >= self._spec.frames
        frame = self._copy(item) if keep and isinstance(item, Frame) else None
        self._past.append(_Past(item.seq, item.pts, item.captured_at, class_ids(answer), frame))
        if frame is not None:
            self._kept = item.seq
            self._bytes += frame.picture.nbytes
        while self._past and not 0 <= item.pts - self._past[0].pts <= self._spec.seconds:
            self._forget(self._past.popleft())
        for past in self._past:
            if self._bytes <= self._spec.mb * 1e6:
                break
            self._forget(past)

    def look(self, frame: Frame, answer: Answer) -> None:
        """Take note of what the last stage found in a frame; where its look before differs, search between them."""
        config = frame.knobs.stages.get(self._stage)
        look = _Look(frame.seq, class_ids(answer), config)
        before = self._newest
        if before is not None and look.seq <= before.seq:
            return
        self._newest = look
        # Under other settings it finds other things in the same picture.
        if before is None or config is None or look.found == before.found or config != before.config:
            return
        past = {each.seq: each for each in self._past if before.seq < each.seq < look.seq}
        kept = [each.seq for each in past.values() if each.frame is not None]
        if not kept:
            return
        if len(self._waiting) == WAITING:
            self._counts["given_up"] += 1
            del self._waiting[1 if self._asked else 0]
        self._counts["searches"] += 1
        search = Search(before.seq, before.found, look.seq, look.found, kept, self._spec.frames)
        self._waiting.append(_Open(search, {seq: replace(each) for seq, each in past.items()}, config))

    def step(self) -> Future[Reply] | None:
        """Take what has come, and ask what is next; the answer that is waited for, None where nothing is."""
        if self._asked is not None:
            asked, coming = self._asked
            if not coming.done() and self._clock.monotonic() < self._until:
                return coming
            self._asked = None
            self._take(asked, coming.result() if coming.done() else None)
        while self._waiting:
            opened = self._waiting[0]
            seq = opened.search.next() if self._refused < REFUSALS else None
            if seq is None:
                self._found += self._corrections(opened)
                self._refused = 0
                self._waiting.popleft()
                continue
            coming = self._asked_of(opened, seq)
            if not coming.done():
                self._asked = seq, coming
                self._until = self._clock.monotonic() + self._spec.patience_s
                coming.add_done_callback(lambda _: self._wake())
                return coming
            self._take(seq, coming.result())
        return None

    def _asked_of(self, opened: _Open, seq: int) -> Future[Reply]:
        frame = opened.past[seq].frame
        assert frame is not None
        coming: Future[Reply] = Future()
        self._counts["asked"] += 1
        ask = ShadowAsk(0, 0, "reachback", self._stage, opened.config, back=True)
        self._ask(frame, [ask], lambda _, reply: coming.set_result(reply))
        return coming

    def _take(self, seq: int, reply: Reply | None) -> None:
        search, past, _ = self._waiting[0]
        if reply is None or reply.answer.how is How.FAILED:
            # One that takes too long is not followed by another one, which would wait behind it.
            self._refused += 1 if reply is not None else REFUSALS
            self._counts["unanswered"] += 1
            search.lose(seq)
            return
        frame = past[seq].frame
        assert frame is not None
        search.tell(seq, class_ids(self._without_hidden(reply.answer, frame)))

    def _corrections(self, opened: _Open) -> Iterator[Correction]:
        search, past, _ = opened
        for label, (low, high) in search.moments().items():
            came = search.appeared(label)
            wrong = sum((label in each.said) != came for each in past.values() if each.seq >= high)
            if not wrong:  # what was published said so already
                continue
            at = past[high]
            place = at.seq, at.pts, at.captured_at, high - low
            yield Correction(self._classes[label], came, *place, search.look, wrong, search.asked)

    def _forget(self, past: _Past) -> None:
        if past.frame is not None:
            self._bytes -= past.frame.picture.nbytes
            past.frame = None


def reachback_of(
    plan: Plan,
    stream: str,
    ask: Callable[[Frame, Sequence[ShadowAsk], Tell], None],
    source: Source,
    outbox: Outbox,
    clock: Clock,
) -> Reachback | None:
    """What asks again for a stream; None where nobody wants it, or no filter answers.

    Raises:
        ConfigError: the last stage cannot be asked again.
    """
    pipeline = plan.pipeline
    if pipeline.reachback is None or len(pipeline.stages) < 2:
        return None
    last = pipeline.stages[-1]
    if why := why_not_again(last.id, last.type):
        raise ConfigError(f"reachback: {why}")
    link = next((link for link in plan.links if link.spec.codec != "raw"), None)
    view = View.of(pipeline.streams[stream].spec)
    return Reachback(
        pipeline.reachback,
        last.id,
        pipeline.classes.names,
        lambda frame: kept(frame, link, {last.id: [frame.knobs.stages.get(last.id, last.config)]}),
        ask,
        hiding(view) if view else lambda answer, _: answer,
        clock,
        partial(outbox.reached_back, stream),
        cast("LiveSource", source).nudge if pipeline.streams[stream].spec.live else lambda: None,
    )
