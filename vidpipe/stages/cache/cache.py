"""Semantic result cache: a frame that looks like an earlier one has that one's answer.

Where the difference detector compares with the last look, this compares with all that are remembered (Cachier, ICDCS
2017; Shadow Puppets, HotEdge 2018), and reuses only where the nearest neighbours agree (FoggyCache, MobiCom 2018,
section 4.2). How near is near enough is learnt: each frame that is passed on shows, once it is answered, whether the
nearest entry would have been right; audits show it for frames that were not. Live streams share what they know; a
recording goes by its own, and by what was known when the run began (`vidpipe.stages.cache.streams` says why).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vidpipe.cascade.stage import Context, EmbedderName, Stage
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import StageError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import StageConfig
from vidpipe.stages.cache import keys
from vidpipe.stages.cache.file import Make
from vidpipe.stages.cache.persistent_store import PersistentStore
from vidpipe.stages.cache.result_cache import Found, ResultCache
from vidpipe.stages.cache.store import Value
from vidpipe.stages.cache.streams import Caches
from vidpipe.statistics.agreement import match_by_class

if TYPE_CHECKING:
    import supervision as sv

Key = NDArray[np.float32]

_MOST_BYTES = 256 * 2**20


class CacheConfig(StageConfig):
    model: EmbedderName | None = Field(
        default=None, description="embedder whose vectors are the keys; default: thumbnails, without a network"
    )
    feature: str | None = Field(
        default=None, description="in place of `model`: stage above whose feature, a vector, is the key"
    )
    agreement: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.95, description="least share of reused answers that must agree with the stages below"
    )
    entries: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="most answers that are remembered: of all live streams together, and of each recording",
    )
    path: str | None = Field(
        default=None, description="file (NAME.cache) to keep the cache in from run to run; default: it is forgotten"
    )
    exchange: bool = Field(
        default=False, description="also take up what other caches learn, from the files beside that of `path`"
    )

    @model_validator(mode="before")
    @classmethod
    def _old_spelling(cls, values: Any) -> Any:
        """`feature` was called `note`."""
        return {"feature" if name == "note" else name: value for name, value in dict(values).items()}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.model is not None and self.feature is not None:
            raise ValueError("model and feature both say what the keys are: leave one of them out")
        if self.exchange and self.path is None:
            raise ValueError("exchange needs a path: caches exchange through the folder that it lies in")
        return self


class _Lookup:
    """What was found for a frame: kept until somebody below has answered."""

    __slots__ = ("found", "key")

    def __init__(self, key: Key, found: Found) -> None:
        self.key = key
        self.found = found


class Cache(Stage[CacheConfig]):
    """Answers `reused` with what was measured on a frame like this one; `as_of` is this frame: nothing is out of date.

    Boxes are remembered in parts of the picture, so streams of different size share them; identities are not.
    """

    shared = True
    can_be_last = False
    Config = CacheConfig

    def open(self, context: Context) -> None:
        nothing()  # imports what answers are made of now, not under the first frame
        config = self.config
        self._classes = tuple(context.classes)
        self._counts: Counter[str] = Counter()
        self._embedder = None if config.model is None else context.models.embedder(config.model)
        self._live = context.live_streams
        self._caches: Caches | None = None
        self._persistent: PersistentStore | None = None
        if self._embedder is not None:
            probe = self._embedder.embed([keys.probe()])[0]
            self._open_caches(Make("model", len(probe), self._classes, probe))
        elif config.feature is None:
            width, height = keys.FRAME
            self._open_caches(Make(f"thumbnail {width}x{height}", width * height, self._classes, _NO_PROBE))

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        if self._persistent is not None:
            self._persistent.mind(len(frames))
        looked_for = zip(frames, self._keys(frames), strict=True)
        return [None if key is None else self._look(frame, key) for frame, key in looked_for]

    def learn(self, frame: Frame, answer: Answer) -> None:
        lookup = frame.memos.get(self.id)
        if not isinstance(lookup, _Lookup) or self._caches is None:
            return
        if answer.how is not How.MEASURED or answer.as_of != frame.seq or answer.partial:
            return
        truth = _remembered(answer.detections, frame)
        cache = self._caches.of(frame.stream)
        agreed = cache.judge(lookup.found, truth)
        if lookup.found.reuse and agreed is not None:  # None: the entry has been evicted since
            cache.audit(agreed)
        if not (lookup.found.reuse and agreed):
            cache.add(lookup.key, truth)

    def close(self) -> None:
        if self._persistent is not None:
            self._persistent.close()

    @property
    def counts(self) -> Counter[str]:
        """What happened so far: lookups, hits, audits and their agreement, entries, files left out or not written."""
        return self._counts if self._caches is None else self._counts + self._caches.counts

    def _open_caches(self, make: Make) -> Caches:
        config = self.config

        def empty() -> ResultCache:
            return ResultCache(make.length, same_boxes, config.agreement, config.entries, _MOST_BYTES)

        self._caches = Caches(empty, self._live)
        if config.path is not None:
            path = Path(config.path)
            self._persistent = PersistentStore(path, make, self._caches, exchange=config.exchange, counts=self._counts)
        return self._caches

    def _keys(self, frames: Sequence[Frame]) -> list[Key | None]:
        """One of length 1 for each frame; None where there is nothing to see."""
        if self._embedder is not None:
            return [keys.unit(vector) for vector in self._embedder.embed([frame.bgr() for frame in frames])]
        if self.config.feature is not None:
            return [self._feature(frame, self.config.feature) for frame in frames]
        return [keys.of_preview(frame.preview()) for frame in frames]

    def _feature(self, frame: Frame, stage: str) -> Key | None:
        feature = frame.features.get(stage)
        if feature is None:
            return None
        if not isinstance(feature, np.ndarray):
            raise StageError(f"stage {self.id}: the feature of {stage} is a {type(feature).__name__}, not a vector")
        key = keys.unit(feature)
        if key is not None and self._caches is None:
            self._open_caches(Make(f"feature {stage}", len(key), self._classes, _NO_PROBE))
        if key is not None and self._caches is not None and len(key) != self._caches.length:
            raise StageError(
                f"stage {self.id}: the feature of {stage} has {len(key)} values, before {self._caches.length}"
            )
        return key

    def _look(self, frame: Frame, key: Key) -> Answer | None:
        assert self._caches is not None
        cache = self._caches.of(frame.stream)
        found = cache.look(key)
        frame.memos[self.id] = _Lookup(key, found)
        value = cache.value(found.entry) if found.reuse else None
        if value is None:
            return None
        cache.hit(found.entry)
        reason = f"cache entry {found.entry} at {found.distance:.2g}"
        return Answer(_recalled(value, frame), How.REUSED, self.id, frame.seq, reason)


_NO_PROBE: Key = np.zeros(0, np.float32)


def same_boxes(one: Value, other: Value) -> bool:
    """Whether two answers hold the same objects: all boxes one-to-one, of one class and at IoU 0.5."""
    sides = [(np.asarray(value["xyxy"], np.float64), value["class_id"]) for value in (one, other)]
    return all(2 * matched.right == matched.boxes for matched in match_by_class(*sides[0], *sides[1]).values())


def _remembered(boxes: sv.Detections, frame: Frame) -> dict[str, NDArray[Any]]:
    """What outlives the frame: boxes in parts of the picture, their classes and scores."""
    count = len(boxes)
    scores = np.ones(count) if boxes.confidence is None else boxes.confidence
    return {
        "xyxy": (np.asarray(boxes.xyxy) / _extent(frame)).astype(np.float32).reshape(count, 4),
        "score": np.array(scores, np.float32),
        "class_id": np.zeros(0, np.int64) if not count else np.array(boxes.class_id, np.int64),
        "name": np.array(boxes.data["class_name"] if count else [], str),
    }


def _recalled(value: Value, frame: Frame) -> sv.Detections:
    if not len(value["xyxy"]):
        return nothing()
    import supervision as sv

    return sv.Detections(
        xyxy=(np.asarray(value["xyxy"], np.float32) * _extent(frame)).astype(np.float32),
        confidence=np.array(value["score"], np.float32),
        class_id=np.array(value["class_id"], int),
        data={"class_name": np.array(value["name"])},
    )


def _extent(frame: Frame) -> NDArray[np.float64]:
    return np.array([frame.width, frame.height] * 2, np.float64)
