"""A network that finds objects: pictures in, `sv.Detections` with the pipeline's classes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import ModelError
from vidpipe.core.frame import Image
from vidpipe.models.base import Classes, Detector, ModelSpec
from vidpipe.models.boxes import best_first, have_area, suppress
from vidpipe.models.detectors.output_decoders import OutputDecoder, Outputs
from vidpipe.models.letterbox import Letterbox, Placement
from vidpipe.models.runtimes import Session

if TYPE_CHECKING:
    import supervision as sv

_IOU = 0.5  # above which two boxes of a class are one object


class Traits(NamedTuple):
    """What is known of a detector once it is loaded.

    Attributes:
        names: the classes that `class_id` indexes: the pipeline's, or the network's own where it lists none.
        size: (height, width) of the network's input in pixels.
        thresholds: least score of a box, by class.
        usual: the threshold of its family, where nobody says otherwise.
    """

    names: tuple[str, ...]
    size: tuple[int, int]
    thresholds: Mapping[str, float]
    usual: float


class LoadedDetector(Detector, Protocol):
    """A detector that other threads can have too."""

    @property
    def traits(self) -> Traits: ...

    def clone(self) -> LoadedDetector:
        """Another one for another thread, on the same weights."""
        ...


class Listed(NamedTuple):
    """Indices of the candidates that count, and the pipeline's class of each."""

    kept: NDArray[np.intp]
    classes: NDArray[np.int64]


class Labels:
    """From a network's class numbers to the pipeline's classes, and the least score of each.

    Args:
        source: the model, as errors call it.
        names: the network's classes, in order.
        classes: the pipeline's; an empty mapping takes the network's own.
        threshold: one for all, or by name of the pipeline's class.
        default: for classes that `threshold` does not name.
    """

    def __init__(
        self,
        source: str,
        names: Sequence[str],
        classes: Classes,
        threshold: float | Mapping[str, float] | None,
        default: float,
    ) -> None:
        own = classes if classes.mapping else Classes({name: [name] for name in names})
        table = own.table(names)
        listed = [index for index in table if index >= 0]
        if not listed:
            raise ModelError(f"model {source}: knows none of the pipeline's classes; it knows {', '.join(names[:12])}")
        self.names = np.array(own.names)
        self.merges = len(listed) > len(set(listed))
        self.by_name = thresholds(own.names, threshold, default)
        self.thresholds = np.array(list(self.by_name.values()), np.float32)
        self.floor = float(self.thresholds.min())
        # One more entry, which nobody lists, for numbers beyond the names; -1 finds it too.
        self._table = np.array([*table, -1])
        self._least = self._at_least(None)

    def of(self, numbers: NDArray[np.int64], scores: NDArray[np.float32], floor: float | None) -> Listed:
        """Which candidates count: those of the pipeline's classes that reach the threshold, or `floor` in its place.

        Args:
            numbers: the network's class numbers [n].
            scores: [n].
        """
        numbers = np.minimum(numbers, len(self._table) - 1)
        least = self._least if floor is None else self._at_least(floor)
        kept = (scores >= least[numbers]).nonzero()[0]
        return Listed(kept, self._table[numbers[kept]])

    def keep_sure(self, detections: sv.Detections) -> sv.Detections:
        """See `Detector.keep_sure`."""
        if not len(detections):
            return detections
        return detections[detections.confidence >= self.thresholds[detections.class_id]]  # type: ignore[return-value, operator]

    def margins(self, detections: sv.Detections) -> NDArray[np.float64]:
        """See `Detector.margins`."""
        if not len(detections):
            return np.zeros(0)
        thresholds = self.thresholds[np.asarray(detections.class_id)]
        margins: NDArray[np.float64] = np.abs(np.asarray(detections.confidence, np.float64) - thresholds)
        return margins

    def detections(
        self, boxes: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int64]
    ) -> sv.Detections:
        """Boxes xyxy [n, 4] with their scores [n] and classes of the pipeline [n], as stages want them."""
        import supervision as sv

        return sv.Detections(xyxy=boxes, confidence=scores, class_id=classes, data={"class_name": self.names[classes]})

    def _at_least(self, floor: float | None) -> NDArray[np.float32]:
        """The score that each of the network's classes must reach; infinite for those that the pipeline leaves out."""
        asked = self.thresholds[self._table] if floor is None else np.full(len(self._table), floor, np.float32)
        asked[self._table < 0] = np.inf
        return asked


class NetworkDetector:
    """A `LoadedDetector` made of one network, which it runs once to warm it up.

    Args:
        spec: the model as the user wrote it.
        session: the network, ready to run.
        decoder: reads its outputs.
        labels: says what they mean to the pipeline.
    """

    def __init__(self, spec: ModelSpec, session: Session, decoder: OutputDecoder, labels: Labels) -> None:
        self._spec = spec
        self._session = session
        self._decoder = decoder
        self._labels = labels
        self._letterboxes = [Letterbox(decoder.letterbox, picture) for picture in session.pictures]
        self.detect(
            [np.full(session.pictures.shape[1:], 128, np.uint8)]
        )  # the first run is slow: not on a frame's time

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    @property
    def traits(self) -> Traits:
        _, height, width, _ = self._session.pictures.shape
        return Traits(tuple(self._labels.by_name), (height, width), self._labels.by_name, self._decoder.threshold)

    def clone(self) -> NetworkDetector:
        """See `LoadedDetector.clone`."""
        return NetworkDetector(self._spec, self._session.clone(), self._decoder, self._labels)

    def detect(self, images: Sequence[Image], floor: float | None = None) -> list[sv.Detections]:
        """See `Detector.detect`."""
        at_once = len(self._letterboxes)
        detections: list[sv.Detections] = []
        for start in range(0, len(images), at_once):
            detections += self._batch(images[start : start + at_once], floor)
        return detections

    def keep_sure(self, detections: sv.Detections) -> sv.Detections:
        """See `Detector.keep_sure`."""
        return self._labels.keep_sure(detections)

    def margins(self, detections: sv.Detections) -> NDArray[np.float64]:
        """See `Detector.margins`."""
        return self._labels.margins(detections)

    def _batch(self, images: Sequence[Image], floor: float | None) -> list[sv.Detections]:
        placements = [letterbox.put(image) for letterbox, image in zip(self._letterboxes, images, strict=False)]
        outputs = self._session.run(len(images))
        if len(self._letterboxes) == 1:
            return [found(outputs, placements[0], floor, self._decoder, self._labels)]
        return [
            found([array[i : i + 1] for array in outputs], placement, floor, self._decoder, self._labels)
            for i, placement in enumerate(placements)
        ]


def found(
    outputs: Outputs, placement: Placement, floor: float | None, decoder: OutputDecoder, labels: Labels
) -> sv.Detections:
    """What a network has found in one picture.

    Args:
        placement: of the picture in the network's input.
        floor: as of `Detector.detect`.
    """
    candidates = decoder.read(outputs, labels.floor if floor is None else floor)
    kept, classes = labels.of(candidates.labels, candidates.scores, floor)
    boxes, scores = placement.back(candidates.boxes[kept]), candidates.scores[kept]
    doubles = labels.merges or not decoder.suppresses
    order = suppress(boxes, scores, classes, _IOU) if doubles else best_first(scores)
    order = order[have_area(boxes[order])]
    return labels.detections(boxes[order], scores[order], classes[order])


def thresholds(names: Sequence[str], threshold: float | Mapping[str, float] | None, default: float) -> dict[str, float]:
    """The least score of each class, by name.

    Args:
        threshold: one for all, or by name.
        default: for classes that `threshold` does not name.
    """
    if threshold is None or isinstance(threshold, Mapping):
        return {name: (threshold or {}).get(name, default) for name in names}
    return dict.fromkeys(names, threshold)
