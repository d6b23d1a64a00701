"""Picks for each frame the cheapest of several models that can be trusted with it (Taylor et al., LCTES 2018).

Their pre-model is a kNN on features of the image; here the cheapest model's own boxes are features as well, since it
costs little beside the others. A kNN learns from single frames at once and forgets them when they leave its window,
where a logistic model of ten features would need some hundred to begin with. Its score is no promise: each model is
trusted from that score on at which, on the frames that came to it, the wanted share agreed with the stages below.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vidpipe.cascade.stage import Context, DetectorName, Stage
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame, Image
from vidpipe.core.settings import Knob, StageConfig, share_loosened
from vidpipe.models.base import Detector, Score
from vidpipe.stages.detect.acceptance import APART_S, FIT_EVERY, WINDOW
from vidpipe.stages.detect.detect import Share, in_source_pixels
from vidpipe.stages.detect.neighbours import Neighbours
from vidpipe.stages.detect.thresholds import Evidence, accepts, fit, needed
from vidpipe.statistics.agreement import compare
from vidpipe.statistics.draw import draw

if TYPE_CHECKING:
    import supervision as sv


_START = 4  # times what is needed at least: some of the frames are none to trust a model with


class SelectConfig(StageConfig):
    models: list[DetectorName] = Field(
        min_length=1, description="from cheap to expensive; the first one runs on every frame"
    )
    agreement: Share = Knob(0.9, description="share of answers that must agree with the stages below")
    explore: Score = Knob(
        0.1, description="share of trusted frames, of one every 0.25 s, that is passed on to learn from"
    )

    def loosened(self) -> Mapping[str, Any]:
        """See `StageConfig.loosened`."""
        return share_loosened("agreement", self.agreement)


class Choice(NamedTuple):
    """What was decided on a frame, and what its models said.

    Attributes:
        picked: the cheapest model that is trusted; as many as there are models where none is.
        scores: by model.
        chances: by model, that it is tried on a frame like this and told what is right; 0 where that is no evidence.
        answers: of the models that have looked, by index.
    """

    picked: int
    scores: Sequence[float]
    chances: Sequence[float]
    features: NDArray[np.float64]
    answers: dict[int, Answer]


class _Stream:
    """What one stream has taught: which frames each model agreed on, and from which score on to trust it."""

    def __init__(self, models: int) -> None:
        self.neighbours = Neighbours()
        self.evidence: list[deque[Evidence]] = [deque(maxlen=WINDOW) for _ in range(models)]
        self.thresholds: list[Mapping[int, float] | None] = [None] * models
        self.learnt = 0
        self.quarter: int | None = None
        self.preview: Image | None = None

    def learn(self, choice: Choice, agreed: Mapping[int, bool], wanted: float) -> None:
        self.neighbours.add(choice.features, agreed)
        for model, agrees in agreed.items():
            chance = choice.chances[model]
            # Later models are asked only where the earlier ones are not trusted.
            if chance and model <= choice.picked:
                wrong = frozenset() if agrees else frozenset({0})
                self.evidence[model].append(Evidence({0: choice.scores[model]}, agrees, wrong, 1 / chance))
        self.learnt += 1
        if self.learnt % FIT_EVERY == 0:
            self.thresholds = [fit(evidence, wanted) for evidence in self.evidence]

    def snapshot(self) -> Any:
        evidence = [tuple(map(tuple, one)) for one in self.evidence]
        return self.neighbours.snapshot(), evidence, list(self.thresholds), self.learnt

    def restore(self, state: Any) -> None:
        neighbours, evidence, self.thresholds, self.learnt = state
        self.neighbours.restore(neighbours)
        for own, kept in zip(self.evidence, evidence, strict=True):
            own.extend(Evidence(*one) for one in kept)


class Select(Stage[SelectConfig]):
    """Answers `measured` with the picked model's boxes.

    Passes on where none is trusted, and some frames to learn from.
    """

    shared = True
    can_be_last = False
    Config = SelectConfig

    def open(self, context: Context) -> None:
        self._detectors: list[Detector] = [context.models.detector(name) for name in self.config.models]
        self._streams: dict[str, _Stream] = {}

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        found = self._detectors[0].detect([frame.bgr() for frame in frames])
        return [self._choose(frame, boxes) for frame, boxes in zip(frames, found, strict=True)]

    def learn(self, frame: Frame, answer: Answer) -> None:
        choice = frame.memos.get(self.id)
        if not isinstance(choice, Choice) or answer.how is not How.MEASURED or answer.as_of != frame.seq:
            return
        if answer.partial:
            return
        agreed = {model: compare(said.detections, answer.detections).agrees for model, said in choice.answers.items()}
        self._stream(frame.stream).learn(choice, agreed, self.config.agreement)

    def fallback(self, frame: Frame) -> Answer | None:
        choice = frame.memos.get(self.id)
        return choice.answers[max(choice.answers)] if isinstance(choice, Choice) else None

    def snapshot_stream(self, stream: str) -> Any:
        return self._streams[stream].snapshot() if stream in self._streams else None

    def restore_stream(self, stream: str, state: Any) -> None:
        self._streams[stream] = restored = _Stream(len(self._detectors))
        restored.restore(state)

    def _stream(self, name: str) -> _Stream:
        return self._streams.setdefault(name, _Stream(len(self._detectors)))

    def _choose(self, frame: Frame, boxes: sv.Detections) -> Answer | None:
        stream, models = self._stream(frame.stream), len(self._detectors)
        features = _features(frame, boxes, self._detectors[0].margins(boxes), stream.preview)
        stream.preview = np.array(frame.preview())
        scores = [stream.neighbours.score(features, model) for model in range(models)]
        trusted = [accepts(stream.thresholds[model], {0: scores[model]}) for model in range(models)]
        picked = trusted.index(True) if True in trusted else models
        quarter = int(frame.pts / APART_S)
        counts, stream.quarter = quarter != stream.quarter, quarter
        explored = counts and draw(self.id, frame.stream, frame.seq) < self.config.explore
        enough = _START * needed(self.config.agreement)
        # A dearer model is tried on what is passed on only until enough is known of it, then where frames are explored.
        tried = [model for model in range(models) if model == 0 or len(stream.evidence[model]) < enough]
        chances = [1.0 if picked == models and model in tried else self.config.explore for model in range(models)]
        answers = {0: self._said(frame, boxes, 0, scores[0])}
        choice = Choice(picked, scores, chances if counts else [0.0] * models, features, answers)
        frame.memos[self.id] = choice
        if explored:
            tried = list(range(models))
        elif not (counts and picked == models):
            tried = [picked]
        for model in tried:
            if model not in choice.answers and model < models:
                (more,) = self._detectors[model].detect([frame.bgr()])
                choice.answers[model] = self._said(frame, more, model, scores[model])
        return None if picked == models or explored else choice.answers[picked]

    def _said(self, frame: Frame, boxes: sv.Detections, model: int, score: float) -> Answer:
        reason = f"{self.config.models[model]}, right on {score:.0%} of the frames most like it"
        return Answer(in_source_pixels(boxes, frame), How.MEASURED, self.id, frame.seq, reason)


def _features(
    frame: Frame, boxes: sv.Detections, margins: NDArray[np.float64], before: Image | None
) -> NDArray[np.float64]:
    """Of the picture: brightness, contrast, edges, change; of the boxes: count, scores, sizes, margins."""
    preview = frame.preview().astype(np.float32)
    edges = np.abs(np.diff(preview, axis=0)).mean() + np.abs(np.diff(preview, axis=1)).mean()
    same_size = before is not None and before.shape == preview.shape
    change = float(np.abs(preview - before).mean()) if same_size and before is not None else 0.0
    picture = [float(preview.mean()), float(preview.std()), float(edges), change]
    if not len(boxes):
        return np.array([*picture, 0, 1, 1, 0, 1], float)
    sides = boxes.xyxy[:, 2:] - boxes.xyxy[:, :2]
    size = float(np.sqrt(np.prod(sides, axis=1)).mean() / np.sqrt(frame.bgr().shape[0] * frame.bgr().shape[1]))
    scores = np.asarray(boxes.confidence, float)
    return np.array([*picture, len(boxes), scores.mean(), scores.min(), size, margins.min()], float)
