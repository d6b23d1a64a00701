"""A second network on boxes, with an object-level result cache: what an object looks like, and which one it is.

An embedder on every box of every frame costs more than the detector. But an object looks today as it did a moment ago:
a crop that is like an earlier one, by a cheap key, has that one's vector (FoggyCache, MobiCom 2018: reuse where the
nearest neighbours agree). Where boxes are tracked, the last vector of the same track is asked first, with a radius of
its own, and an identity is that of a track's mean vector: single crops of one person scatter too much to say who it is.
Both radii are learnt from what the embedder says of misses, and of a share of hits that is computed all the same.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vidpipe.cascade.stage import Context, EmbedderName
from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame, Image
from vidpipe.core.settings import ClassName, Knob, StageConfig
from vidpipe.models.base import Score
from vidpipe.stages.cache import keys
from vidpipe.stages.cache.result_cache import NOTHING, Found, ResultCache
from vidpipe.stages.cache.reuse import Radius
from vidpipe.stages.cache.store import Value
from vidpipe.statistics.draw import draw
from vidpipe.statistics.wilson import wilson
from vidpipe.transforms.base import Moment, Transform
from vidpipe.transforms.gallery import Gallery

if TYPE_CHECKING:
    import supervision as sv

Vector = NDArray[np.float32]

NOBODY = -1  # identity of a box that is not described

_LEAST_WEIGHT = 0.1  # of a new vector in its track's mean
_MOST_TRACKS = 1024
_MOST_BYTES = 256 * 2**20


class DescribeConfig(StageConfig):
    model: EmbedderName = Field(description="an embedder of the pipeline")
    classes: list[ClassName] | None = Field(default=None, description="whose boxes are described; default: all")
    alike: Annotated[float, Field(gt=0, lt=2)] = Field(
        default=0.2,
        description="cosine distance up to which a vector has the identity of the nearest; the embedder decides",
    )
    agreement: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.95,
        description="least share of reused vectors that must have the identity of the embedder's own vector",
    )
    check: Score = Knob(0.05, description="share of the reusable vectors that are computed anyway, as a check")
    entries: int = Field(default=5_000, ge=1, le=100_000, description="most vectors that are remembered")
    identities: int = Field(default=1_000, ge=1, le=100_000, description="most identities that are told apart")


@dataclass(slots=True)
class _Box:
    """One box that is to be described.

    Attributes:
        row: among the answer's boxes.
        key: of the crop; None where there is nothing to see but an even area.
        radius: that `found` is judged by.
    """

    row: int
    crop: Image
    key: Vector | None
    track: int | None
    found: Found
    radius: Radius


@dataclass(slots=True)
class _Known:
    """What is known of a track.

    Attributes:
        mean: of its vectors, of length 1; `vectors`: how many they are.
        entry: of the cache, the one last used for it.
        reused: how often since the embedder was last asked.
    """

    mean: Vector
    vectors: int
    identity: int
    entry: int
    reused: int = 0


class Describe(Transform[DescribeConfig]):
    """Adds to a result's boxes `data["embedding"]`, float32 [n, d] of length 1 each, and `data["identity"]`, int [n].

    Boxes of other classes and without area have zeros and the identity -1. Identities count up by stream, from 1.
    """

    Config = DescribeConfig

    def open(self, context: Context) -> None:
        config = self.config
        self._embedder = context.models.embedder(config.model)
        self._length = self._embedder.embed([keys.probe()]).shape[1]
        self._classes = None if config.classes is None else frozenset(config.classes)
        self._gallery = Gallery(self._length, config.alike, config.identities)
        width, height = keys.CROP
        self._cache = ResultCache(width * height * 3, _same, config.agreement, config.entries, _MOST_BYTES)
        self._tracks: OrderedDict[int, _Known] = OrderedDict()
        self._track_radius = Radius(config.agreement)
        self._by_track = 0
        self._given: sv.Detections | None = None
        self._completed: sv.Detections | None = None

    def apply(self, frame: Frame | None, answer: Answer, moment: Moment) -> Answer | None:
        boxes = answer.detections
        if not len(boxes):
            return None
        if boxes is not self._given or self._completed is None or answer.as_of == moment.seq:
            if frame is None:  # boxes of a picture that nobody has
                return None
            self._given, self._completed = boxes, self._describe(frame, boxes)
        return replace(answer, detections=self._completed)

    def snapshot(self) -> Any:
        # Vectors are found again; that a number never means two objects cannot be.
        return self._gallery.count

    def restore(self, state: Any) -> None:
        self._gallery.count = state

    @property
    def counts(self) -> Counter[str]:
        """What happened so far: lookups, hits (of which by track), audited and agreed."""
        return self._cache.counts + Counter(by_track=self._by_track)

    @property
    def agreement(self) -> tuple[float, float]:
        """Wilson's interval of how often reused vectors have the identity of fresh ones, from the checks."""
        return wilson(self._cache.counts["agreed"], self._cache.counts["audited"])

    def _describe(self, frame: Frame, boxes: sv.Detections) -> sv.Detections:
        embeddings = np.zeros((len(boxes), self._length), np.float32)
        identities = np.full(len(boxes), NOBODY)
        fresh = []
        for box in self._boxes(frame, boxes):
            value = self._cache.value(box.found.entry) if box.found.reuse else None
            if value is None or self._is_due(box, frame):
                fresh.append(box)
                continue
            self._hit(box)
            embeddings[box.row], identities[box.row] = value["embedding"][0], value["identity"][0]
        if fresh:
            rows = [box.row for box in fresh]
            embeddings[rows] = self._embedder.embed([box.crop for box in fresh])
            for box in fresh:
                identities[box.row] = self._take_up(box, embeddings[box.row])
        return replace(boxes, data={**boxes.data, "embedding": embeddings, "identity": identities})

    def _boxes(self, frame: Frame, boxes: sv.Detections) -> list[_Box]:
        """Those to be described, each with what the cache knows of it."""
        picture = frame.bgr()
        height, width = picture.shape[:2]
        corners = np.rint(np.nan_to_num(boxes.xyxy) * frame.bgr_scale)
        corners = np.clip(corners, 0, [width, height] * 2).astype(int).tolist()
        names = np.asarray(boxes.data["class_name"]).tolist()
        tracks = [None] * len(boxes) if boxes.tracker_id is None else boxes.tracker_id.tolist()
        chosen = []
        for row, ((left, top, right, bottom), name, track) in enumerate(zip(corners, names, tracks, strict=True)):
            if left < right and top < bottom and (self._classes is None or name in self._classes):
                crop = picture[top:bottom, left:right]
                key = keys.of_crop(crop)
                chosen.append(_Box(row, crop, key, track, *self._look(key, track)))
        return chosen

    def _look(self, key: Vector | None, track: int | None) -> tuple[Found, Radius]:
        if key is None:
            return NOTHING, self._cache.radius
        if track is not None and track in self._tracks:
            found = self._cache.at(key, self._tracks[track].entry)
            if found.distance in self._track_radius:
                return found._replace(reuse=True), self._track_radius
            # While the track's own radius has still to be learnt, its last vector is what is judged.
            if self._track_radius.value < 0 and found.entry >= 0:
                return found, self._track_radius
        return self._cache.look(key), self._cache.radius

    def _is_due(self, box: _Box, frame: Frame) -> bool:
        """Whether a vector that could be reused is computed: to check it, and to know its track better.

        The more vectors a track's mean has, the longer it takes to the next: a young track is not known by one crop.
        """
        known = None if box.track is None else self._tracks.get(box.track)
        if known is not None and known.reused >= known.vectors:
            return True
        return draw(f"{self.id}/{box.row}", frame.stream, frame.seq) < self.config.check

    def _hit(self, box: _Box) -> None:
        self._cache.hit(box.found.entry)
        self._by_track += box.radius is self._track_radius
        if box.track is not None and box.track in self._tracks:
            self._tracks[box.track].entry = box.found.entry
            self._tracks[box.track].reused += 1
            self._tracks.move_to_end(box.track)

    def _take_up(self, box: _Box, embedding: Vector) -> int:
        """The identity of a box of which the embedder gave the vector; it is remembered, and reuse is judged by it."""
        known = self._mean(box.track, embedding)
        identity = self._gallery.identify(known.mean, known.identity)
        value = {"embedding": embedding[None], "identity": np.array([identity])}
        entry = -1
        if box.key is not None:
            agreed = self._cache.judge(box.found, value, box.radius)
            if box.found.reuse and agreed is not None:
                self._cache.audit(agreed)
            entry = self._cache.add(box.key, value)
        if box.track is not None:
            self._remember(box.track, _Known(known.mean, known.vectors, identity, entry))
        return identity

    def _mean(self, track: int | None, embedding: Vector) -> _Known:
        """What is known of a track, this vector of it included."""
        known = None if track is None else self._tracks.get(track)
        if known is None:
            return _Known(embedding, 1, NOBODY, -1)
        vectors = known.vectors + 1
        mean = known.mean + np.float32(max(1 / vectors, _LEAST_WEIGHT)) * (embedding - known.mean)
        return _Known(mean / max(np.linalg.norm(mean), np.float32(1e-6)), vectors, known.identity, known.entry)

    def _remember(self, track: int, known: _Known) -> None:
        self._tracks[track] = known
        self._tracks.move_to_end(track)
        if len(self._tracks) > _MOST_TRACKS:
            self._tracks.popitem(last=False)


def _same(one: Value, other: Value) -> bool:
    return bool(one["identity"][0] == other["identity"][0])
