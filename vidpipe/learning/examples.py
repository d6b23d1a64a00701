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
from vidpipe.learning.split import evenly
from vidpipe.nearest import nearest

if TYPE_CHECKING:
    import supervision as sv

VERSION = 2
_BETWEEN_RUNS_S = 60.0
MOST = 5000  # examples: 90 MB of previews, in memory or on disk


def picture_of(frame: Frame) -> Image:
    """What a gate sees of a frame: its preview, which the difference detector needs anyway; uint8 [h, w]."""
    return frame.preview()


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled frames of one stream, in order of time; all arrays have one row a frame.

    Attributes:
        stream: its name.
        size: (width, height) of its pictures in pixels.
        classes: of the pipeline, columns of `present`. Empty where the pipeline lists none.
        seq, pts: number and media time in seconds: int64 [n], float64 [n].
        pictures: uint8 [n, h, w], as `picture_of` gives them.
        present: bool [n, classes], what the last stage saw.
        anything: bool [n], whether it saw anything at all.
        weight: float32 [n], how many frames this one stands for, since some were left out.
    """

    stream: str
    size: tuple[int, int]
    classes: tuple[str, ...]
    seq: NDArray[np.int64]
    pts: NDArray[np.float64]
    pictures: Image
    present: NDArray[np.bool_]
    anything: NDArray[np.bool_]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.seq)

    def shows(self, targets: Sequence[str]) -> NDArray[np.bool_]:
        """bool [n]: whether the last stage saw any of these classes; anything at all where none is named.

        Raises:
            ConfigError: one of them is no class of the pipeline.
        """
        unknown = next((name for name in targets if name not in self.classes), None)
        if unknown is not None:
            near = nearest(unknown, self.classes) or list(self.classes) or ["none"]
            raise ConfigError(f"there is no class '{unknown}' among the examples; nearest: {', '.join(near)}")
        if targets:
            columns = [self.classes.index(name) for name in targets]
            return np.asarray(self.present[:, columns].any(axis=1))
        return self.anything

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Examples:
        """The examples of these rows, in their order, or of a mask."""
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return replace(self, **columns)

    def thinned(self, most: int, targets: Sequence[str] = ()) -> Examples:
        """At most so many: evenly in time of those with a target and of those without, half the room for each.

        What one kind leaves free the other may fill; `weight` tells what each example that stays stands for.
        """
        shown = self.shows(targets)
        with_, without = np.flatnonzero(shown), np.flatnonzero(~shown)
        room = min(len(with_), max(most // 2, most - len(without)))
        rows = np.sort(np.concatenate([evenly(with_, room), evenly(without, most - room)]))
        thinned = self.take(rows)
        weight = thinned.weight.copy()
        for kind, every in ((shown[rows], with_), (~shown[rows], without)):
            if kind.any():
                weight[kind] *= self.weight[every].sum() / weight[kind].sum()
        return replace(thinned, weight=weight)

    def save(self, path: Path) -> None:
        """Write them, for the owner alone to read; raises RunError where the disk is full."""
        header = {"version": VERSION, "stream": self.stream, "size": self.size, "classes": self.classes}
        columns = {name: getattr(self, name) for name in _COLUMNS}
        # Not compressed: a sensor's noise would gain a tenth, and take seconds.
        write_arrays(path, "examples", {"header": packed(header), **columns}, compressed=False)

    @classmethod
    def load(cls, path: Path) -> Examples:
        """Read what `save` wrote; raises ModelError where it is damaged or of another version of vidpipe."""

        def made(arrays: dict[str, NDArray[Any]]) -> Examples:
            header = unpacked(arrays["header"])
            if header["version"] != VERSION:
                raise ModelError(f"examples {path}: of version {header['version']}, wanted is {VERSION}")
            columns: dict[str, Any] = {name: arrays[name] for name in _COLUMNS}
            if any(len(columns[name]) != len(columns["seq"]) for name in _COLUMNS):
                raise ValueError("rows")
            return cls(header["stream"], tuple(header["size"]), tuple(header["classes"]), **columns)

        return read_arrays(path, "examples", made)


_COLUMNS = tuple(field.name for field in fields(Examples) if field.name not in ("stream", "size", "classes"))


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
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    joined = replace(first, **columns)
    order = np.argsort(joined.pts, kind="stable")
    return joined if (order == np.arange(len(order))).all() else joined.take(order)


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One example, as it comes."""

    seq: int
    pts: float
    size: tuple[int, int]
    picture: Image
    present: NDArray[np.bool_]
    anything: bool

    @classmethod
    def of(cls, frame: Frame, seen: sv.Detections, classes: int) -> _Row:
        labels = np.array(seen.class_id if len(seen) else [], np.int64)
        present = np.zeros(classes, bool)
        present[labels[labels < classes]] = True
        size = (frame.width, frame.height)
        return cls(frame.seq, frame.pts, size, frame.keep(picture_of(frame)), present, len(seen) > 0)


def _packed(stream: str, classes: tuple[str, ...], rows: Sequence[_Row]) -> Examples:
    return Examples(
        stream,
        rows[0].size,
        classes,
        seq=np.array([row.seq for row in rows], np.int64),
        pts=np.array([row.pts for row in rows], np.float64),
        pictures=np.stack([row.picture for row in rows]),
        present=np.stack([row.present for row in rows]),
        anything=np.array([row.anything for row in rows], bool),
        weight=np.ones(len(rows), np.float32),
    )
