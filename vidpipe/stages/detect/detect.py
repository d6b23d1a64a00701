"""A model as a stage; a little one may answer only where it is sure (big/little, Park et al. 2015).

Park et al. accept the little network where the margin between its two best classes is large. A detector has no single
softmax: here the margin of a box is the distance of its score from the score that makes it count, and a frame is as
sure as its least sure box. What is sure enough is fixed by hand (`accept` and `reject`: no box may score between the
two), or learnt from the stages below (`agreement`), or whatever leaves the least sure frames for a `budget`. Where it
turns out to see far less than the stages below, it is not asked at all (`least_f1`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vidpipe.cascade.stage import Context, DetectorName, Models, Stage
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.core.settings import ClassName, Knob, StageConfig, closer_to_one, share_loosened
from vidpipe.models.base import Detector, Precision, Score, Size, Tail
from vidpipe.models.split.picture import FeaturePicture
from vidpipe.stages.detect.acceptance import AcceptancePolicy, Decision, Rule
from vidpipe.stages.detect.low_confidence import LowConfidenceBoxes
from vidpipe.stages.detect.usefulness import ASK_ANYWAY, Usefulness
from vidpipe.statistics.agreement import compare, match
from vidpipe.statistics.draw import draw

if TYPE_CHECKING:
    import supervision as sv

    from vidpipe.models.inputs import NetworkInputs
    from vidpipe.models.letterbox import NetworkInput
    from vidpipe.models.split.coding import Features

Share = Annotated[float, Field(gt=0, lt=1)]
VARIANTS = 4  # of a stage, that are kept in any case: a model at a size, in a precision
IDLE = 256  # calls without a look, after which further ones are let go
_REJECT = 0.1  # where margins are learnt: boxes that nearly count are doubts as well


class DetectConfig(StageConfig):
    model: DetectorName = Knob(..., description="that runs; another one is loaded beside it before it takes over")
    size: Size | None = Knob(
        None, description="of the model's input, in place of the one that it has: a side, or (height, width)"
    )
    precision: Precision | None = Knob(
        None, description="that the model computes in, in place of the one that it has; int8 takes `calibrated`"
    )
    calibrated: str | None = Knob(
        None, description="with int8: folder of the networks that `vidpipe tune` has calibrated on the stream"
    )
    accept: Score | dict[ClassName, Score] | None = Knob(
        None,
        description="answer only frames whose every box scores at least this (or under `reject`); by class or for all",
    )
    agreement: Share | None = Knob(
        None, description="in place of `accept`: share of answers that must agree with the stages below; learnt"
    )
    budget: Share | None = Knob(
        None, description="in place of `accept`, or to cap `agreement`: largest share of frames that is passed on"
    )
    at_least: int | None = Knob(
        None, ge=1, description="in place of `accept`: pass on frames with so many boxes or more, answer the others"
    )
    reject: Score | None = Knob(
        None,
        description="boxes under this score are background; default: the model's threshold, 0.1 without `accept`",
    )
    explore: Score = Knob(
        0.1, description="with `agreement`: share of sure frames, of one every 0.25 s, that is passed on to learn from"
    )

    least_f1: Share | None = Knob(
        None,
        description="F1 of its boxes against those of the stages below, under which the model is not run; learnt",
    )
    enabled: bool = Knob(True, description="false: passes every frame on; the last stage answers all the same")

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        rules = [name for name in ("accept", "at_least", "agreement", "budget") if getattr(self, name) is not None]
        if len(rules) > 1 and rules != ["agreement", "budget"]:
            raise ValueError(f"{rules[0]} and {rules[1]} both say which frames are answered: leave one of them out")
        return self

    def loosened(self) -> Mapping[str, Any]:
        """See `StageConfig.loosened`: fewer frames are sure enough to be answered."""
        if self.agreement is not None:
            return share_loosened("agreement", self.agreement)
        if isinstance(self.accept, float):
            return {"accept": closer_to_one(self.accept)} if self.accept < 1 else {}
        if self.accept is not None:
            return {"accept": {name: closer_to_one(score) for name, score in self.accept.items()}}
        if self.at_least is not None:
            return {"at_least": self.at_least - 1} if self.at_least > 1 else {}
        return share_loosened("budget", self.budget)


class Detect(Stage[DetectConfig]):
    """Answers `measured` with what the model finds; little, it passes on the frames that it is unsure of.

    As the last stage it answers every frame. It leaves its `LowConfidenceBoxes` in `frame.features`, under its id.
    """

    shared = True
    stateless = True
    Config = DetectConfig

    def open(self, context: Context) -> None:
        self._models = context.models
        self._variants: dict[object, tuple[Detector, int]] = {}  # each with when it was asked last
        self._asked = 0
        self._detector = self._variant()
        self._last = context.last
        self._policies: dict[str, AcceptancePolicy] = {}
        self._usefulness: dict[str, Usefulness] = {}
        self._left_out = 0

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        if not (self._last or self.config.enabled):
            return [None] * len(frames)
        if self._last or self.config.least_f1 is None:
            return self._look(frames)
        asked = [self._is_worth_asking(frame, self.config.least_f1) for frame in frames]
        self._left_out += asked.count(False)
        if not any(asked):
            return [None] * len(frames)
        answers = iter(self._look([frame for frame, ask in zip(frames, asked, strict=True) if ask]))
        return [next(answers) if ask else None for ask in asked]

    def _variant(self) -> Detector:
        """The model of the settings in force, as they say."""
        key = _asked_for(self.config)
        self._asked += 1
        detector, _ = self._variants.pop(key, (None, 0))
        if detector is None:
            spare = list(self._variants.items())[: len(self._variants) + 1 - VARIANTS]
            for other, (_, last_asked) in spare:
                # Streams may have an int8 network each: what is in use stays, or every frame would wait for one.
                if self._asked - last_asked > IDLE:
                    del self._variants[other]
            detector = self._models.detector(*key)
        self._variants[key] = detector, self._asked  # the newest
        return detector

    @classmethod
    def prepare(cls, config: DetectConfig, models: Models) -> None:
        models.load(*_asked_for(config))

    def _look(self, frames: Sequence[Frame]) -> list[Answer | None]:
        self._detector = self._variant()
        decide, floor = self._rule()
        found = self._boxes(frames, floor)
        return [decide(frame, boxes) for frame, boxes in zip(frames, found, strict=True)]

    def _boxes(self, frames: Sequence[Frame], floor: float | None) -> Sequence[sv.Detections]:
        """What the model finds in each picture, or in the features that crossed a link in its place."""
        whole = [frame.bgr() for frame in frames if not isinstance(frame.picture, FeaturePicture)]
        found = iter(self._detector.detect(whole, floor) if whole else ())
        return [
            self._boxes_in(frame.picture.features, frame, floor)
            if isinstance(frame.picture, FeaturePicture)
            else next(found)
            for frame in frames
        ]

    def _boxes_in(self, features: Features, frame: Frame, floor: float | None) -> sv.Detections:
        tail: Tail = self._models.tail(self.config.model, features.behind)
        return tail.detect(features, (frame.width, frame.height), floor)

    def _rule(self) -> tuple[Callable[[Frame, sv.Detections], Answer | None], float | None]:
        """What decides on a frame, and the least score of the boxes that it has to see; None: of those that count."""
        config = self.config
        if self._last:
            return self._measured, None
        if config.agreement is not None or config.budget is not None:
            return self._by_margin, _REJECT if config.reject is None else config.reject
        return self._by_score, None if config.accept is None else config.reject

    def learn(self, frame: Frame, answer: Answer) -> None:
        low_confidence = frame.features.get(self.id)
        if (
            not isinstance(low_confidence, LowConfidenceBoxes)
            or answer.how is not How.MEASURED
            or answer.as_of != frame.seq
        ):
            return
        if self.config.least_f1 is not None and not answer.partial:
            self._usefulness_of(frame).learn(match(low_confidence.answer.detections, answer.detections))
        if low_confidence.decision is None:
            return
        policy = self._policies.setdefault(frame.stream, AcceptancePolicy())
        if answer.partial:
            policy.note_parts()
        else:
            policy.learn(low_confidence.decision, compare(low_confidence.answer.detections, answer.detections))

    def fallback(self, frame: Frame) -> Answer | None:
        low_confidence = frame.features.get(self.id)
        return low_confidence.answer if isinstance(low_confidence, LowConfidenceBoxes) else None

    def snapshot_stream(self, stream: str) -> Any:
        kept = [known[stream].snapshot() if stream in known else None for known in (self._policies, self._usefulness)]
        return kept if any(state is not None for state in kept) else None

    def restore_stream(self, stream: str, state: Any) -> None:
        policy, worth = state
        if policy is not None:
            self._policies[stream] = AcceptancePolicy()
            self._policies[stream].restore(policy)
        if worth is not None:
            self._usefulness[stream] = Usefulness()
            self._usefulness[stream].restore(worth)

    @property
    def counts(self) -> dict[str, int]:
        """Frames that the model was not asked about, as it is not worth it there."""
        return {"not worth asking": self._left_out} if self._left_out else {}

    @classmethod
    def cut_model(cls, config: DetectConfig) -> str | None:
        return config.model if _asked_for(config) == (config.model, None, None, None) else None

    @classmethod
    def sees(cls, config: DetectConfig, inputs: NetworkInputs) -> Sequence[NetworkInput] | None:
        network = inputs.get(config.model, config.size)
        return None if network is None else (network,)

    @classmethod
    def learns(cls, config: DetectConfig) -> bool:
        return config.agreement is not None or config.least_f1 is not None

    def _is_worth_asking(self, frame: Frame, least_f1: float) -> bool:
        if self._usefulness_of(frame).reaches(least_f1):
            return True
        return draw(f"{self.id}/worth", frame.stream, frame.seq) < ASK_ANYWAY

    def _usefulness_of(self, frame: Frame) -> Usefulness:
        return self._usefulness.setdefault(frame.stream, Usefulness())

    def _measured(self, frame: Frame, boxes: sv.Detections, reason: str = "") -> Answer:
        return Answer(in_source_pixels(boxes, frame), How.MEASURED, self.id, frame.seq, reason)

    def _few(self, answer: Answer, least: int) -> Answer | None:
        """The answer where too few targets were found to look closer (FFS-VA's T-YOLO stage)."""
        count = len(answer.detections)
        return None if count >= least else replace(answer, reason=f"{count} boxes < {least}")

    def _by_score(self, frame: Frame, boxes: sv.Detections) -> Answer | None:
        unsure = self._unsure(boxes)
        answer = self._measured(frame, self._detector.keep_sure(boxes))
        believed = self._is_believed(frame)
        if believed and not unsure.any():
            return answer if self.config.at_least is None else self._few(answer, self.config.at_least)
        reason = f"unsure of {np.count_nonzero(unsure)} boxes" if believed else "not known to see enough"
        self._leave(frame, replace(answer, reason=reason), boxes, unsure & believed, None)
        return None

    def _is_believed(self, frame: Frame) -> bool:
        """What it is sure of is worth nothing where it sees too little; so the first answer of a stream is big's."""
        least_f1 = self.config.least_f1
        return least_f1 is None or (
            self._usefulness_of(frame).is_tried and self._usefulness_of(frame).reaches(least_f1)
        )

    def _unsure(self, boxes: sv.Detections) -> NDArray[np.bool_]:
        accept = self.config.accept
        if not len(boxes) or accept is None:
            return np.zeros(len(boxes), bool)
        # By name, not by number: a pipeline without classes of its own has the model's, which nobody listed.
        names = np.asarray(boxes.data["class_name"]).tolist()
        least = np.array([accept.get(name, 0.0) if isinstance(accept, dict) else accept for name in names], float)
        unsure: NDArray[np.bool_] = np.asarray(boxes.confidence) < least
        return unsure

    def _by_margin(self, frame: Frame, boxes: sv.Detections) -> Answer | None:
        config = self.config
        margins = self._detector.margins(boxes)
        labels = np.asarray(boxes.class_id, int).tolist() if len(boxes) else []
        policy = self._policies.setdefault(frame.stream, AcceptancePolicy())
        decision = policy.decide(
            least_by_class(labels, margins),
            frame.pts,
            draw(self.id, frame.stream, frame.seq),
            Rule(config.agreement, config.budget, config.explore),
        )
        answer = self._measured(frame, self._detector.keep_sure(boxes), decision.why)
        doubtful = margins < np.array([decision.doubt.get(label, np.inf) for label in labels])
        self._leave(frame, answer, boxes, doubtful & (not decision.whole), decision)
        return answer if decision.accepted else None

    def _leave(
        self,
        frame: Frame,
        answer: Answer,
        boxes: sv.Detections,
        doubtful: NDArray[np.bool_],
        decision: Decision | None,
    ) -> None:
        places = boxes.xyxy[:0]
        if doubtful.any():
            places = in_source_pixels(cast("sv.Detections", boxes[doubtful]), frame).xyxy
        frame.features[self.id] = LowConfidenceBoxes(answer, np.array(places, np.float32), decision)


def _asked_for(config: DetectConfig) -> tuple[str, Size | None, Precision | None, str | None]:
    """What `Models.detector` takes."""
    return config.model, config.size, config.precision, config.calibrated


def least_by_class(labels: Sequence[int], margins: NDArray[np.float64]) -> dict[int, float]:
    """The least margin of each class that there is."""
    least: dict[int, float] = {}
    for label, margin in zip(labels, margins.tolist(), strict=True):
        least[label] = min(margin, least.get(label, margin))
    return least


def in_source_pixels(boxes: sv.Detections, frame: Frame) -> sv.Detections:
    """Boxes of a view that a link has scaled down, in pixels of the source frame; changes and returns them."""
    if isinstance(frame.picture, FeaturePicture):
        return boxes
    if len(boxes) and frame.bgr().shape[1::-1] != (frame.width, frame.height):
        boxes.xyxy = (boxes.xyxy / frame.bgr_scale).astype(boxes.xyxy.dtype)
    return boxes
