"""A last stage that costs nothing, so that what is in front of it can be measured."""

from collections.abc import Sequence

from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.frame import Frame
from vidpipe.core.settings import StageConfig


class Nothing(Stage[StageConfig]):
    """Measures that there is nothing, without looking."""

    shared = True

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        return [Answer(nothing(), How.MEASURED, self.id, frame.seq) for frame in frames]
