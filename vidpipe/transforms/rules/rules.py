"""The transform that holds the rules of a stream against its results, behind all others: as they are published."""

from __future__ import annotations

from vidpipe.cascade.stage import Context
from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame
from vidpipe.transforms.base import Moment, Transform
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RulesConfig

RULES = "rules"
"""Id of the transform in every pipeline that has rules."""


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
        if self.config.rules:
            self.see(Seen.of(answer, moment), moment.stream)

    def see(self, seen: Seen, stream: str) -> None:
        """Take the next result, and emit what happens with it."""
        self._engine.switch_off(self.config.off)
        happened = self._engine.see(seen)
        if not happened:
            return
        moment = Moment(stream, seen.seq, seen.pts, seen.at, seen.width, seen.height, 0)
        told = {"miss_rate": self._engine.miss_rate()}
        for kind, phase, rule, id, data in happened:
            self.emit(kind, moment, phase=phase, id=id, rule=rule, age_s=self._engine.age_s, **data, **told)

    def snapshot(self) -> Engine | None:
        return self._engine if self.config.rules else None

    def restore(self, state: Engine) -> None:
        self._engine = state
