"""What a model still sees of a stream behind a link, and what that takes: as pictures, and as features of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidpipe.cascade.cascade import Ticket
from vidpipe.core.errors import ModelError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.models.inputs import NetworkInputs
from vidpipe.models.library import Library
from vidpipe.models.split.picture import FeaturePicture
from vidpipe.pipeline.plan import Link
from vidpipe.pipeline.spec import LinkSpec, Pipeline
from vidpipe.runtime.transport.codec import unpack
from vidpipe.runtime.transport.packing import packed
from vidpipe.stages.detect.detect import in_source_pixels
from vidpipe.statistics.agreement import Matched, match, together
from vidpipe.tuning.planner.costs import PictureCost
from vidpipe.tuning.planner.ways import FEATURES, PICTURES

if TYPE_CHECKING:
    import supervision as sv

_LEAST = 25  # boxes in the pictures of a stream, for an F1 to say anything


def crossings(frames: Sequence[Frame], pipeline: Pipeline) -> dict[str, dict[str, PictureCost]]:
    """By model, and by `LinkSpec.setting`: each way to have a stream's pictures cross a link to that model alone.

    F1 is of the boxes that it finds behind the link, against those in the picture itself. A model that cannot be cut
    has no features; one that is no network, and so may need the picture as it is, is left out.
    """
    folders = tuple(map(Path, pipeline.search_paths))
    library = Library(pipeline.models, pipeline.classes, folders, 1)
    inputs = NetworkInputs.of(pipeline.models, pipeline.search_paths)
    found: dict[str, dict[str, PictureCost]] = {}
    for stage in pipeline.stages if frames else ():
        alone = Link("", "", LinkSpec(), below=(stage,), inputs=inputs)
        model = alone.cut_model()
        if model is None or model in found or inputs.get(model) is None:
            continue
        try:
            found[model] = _Crossing(frames, alone, model, library).costs(pipeline)
        except ModelError:  # the run will say so
            continue
    return found


class _Crossing:
    """The way of a stream's pictures to one model."""

    def __init__(self, frames: Sequence[Frame], alone: Link, model: str, library: Library) -> None:
        self._frames, self._alone, self._model, self._library = frames, alone, model, library
        self._detector = library.detector(model)
        self._truth: list[sv.Detections] = []
        looks = []
        for frame in frames:
            picture, began = frame.bgr(), time.process_time()
            (boxes,) = self._detector.detect([picture])
            looks.append(1000 * (time.process_time() - began))
            self._truth.append(boxes)
        self._look_ms = float(np.median(looks))

    def costs(self, pipeline: Pipeline) -> dict[str, PictureCost]:
        specs = {spec.setting: spec for spec in (*PICTURES, *FEATURES, *pipeline.links.values())}
        return {setting: self._by(spec) for setting, spec in specs.items() if self._can(spec)}

    def _can(self, spec: LinkSpec) -> bool:
        return spec.split is None or self._library.head(self._model, spec.split.behind) is not None

    def _by(self, spec: LinkSpec) -> PictureCost:
        link = Link("", "", spec, below=self._alone.below, inputs=self._alone.inputs if spec.fits_networks else None)
        nbytes, took_ms, matched = [], [], []
        for frame, truth in zip(self._frames, self._truth, strict=True):
            times = [time.process_time()]
            item = packed(Ticket(frame, due=False, straight=False), link, spec, complete=True, heads=self._library.head)
            times.append(time.process_time())
            got = unpack(item, Knobs()).frame
            times.append(time.process_time())
            boxes = self._found(got)
            times.append(time.process_time())
            nbytes.append(item.nbytes)
            took_ms.append(1000 * np.diff(times))
            matched.append(match(in_source_pixels(boxes, got), truth))
        pack_ms, unpack_ms, look_ms = np.median(took_ms, axis=0)
        return PictureCost(
            bytes=float(np.mean(nbytes)),
            pack_ms=float(pack_ms),
            unpack_ms=float(unpack_ms),
            f1=self._f1(matched),
            look=1.0 if spec.split is None else min(1.0, float(look_ms) / self._look_ms),
        )

    def _found(self, frame: Frame) -> sv.Detections:
        if not isinstance(frame.picture, FeaturePicture):
            (boxes,) = self._detector.detect([frame.bgr()])
            return boxes
        features = frame.picture.features
        return self._library.tail(self._model, features.behind).detect(features, (frame.width, frame.height))

    def _f1(self, matched: Sequence[Matched]) -> float | None:
        """None: too few boxes are there to say."""
        return together(matched).f1 if sum(map(len, self._truth)) >= _LEAST else None
