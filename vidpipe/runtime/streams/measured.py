"""Which model measured the boxes of an answer: most answers carry on what was measured on an earlier frame."""

from __future__ import annotations

from vidpipe.core.answer import Answer, How
from vidpipe.core.names import references
from vidpipe.core.settings import Knobs, StageConfig

_REMEMBERED = 1024  # frames: so many are under way at most


class MeasuringModels:
    """The models that looked at frames of one stream."""

    def __init__(self) -> None:
        self._by_seq: dict[int, str | None] = {}  # in the order in which answers came
        self._newest: tuple[int, str | None] = -1, None  # what was asked for last, which may be for longer than that
        self._known: tuple[StageConfig | None, str | None] = None, None

    def resume(self, as_of: int, model: str | None) -> None:
        """Go on behind an answer of an earlier process."""
        self._newest = as_of, model

    def note(self, seq: int, answer: Answer, knobs: Knobs) -> None:
        """Remember who gave an answer to a frame, published or late, under these settings."""
        if answer.how is not How.MEASURED:
            return
        self._by_seq[seq] = self._model(knobs.stages.get(answer.by))
        if len(self._by_seq) > _REMEMBERED:
            del self._by_seq[next(iter(self._by_seq))]

    def of(self, as_of: int) -> str | None:
        """The model that measured on this frame, by its name in the pipeline; None: none did, or nobody knows."""
        if as_of != self._newest[0]:
            self._newest = as_of, self._by_seq.get(as_of)
        return self._newest[1]

    def _model(self, config: StageConfig | None) -> str | None:
        if config is not self._known[0]:
            name = next((name for _, name in references(config, "model")), None) if config is not None else None
            self._known = config, name
        return self._known[1]
