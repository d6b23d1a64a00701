"""The transform that holds the rules of a stream against its results, behind all others: as they are published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vidpipe.cascade.stage import Context
from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame
from vidpipe.core.rounding import round_seconds
from vidpipe.transforms.base import Moment, Transform
from vidpipe.transforms.learnt.features import EVERY_S, computed
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RulesConfig
from vidpipe.transforms.rules.watch import ROUNDING_S, Happening

RULES = "rules"
"""Id of the transform in every pipeline that has rules, or may get some."""

STREAM_ENDED = "stream ended"
"""Reason of the `end` of what goes on when its stream ends."""


class Rules(Transform[RulesConfig]):
    """Tells of what a stream's rules say; leaves every result as it is, but for the features that rules of kind learnt
    go by: results hold them, so that a replay tells the same.
    """

    needs_frame = False
    Config = RulesConfig

    _read: RulesConfig | None = None  # whose `recorded` is known
    _recorded: tuple[str, ...] = ()

    def open(self, context: Context) -> None:
        self.begin()

    def begin(self) -> None:
        """Know nothing yet of the stream, as at its beginning."""
        self._engine = Engine(self.config)

    def apply(self, frame: Frame | None, answer: Answer, moment: Moment) -> Answer | None:
        if self.config is not self._read:
            self._read, self._recorded = self.config, self.config.recorded
        completed = self._with_features(frame, answer, moment) if self._recorded else None
        self.published(completed or answer, moment)
        return completed

    def published(self, answer: Answer, moment: Moment) -> None:
        self.see(Seen.of(answer, moment, boxes=bool(self.config.rules)), moment.stream)

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

    def see(self, seen: Seen, stream: str) -> None:
        """Take the next result, and emit what happens with it, under the rules in force now."""
        self._engine.stream = stream
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

    @property
    def counts(self) -> Mapping[str, int]:
        """Looks of rules of kind learnt, those of which nothing is known, and questions to a person."""
        return self._engine.learnt_counts

    def snapshot(self) -> Engine:
        return self._engine

    def restore(self, state: Engine) -> None:
        self._engine = state
