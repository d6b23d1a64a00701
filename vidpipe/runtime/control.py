"""What can be said to a running cascade: other settings, other streams. Each is said once, and holds from then on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.diff import changes
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.records import Result
from vidpipe.runtime.engine import Engine
from vidpipe.runtime.epochs import Changes, Epoch, changed, timeline

log = logging.getLogger(__name__)


class Control:
    """Changes a run while it goes on.

    Settings change by epochs: a frame is treated under one epoch on every tier, and its result names it. Streams come,
    go and begin anew; one that changes ends, and begins anew behind its last answer.

    Attributes:
        pipeline: as it is now.
        epochs: all changes of settings so far.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        engine: Engine,
        collector: Collector,
        reload: Callable[[], Pipeline | None] | None = None,
        clock: Clock = REAL,
    ) -> None:
        self.pipeline = pipeline
        self.epochs: tuple[Epoch, ...] = ()
        self._engine = engine
        self._collector = collector
        self._reload = reload
        self._clock = clock
        self._lock = threading.Lock()  # of the pipeline and its epochs, held for moments
        self._applying = threading.Lock()  # one change at a time, models may load meanwhile
        self._ending: set[str] = set()  # streams that begin anew once they have ended

    @property
    def done(self) -> bool:
        """Whether no stream is between its end and its new beginning."""
        return not self._ending

    def apply(self, changes: Changes, streams: Collection[str] | None, *, by: str, reason: str) -> Epoch:
        """Change settings, from the next frame of each stream on.

        Returns once every tier knows them: what they need is loaded before they come into force.

        Raises:
            ConfigError: there are no such settings, or what they need does not load; nothing has changed then.
        """
        with self._applying:
            number = len(self.epochs) + 1
            fresh, named = changed(self.pipeline, changes, streams, number)
            self._engine.prepare({stage: [fresh.streams[name].configs[stage] for name in named] for stage in changes})
            epoch = Epoch(number, self._clock.utc(), by, reason, named, {id: dict(new) for id, new in changes.items()})
            with self._lock:
                # Streams may have come and gone while models were loading.
                kept = [name for name in named if name in self.pipeline.streams]
                self.pipeline, _ = changed(self.pipeline, changes, kept, number)
                self.epochs = (*self.epochs, epoch)
                self._engine.update(self.pipeline)
            return epoch

    def note(self, records: Collection[Result]) -> None:
        """See where epochs begin, in answers as they come."""
        for record in records:
            if record.epoch and record.stream not in self.epochs[record.epoch - 1].began:
                epoch = self.epochs[record.epoch - 1]
                began = {**epoch.began, record.stream: (record.seq, record.pts)}
                with self._lock:
                    self.epochs = tuple(
                        replace(each, began=began) if each.number == epoch.number else each for each in self.epochs
                    )

    def timeline(self, stream: str) -> list[dict[str, Any]]:
        """The epochs of a stream, as the report has them."""
        return timeline(self.epochs, stream)

    def go_on(self) -> None:
        """Look whether the configuration has changed, and begin anew what has ended for it."""
        if self._reload is None:
            return
        try:
            if (fresh := self._reload()) is not None:
                self._take_up(fresh)
        except ConfigError as error:
            log.warning("the configuration is not taken up, and the run goes on as it is: %s", error)
        if ended := self._ending & self._collector.ended.keys():
            self._ending -= ended
            self._begin(ended)

    def _take_up(self, fresh: Pipeline) -> None:
        with self._lock:
            found = changes(self.pipeline, fresh)
            if not found:
                log.warning("the configuration was read again: %s", found)
                return
            self.pipeline = fresh
            self._engine.update(fresh)
            going = {*found.removed, *found.changed} - self._collector.ended.keys()
            self._engine.remove(going)
            anew = {stream for stream in found.added if stream in self._collector.ledgers}
            self._ending = (self._ending | set(found.changed) | anew) & fresh.streams.keys()
            self._begin([stream for stream in found.added if stream not in anew])
            log.warning("the configuration was taken up: %s", found)

    def _begin(self, streams: Collection[str]) -> None:
        for stream in streams:
            self._collector.begin(stream, live=self.pipeline.streams[stream].spec.live)
        self._engine.add({stream: self._collector.position(stream) for stream in streams})
