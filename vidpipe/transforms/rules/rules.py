"""The transform that holds the rules of a stream against its results, behind all others: as they are published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vidpipe.cascade.stage import Context
from vidpipe.core.answer import Answer
from vidpipe.core.event import Look, Phase
from vidpipe.core.frame import Frame
from vidpipe.core.rounding import round_seconds
from vidpipe.core.ways import Ways
from vidpipe.transforms.base import Moment, Transform
from vidpipe.transforms.learnt.features import EVERY_S, computed
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.looks import LOOKS
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RulesConfig
from vidpipe.transforms.rules.watch import ROUNDING_S, Happening

if TYPE_CHECKING:
    import supervision as sv

RULES = "rules"
"""Id of the transform in every pipeline that has rules, or may get some."""

STREAM_ENDED = "stream ended"
"""Reason of the `end` of what goes on when its stream ends."""


class Rules(Transform[RulesConfig]):
    """Tells of what a stream's rules say; leaves every result as it is, but for the features that rules of kind learnt
    go by, and for what the object of an event looks like that may join another one: results hold these, so that a
    replay tells the same.
    """

    needs_frame = False
    Config = RulesConfig

    _read: RulesConfig | None = None  # whose `recorded` is known
    _recorded: tuple[str, ...] = ()
    _joining: Mapping[str, Ways] = {}
    _described: sv.Detections | None = None  # the newest that were

    def open(self, context: Context) -> None:
        self.begin()

    def begin(self) -> None:
        """Know nothing yet of the stream, as at its beginning."""
        self._engine = Engine(self.config)

    def apply(self, frame: Frame | None, answer: Answer, moment: Moment) -> Answer | None:
        self._look_up()
        completed = self._with_features(frame, answer, moment) if self._recorded else None
        self.published(completed or answer, moment)
        if self._told:
            completed = completed or answer
            completed = replace(completed, features={**completed.features, **self._told})
        return completed

    def published(self, answer: Answer, moment: Moment) -> None:
        self.see(Seen.of(answer, moment, boxes=bool(self.config.rules)), moment.stream, answer.detections)

    def _look_up(self) -> None:
        """What the rules in force now need, where they are others than at the result before."""
        if self.config is not self._read:
            self._read, self._recorded, self._joining = self.config, self.config.recorded, self.config.joining

    def _with_features(self, frame: Frame | None, answer: Answer, moment: Moment) -> Answer | None:
        """The answer with what had been computed of the frame, where that is due; None where it is not."""
        pts = round_seconds(moment.pts)
        features: dict[str, list[float]] = {}
        for name in self._recorded:
            if not 0 <= pts - self._engine.recorded.get(name, -math.inf) < EVERY_S - ROUNDING_S:
                found = computed(frame, answer, name)
                if found is not None:
                    features[name] = found
        return replace(answer, features=features) if features else None

    def ended(self, moment: Moment) -> None:
        self.end(moment.stream)

    def see(self, seen: Seen, stream: str, boxes: sv.Detections | None = None) -> None:
        """Take the next result, and emit what happens with it, under the rules in force now.

        Args:
            boxes: of the result, where they may be described; of one that is replayed, its features say what matters.
        """
        self._look_up()
        self._engine.stream = stream
        if self._joining:
            self._engine.looks.see(seen)
            if boxes is not None and boxes is not self._described:  # a repeated answer says nothing more
                self._engine.looks.describe(boxes)
                self._described = boxes
        self._told: dict[str, list[float]] = {}
        happened = self._engine.go_by(self.config, seen) + self._engine.see(seen)
        self._emit(seen, stream, happened)

    def end(self, stream: str) -> None:
        """Emit, at the newest result, that what goes on has ended with the stream."""
        if self._engine.newest is not None:
            self._emit(self._engine.newest, stream, self._engine.end(STREAM_ENDED))

    def _emit(self, seen: Seen, stream: str, happened: Sequence[Happening]) -> None:
        if not happened:
            return
        moment = Moment(stream, seen.seq, seen.pts, seen.at, seen.width, seen.height, seen.epoch, model=seen.model)
        told = {"miss_rate": self._engine.miss_rate()}
        for kind, phase, rule, id, version, data in happened:
            more = {"config": f"{seen.epoch}-{version}", **told}
            self.emit(kind, moment, phase=phase, id=id, rule=rule, age_s=self._engine.age_s, **data, **more)
            if phase is Phase.BEGIN and rule in self._joining and self._emitted:
                self._emitted[-1] = replace(self._emitted[-1], look=self._look(seen, rule, data["track_id"]))

    def _look(self, seen: Seen, rule: str, track: int | None) -> Look | None:
        """What the object of an event looks like; None where nobody knows."""
        first = None if track is None else self._engine.looks.first(track)
        name = f"{LOOKS}{track}"
        if track is None or first is None:
            return None
        vector = seen.features.get(name) or self._engine.looks.of(track)
        if not vector:
            return None
        self._told[name] = list(vector)
        return Look(tuple(vector), first, self._joining[rule])

    @property
    def counts(self) -> Mapping[str, int]:
        """Looks of rules of kind learnt, those of which nothing is known, and questions to a person."""
        return self._engine.learnt_counts

    def snapshot(self) -> Engine:
        return self._engine

    def restore(self, state: Engine) -> None:
        self._engine = state
