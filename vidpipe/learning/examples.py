"""What the filters of a stream are fitted on: small grey pictures, and what the last stage saw in those frames.

Everything stays on the machine where the frames are: examples are files there, for their owner alone to read, and no
snapshot or answer holds one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.arrays import packed, read_arrays, unpacked, write_arrays
from vidpipe.errors import ConfigError, ModelError
from vidpipe.frame import Frame, Image
from vidpipe.models import places

if TYPE_CHECKING:
    import supervision as sv

VERSION = 1
_BETWEEN_RUNS_S = 60.0
MOST = 5000  # examples: 90 MB of previews, in memory or on disk


def picture_of(frame: Frame) -> Image:
    """What a gate sees of a frame: its preview, which the difference detector needs anyway; uint8 [h, w]."""
    return frame.preview()


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled frames of one stream, in order of time; all arrays have one row a frame, but for those of boxes.

    Attributes:
        stream: its name.
        size: (width, height) of its pictures in pixels.
        classes: of the pipeline; columns of `present` and `score`. Empty where the pipeline lists none: then only
            whether there is anything at all is known, by the boxes.
        seq, pts: number and media time in seconds: int64 [n], float64 [n].
        pictures: uint8 [n, h, w], as `picture_of` gives them.
        present: bool [n, classes], what the last stage saw.
        score: float32 [n, classes], of its best box of that class; 0 where there is none.
        weight: float32 [n], how many frames this one stands for, since some were left out.
        box_row: int64 [m], the frame that a box is of.
        box_class: int64 [m].
        box_xyxy: float32 [m, 4], in parts of the picture.
    """

    stream: str
    size: tuple[int, int]
    classes: tuple[str, ...]
    seq: NDArray[np.int64]
    pts: NDArray[np.float64]
    pictures: Image
    present: NDArray[np.bool_]
    score: NDArray[np.float32]
    weight: NDArray[np.float32]
    box_row: NDArray[np.int64]
    box_class: NDArray[np.int64]
    box_xyxy: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.seq)

    def shows(self, targets: Sequence[str]) -> NDArray[np.bool_]:
        """bool [n]: whether the last stage saw any of these classes; any box at all where none is named.

        Raises:
            ConfigError: one of them is no class of the pipeline.
        """
        unknown = next((name for name in targets if name not in self.classes), None)
        if unknown is not None:
            near = places.nearest(unknown, self.classes) or list(self.classes) or ["none"]
            raise ConfigError(f"there is no class '{unknown}' among the examples; nearest: {', '.join(near)}")
        if targets:
            columns = [self.classes.index(name) for name in targets]
            return np.asarray(self.present[:, columns].any(axis=1))
        return np.bincount(self.box_row, minlength=len(self)).astype(bool)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Examples:
        """The examples of these rows (ascending), or of a mask."""
        chosen = np.arange(len(self))[rows]
        renumbered = np.full(len(self), -1)
        renumbered[chosen] = np.arange(len(chosen))
        kept = renumbered[self.box_row] >= 0
        boxes = {name: getattr(self, name)[kept] for name in ("box_class", "box_xyxy")}
        by_row: dict[str, Any] = {name: getattr(self, name)[chosen] for name in _BY_ROW}
        return replace(self, **by_row, **boxes, box_row=renumbered[self.box_row[kept]])

    def thinned(self, most: int, targets: Sequence[str] = ()) -> Examples:
        """At most so many: evenly in time of those with a target and of those without, half the room for each.

        What one kind leaves free the other may fill; `weight` tells what each example that stays stands for.
        """
        shown = self.shows(targets)
        with_, without = np.flatnonzero(shown), np.flatnonzero(~shown)
        room = min(len(with_), max(most // 2, most - len(without)))
        rows = np.sort(np.concatenate([_evenly(with_, room), _evenly(without, most - room)]))
        thinned = self.take(rows)
        weight = thinned.weight.copy()
        for kind, every in ((shown[rows], with_), (~shown[rows], without)):
            if kind.any():
                weight[kind] *= self.weight[every].sum() / weight[kind].sum()
        return replace(thinned, weight=weight)

    def save(self, path: Path) -> None:
        """Write them, for the owner alone to read; raises RunError where the disk is full."""
        header = {"version": VERSION, "stream": self.stream, "size": self.size, "classes": self.classes}
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        # Not compressed: a sensor's noise would gain a tenth, and take seconds.
        write_arrays(path, "examples", {"header": packed(header), **arrays}, compressed=False)

    @classmethod
    def load(cls, path: Path) -> Examples:
        """Read what `save` wrote; raises ModelError where it is damaged or of another version of vidpipe."""

        def made(arrays: dict[str, NDArray[Any]]) -> Examples:
            header = unpacked(arrays["header"])
            if header["version"] != VERSION:
                raise ModelError(f"examples {path}: of version {header['version']}, wanted is {VERSION}")
            columns: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
            if any(len(columns[name]) != len(columns["seq"]) for name in _BY_ROW):
                raise ValueError("rows")
            return cls(header["stream"], tuple(header["size"]), tuple(header["classes"]), **columns)

        return read_arrays(path, "examples", made)


_BY_ROW = ("seq", "pts", "pictures", "present", "score", "weight")
_ARRAYS = tuple(field.name for field in fields(Examples) if field.name not in ("stream", "size", "classes"))


class Collector:
    """Gathers examples as frames are answered; bounded.

    Args:
        stream: name of the stream.
        classes: of the pipeline.
        most: examples kept; when there are twice as many, they are thinned.
    """

    def __init__(self, stream: str, classes: Sequence[str], most: int = MOST) -> None:
        self._stream = stream
        self._classes = tuple(classes)
        self._most = most
        self._kept: Examples | None = None
        self._new: list[_Row] = []

    def __len__(self) -> int:
        return len(self._new) + (0 if self._kept is None else len(self._kept))

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of the stream's pictures so far; None where there are none."""
        return self._new[0].size if self._new else None if self._kept is None else self._kept.size

    def add(self, frame: Frame, seen: sv.Detections) -> None:
        """A frame, and what the last stage saw in it; late ones may come behind newer ones.

        Raises:
            ConfigError: the camera's pictures have another size than before.
        """
        row = _Row.of(frame, seen, len(self._classes))
        if self.size not in (None, row.size):
            raise ConfigError(f"stream {self._stream}: its pictures were {self.size}, and are {row.size} now")
        at = len(self._new)
        if at and self._new[-1].pts > row.pts:
            at = bisect_left(self._new, row.pts, key=lambda known: known.pts)
        self._new.insert(at, row)
        if len(self) >= 2 * self._most:
            self._kept, self._new = self.examples().thinned(self._most), []

    def afresh(self) -> Collector:
        """One for the same stream that holds nothing."""
        return Collector(self._stream, self._classes, self._most)

    def take_up(self, examples: Examples) -> None:
        """Begin with these, of an earlier run: its times, which may be the same again, come to lie before zero."""
        self._kept = replace(examples, pts=examples.pts - examples.pts.max(initial=0.0) - _BETWEEN_RUNS_S)

    def examples(self) -> Examples:
        """All that there are now, at most `most`.

        Raises:
            ConfigError: there are none.
        """
        if not self._new and self._kept is None:
            raise ConfigError(f"stream {self._stream}: no frame was looked at: there is nothing to learn from")
        new = [_packed(self._stream, self._classes, self._new)] if self._new else []
        kept = [] if self._kept is None else [self._kept]
        joined = join([*kept, *new])
        return joined.thinned(self._most) if len(joined) > self._most else joined


def join(parts: Sequence[Examples]) -> Examples:
    """Examples of one stream as one, in order of time; raises ConfigError where they are of different pictures."""
    first = parts[0]
    for part in parts:
        if (part.size, part.classes, part.pictures.shape[1:]) != (first.size, first.classes, first.pictures.shape[1:]):
            raise ConfigError(f"examples of stream {first.stream}: of pictures or classes that differ")
    starts = np.cumsum([0, *map(len, parts)])
    joined: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
    joined["box_row"] = np.concatenate([part.box_row + start for part, start in zip(parts, starts, strict=False)])
    both = replace(first, **joined)
    order = np.argsort(both.pts, kind="stable")
    if (order == np.arange(len(order))).all():
        return both
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    box_row = place[both.box_row]
    boxes = np.argsort(box_row, kind="stable")
    by_row: dict[str, Any] = {name: getattr(both, name)[order] for name in _BY_ROW}
    by_box: dict[str, Any] = {name: getattr(both, name)[boxes] for name in ("box_class", "box_xyxy")}
    return replace(both, **by_row, **by_box, box_row=box_row[boxes])


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One example, as it comes."""

    seq: int
    pts: float
    size: tuple[int, int]
    picture: Image
    present: NDArray[np.bool_]
    score: NDArray[np.float32]
    labels: NDArray[np.int64]
    xyxy: NDArray[np.float32]

    @classmethod
    def of(cls, frame: Frame, seen: sv.Detections, classes: int) -> _Row:
        labels = np.array(seen.class_id if len(seen) else [], np.int64)
        best = np.zeros(classes, np.float32)
        known = labels < classes
        if len(seen):
            sure = np.ones(len(seen), np.float32) if seen.confidence is None else seen.confidence
            np.maximum.at(best, labels[known], sure[known].astype(np.float32))
        present = np.zeros(classes, bool)
        present[labels[known]] = True
        extent = np.array([frame.width, frame.height] * 2, np.float32)
        xyxy = (np.asarray(seen.xyxy, np.float32).reshape(-1, 4) / extent).astype(np.float32)
        size = (frame.width, frame.height)
        return cls(frame.seq, frame.pts, size, frame.keep(picture_of(frame)), present, best, labels, xyxy)


def _packed(stream: str, classes: tuple[str, ...], rows: Sequence[_Row]) -> Examples:
    counts = [len(row.labels) for row in rows]
    return Examples(
        stream,
        rows[0].size,
        classes,
        seq=np.array([row.seq for row in rows], np.int64),
        pts=np.array([row.pts for row in rows], np.float64),
        pictures=np.stack([row.picture for row in rows]),
        present=np.stack([row.present for row in rows]),
        score=np.stack([row.score for row in rows]),
        weight=np.ones(len(rows), np.float32),
        box_row=np.repeat(np.arange(len(rows)), counts),
        box_class=np.concatenate([row.labels for row in rows]),
        box_xyxy=np.concatenate([row.xyxy for row in rows]),
    )


def _evenly(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    return rows if count >= len(rows) else rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]
