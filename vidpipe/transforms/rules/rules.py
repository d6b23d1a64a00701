"""The transform that holds the rules of a stream against its results, behind all others: as they are published."""

from __future__ import annotations

from collections.abc import Sequence

from vidpipe.cascade.stage import Context
from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame
from vidpipe.transforms.base import Moment, Transform
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RulesConfig
from vidpipe.transforms.rules.watch import Happening

RULES = "rules"
"""Id of the transform in every pipeline that has rules, or may get some."""

STREAM_ENDED = "stream ended"
"""Reason of the `end` of what goes on when its stream ends."""


class Rules(Transform[RulesConfig]):
    """Tells of what a stream's rules say; leaves every result as it is."""

    Config = RulesConfig

    def open(self, context: Context) -> None:
        self.begin()

    def begin(self) -> None:
        """Know nothing yet of the stream, as at its beginning."""
        self._engine = Engine(self.config)

    def apply(self, frame: Frame | None, answer: Answer, moment: Moment) -> None:
        self.published(answer, moment)

    def published(self, answer: Answer, moment: Moment) -> None:
        self.see(Seen.of(answer, moment, boxes=bool(self.config.rules)), moment.stream)

    def ended(self, moment: Moment) -> None:
        self.end(moment.stream)

    def see(self, seen: Seen, stream: str) -> None:
        """Take the next result, and emit what happens with it, under the rules in force now."""
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

    def snapshot(self) -> Engine:
        return self._engine

    def restore(self, state: Engine) -> None:
        self._engine = state
