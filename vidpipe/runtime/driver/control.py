"""What can be said to a running cascade: other settings, other streams. Each is said once, and holds from then on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import ValidationError

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import ConfigError, VidpipeError
from vidpipe.core.nearest import did_you_mean
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline import diff
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.pipeline.yaml.edit_rules import Written, edit_rules
from vidpipe.results.collector import Collector
from vidpipe.results.records import Position, Result
from vidpipe.runtime.driver.epochs import Changes, Epoch, changed, timeline, told
from vidpipe.runtime.engine import Engine
from vidpipe.sources.base import StreamSpec
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.spec import RulesConfig

log = logging.getLogger(__name__)

Check = Callable[[Pipeline, Sequence[Epoch]], None]
"""Sees what there is at the moment of a change, when nobody else can change it; what it raises prevents the change."""


class _Reading(NamedTuple):
    """A configuration that was read again, while what its settings need is being loaded."""

    fresh: Pipeline
    found: diff.Changes
    loaded: Future[None]


class Control:
    """Changes a run while it goes on.

    Settings change by epochs: a frame is treated under one epoch on every tier, and its result names it. Streams come,
    go, are paused and begin anew; one that begins anew has ended before, and goes on behind its last answer.

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
        self._read = pipeline  # as the configuration had it: without what was applied since
        self._engine = engine
        self._collector = collector
        self._reload = reload
        self._reading: _Reading | None = None
        self._configs: dict[str, dict[int, Mapping[str, StageConfig]]] = {}  # of transforms, by stream and epoch
        self._noted: dict[str, int] = {}  # the newest epoch that an answer has named, by stream
        self._remember(pipeline)
        self._clock = clock
        self._lock = threading.Lock()  # of the pipeline and its epochs, held for moments
        self._applying = threading.Lock()  # one change at a time, models may load meanwhile
        self._ending: set[str] = set()  # streams that begin anew once they have ended
        self._paused: set[str] = set()

    @property
    def done(self) -> bool:
        """Whether no stream is between its end and its new beginning."""
        return not self._ending and not self._paused

    @property
    def paused(self) -> frozenset[str]:
        """Streams that have been paused, and not resumed."""
        with self._lock:
            return frozenset(self._paused)

    def apply(
        self, changes: Changes, streams: Collection[str] | None, *, by: str, reason: str, check: Check | None = None
    ) -> Epoch:
        """Change settings, from the next frame of each stream on.

        Returns once every tier knows them: what they need is loaded before they come into force.

        Raises:
            ConfigError: there are no such settings, or what they need does not load; nothing has changed then.
        """
        with self._applying:
            named = self._prepare(changes, streams)
            with self._lock:
                if check is not None:
                    check(self.pipeline, self.epochs)
                # Streams may have come and gone while models were loading.
                kept = [name for name in named if name in self.pipeline.streams]
                fresh, epoch = self._turn(self.pipeline, changes, kept, by=by, reason=reason)
                self._put_in_force(fresh)
            return epoch

    def edit_rules(
        self,
        stream: str,
        *,
        add: Written | None,
        change: Written | None,
        remove: Mapping[str, Sequence[str]] | None,
        by: str,
        reason: str,
        check: Check | None = None,
    ) -> Epoch:
        """Change the rules of a stream, its zones and lines; see `pipeline.yaml.edit_rules`. Otherwise as `apply`."""
        with self._applying, self._lock:
            if check is not None:
                check(self.pipeline, self.epochs)
            rules = edit_rules(self.pipeline, stream, add=add, change=change, remove=remove)
            fresh, epoch = self._turn(self.pipeline, _whole(rules), [stream], by=by, reason=reason)
            self._put_in_force(fresh)
            return epoch

    def pause(self, stream: str) -> None:
        """End a stream until it is resumed; one that is paused stays so. Raises ConfigError."""
        with self._lock:
            self._check(stream)
            if stream in self._paused:
                return
            if stream in self._collector.ended and stream not in self._ending:
                raise ConfigError(f"stream '{stream}' cannot be paused: it has ended")
            self._paused.add(stream)
            self._ending.discard(stream)
            self._engine.remove({stream})

    def resume(self, stream: str, *, by: str, reason: str) -> None:
        """Have a stream that was paused begin anew behind its last answer, in a new epoch. Raises ConfigError."""
        with self._lock:
            self._check(stream)
            if stream not in self._paused:
                return
            epoch = self._begin_epoch([stream], _rules(self.pipeline, stream), by=by, reason=reason, anew=True)
            self._replace(stream, replace(self.pipeline.streams[stream], epoch=epoch.number))
            self._paused.discard(stream)
            self._ending.add(stream)

    def ask_floor(self, stream: str, floor: float | None) -> None:
        """Ask another accuracy of a stream; what has been counted is held against it. Raises ConfigError."""
        with self._lock:
            self._check(stream)
            try:
                known = self.pipeline.streams[stream]
                spec = StreamSpec.model_validate(known.spec.model_dump() | {"floor": floor})
            except ValidationError as error:
                raise ConfigError(f"streams.{stream}.floor: {error.errors()[0]['msg']}, not {floor}") from None
            self._replace(stream, replace(known, spec=spec))
            self._promise([stream])

    def _check(self, stream: str) -> None:
        if stream not in self.pipeline.streams:
            raise ConfigError(f"there is no stream '{stream}'{did_you_mean(stream, self.pipeline.streams)}")

    def _replace(self, name: str, stream: Stream) -> None:
        self._put_in_force(replace(self.pipeline, streams={**self.pipeline.streams, name: stream}))

    def position(self, stream: str) -> Position:
        """Where a stream has to go on, if what ran it is gone."""
        return self._collector.position(stream)._replace(configs=self._configs.get(stream, {}))

    def note(self, records: list[Result]) -> None:
        """See where epochs begin, in answers as they come, and have the first answer under each of them tell it."""
        for index, record in enumerate(records):
            noted = self._noted.get(record.stream, 0)
            if record.epoch <= noted:
                continue
            self._noted[record.stream] = record.epoch
            records[index] = record._replace(settings=told(self.epochs[noted : record.epoch], record.stream))
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
        """Look whether the configuration has changed, and begin anew what has ended for it; never waits."""
        if self._reload is not None:
            self._read_again(self._reload)
        with self._lock:
            ended = self._ending & self._collector.ended.keys()
            self._ending -= ended
        if ended:
            self._begin(ended)

    def _read_again(self, reload: Callable[[], Pipeline | None]) -> None:
        try:
            if self._reading is None and (fresh := reload()) is not None:
                self._look_into(fresh)
            if self._reading is not None and self._reading.loaded.done() and self._applying.acquire(blocking=False):
                reading, self._reading = self._reading, None
                try:
                    reading.loaded.result()
                    self._take_up(reading.fresh, reading.found)
                finally:
                    self._applying.release()
        except VidpipeError as error:
            log.warning("the configuration is not taken up, and the run goes on as it is: %s", error)

    def _prepare(self, changes: Changes, streams: Collection[str] | None) -> tuple[str, ...]:
        """Load what settings need, beside what is in use; whose they are."""
        fresh, named = changed(self.pipeline, changes, streams, 0)
        self._engine.prepare({stage: [fresh.streams[name].configs[stage] for name in named] for stage in changes})
        return named

    def _turn(
        self, pipeline: Pipeline, changes: Changes, streams: Collection[str], *, by: str, reason: str
    ) -> tuple[Pipeline, Epoch]:
        """The pipeline with other settings, as a new epoch."""
        pipeline, named = changed(pipeline, changes, streams, len(self.epochs) + 1)
        if RULES in changes:
            pipeline = _with_places(pipeline, named)
        return pipeline, self._begin_epoch(named, changes, by=by, reason=reason)

    def _put_in_force(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._remember(pipeline)
        self._engine.update(pipeline)

    def _remember(self, pipeline: Pipeline) -> None:
        """Keep what transforms are told by, as long as results of that epoch may have to be shown to them again."""
        for name, stream in pipeline.streams.items():
            oldest = self._collector.oldest_epoch(name)
            kept = {epoch: own for epoch, own in self._configs.get(name, {}).items() if epoch >= oldest}
            own = {each.id: stream.configs.get(each.id, each.config) for each in pipeline.transforms}
            self._configs[name] = {**kept, stream.epoch: own}

    def _begin_epoch(
        self, streams: Collection[str], changes: Changes, *, by: str, reason: str, anew: bool = False
    ) -> Epoch:
        values = {part: dict(fields) for part, fields in changes.items()}
        epoch = Epoch(len(self.epochs) + 1, self._clock.utc(), by, reason, tuple(streams), values, anew)
        self.epochs = (*self.epochs, epoch)
        return epoch

    def _look_into(self, fresh: Pipeline) -> None:
        """See what has changed, and have loaded what that needs."""
        found = diff.changes(self._read, fresh)
        if not found:
            log.info("the configuration was read again: %s", found)
            return
        self._reading = _Reading(fresh, found, Future())
        # Aside, as models take seconds to load, in which others have answers.
        threading.Thread(target=self._load, args=self._reading, name="vidpipe-reload", daemon=True).start()

    def _load(self, fresh: Pipeline, found: diff.Changes, loaded: Future[None]) -> None:
        try:
            self._engine.check(fresh)
            for settings, streams in _alike(found.turned):
                self._prepare(settings, streams)
        except BaseException as error:
            loaded.set_exception(error)
        else:
            loaded.set_result(None)

    def _take_up(self, fresh: Pipeline, found: diff.Changes) -> None:
        with self._lock:
            turns = {name: self._with_rules(name, fresh, settings) for name, settings in found.turned.items()}
            # What was applied to a stream that goes on stays, but for what the configuration says anew.
            streams = dict(fresh.streams)
            for name in found.going_on:
                streams[name] = self.pipeline.streams[name]
                if name in found.promised:
                    streams[name] = replace(streams[name], spec=fresh.streams[name].spec)
            for names, reason in ((found.changed, "the stream begins anew"), (found.added, "the stream joins")):
                for rules, alike in _alike({name: _rules(fresh, name) for name in names}):
                    epoch = self._begin_epoch(alike, rules, by="reload", reason=reason, anew=True)
                    streams |= {name: replace(fresh.streams[name], epoch=epoch.number) for name in alike}
            pipeline = replace(fresh, streams=streams)
            for settings, turned in _alike(turns):
                pipeline, _ = self._turn(pipeline, settings, turned, by="reload", reason="the configuration changed")
            self._read = fresh
            self._put_in_force(pipeline)
            self._promise(found.promised)
            going = {*found.removed, *found.changed} - self._collector.ended.keys()
            self._engine.remove(going)
            anew = {stream for stream in found.added if stream in self._collector.ledgers}
            self._paused -= {*found.removed, *found.added}
            self._ending = ((self._ending | set(found.changed) | anew) & fresh.streams.keys()) - self._paused
            self._begin([stream for stream in found.added if stream not in anew])
            log.warning("the configuration was taken up: %s", found)

    def _with_rules(self, stream: str, fresh: Pipeline, settings: Changes) -> Changes:
        """New settings of a configuration; of rules only what has changed in it, so that others stay as edited."""
        if RULES not in settings:
            return settings
        there = [each.streams[stream].configs.get(RULES) for each in (self.pipeline, self._read, fresh)]
        own, was, now = (rules if isinstance(rules, RulesConfig) else RulesConfig() for rules in there)
        try:
            return {**settings, **_whole(own.with_changes(was, now))}
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise ConfigError(f"stream {stream}: its rules do not fit those edited while it runs: {why}") from None

    def _begin(self, streams: Collection[str]) -> None:
        for stream in streams:
            self._collector.begin(stream, live=self.pipeline.streams[stream].spec.live)
        self._promise(streams)
        self._engine.add({stream: self.position(stream) for stream in streams})

    def _promise(self, streams: Collection[str]) -> None:
        for stream in streams:
            spec = self.pipeline.streams[stream].spec
            self._collector.promise(stream, spec.floor, spec.want)


def _rules(pipeline: Pipeline, stream: str) -> Changes:
    """The rules that a stream has, as changes from having none."""
    rules = pipeline.streams[stream].configs.get(RULES)
    return {} if rules is None else _whole(rules)


def _whole(rules: StageConfig) -> Changes:
    """Rules as changes of all their settings."""
    return {RULES: {name: getattr(rules, name) for name in type(rules).model_fields}}


def _with_places(pipeline: Pipeline, streams: Collection[str]) -> Pipeline:
    """The pipeline with the zones and lines of these streams as their rules have them."""
    there = dict(pipeline.streams)
    for name in streams:
        rules = there[name].configs.get(RULES)
        if isinstance(rules, RulesConfig):
            spec = there[name].spec.model_copy(update={"zones": rules.zones, "lines": rules.lines})
            there[name] = replace(there[name], spec=spec)
    return replace(pipeline, streams=there)


def _alike(turned: Mapping[str, Changes]) -> list[tuple[Changes, list[str]]]:
    """Streams by their new settings: one epoch for all that get the same."""
    groups: list[tuple[Changes, list[str]]] = []
    for stream, settings in turned.items():
        group = next((streams for known, streams in groups if known == settings), None)
        if group is None:
            groups.append((settings, group := []))
        group.append(stream)
    return groups
