"""The objects that rules know of a stream: which one each box of a result shows, and where it was before.

Identities are a tracker's, but trackers err where rules are hurt most. What has lost its identity, and is found under a
new one where it must be, goes on as the same object; and of two that exchange theirs each stays the object that it was.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.transforms.rules.seen import Seen

KEEP_S = 2.0
"""Media time for which an object that nobody sees may come back under its identity, as trackers have it."""

_TAKE_OVER_S = 1.0  # the same, under a new identity
_NEAR = 0.5  # how far from where it must be, in heights of its box, a new identity may begin to take it over
_LIKE = 1.4  # by which factor the heights of both may differ
_EDGE = 0.01  # of the picture: who is there has left, or has just come
_JUMP = 0.15  # in heights: less than this no two objects have exchanged their identities
_FITS = 1 / 3  # of the way that two would have jumped is left if they have
_KNOWN_S = 1.0  # after which an object counts though one look alone has found it
_INSIDE = 1e-6  # anchors of boxes that the picture cuts off lie in it still


class Objects:
    """Objects in a table, a row each; rows end, and then those below move up.

    Attributes:
        ids: identity under which each was first seen.
        serial: a number of its own for each, never given again.
        box: float64 [n, 4], where it was last seen: xyxy in parts of width and height.
        last, first: float64 [n], media seconds when that was, and when it was first seen.
        score, height: float64 [n], the best score so far, and the greatest height in parts of the picture's.
        confirmed: bool [n]: two looks have found it, or it has been there for a while.
    """

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.serial: list[int] = []
        self.classes: list[str] = []
        self.box = np.zeros((0, 4))
        self.last = np.zeros(0)
        self.first = np.zeros(0)
        self.score = np.zeros(0)
        self.height = np.zeros(0)
        self.confirmed = np.zeros(0, bool)
        self._velocity = np.zeros((0, 2))  # of the centre, in parts of width and height a second
        self._as_of = np.zeros(0, np.int64)  # of the look that found it first
        self._row: dict[tuple[str, int], int] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget all objects but these, [n]."""
        new_row = (np.cumsum(rows) - 1).tolist()
        kept = rows.tolist()
        for name in ("ids", "serial", "classes"):
            setattr(self, name, [value for value, stays in zip(getattr(self, name), kept, strict=True) if stays])
        self._row = {key: new_row[row] for key, row in self._row.items() if kept[row]}
        for name in ("box", "last", "first", "score", "height", "confirmed", "_velocity", "_as_of"):
            setattr(self, name, getattr(self, name)[rows])

    def find(self, seen: Seen, boxes: NDArray[np.float64]) -> NDArray[np.intp]:
        """The row of the object that each box shows, [m]; -1: it has no identity. New objects have new rows.

        Args:
            boxes: [m, 4], in parts of width and height.
        """
        keys = list(zip(seen.classes, seen.ids, strict=True))
        row_of = self._row
        rows = [row_of.get(key, -1) for key in keys]
        if -1 in rows:
            known = set(rows)
            for place, (key, row) in enumerate(zip(keys, rows, strict=True)):
                if row < 0 <= key[1]:
                    row = self._taken_over(key[0], boxes[place], seen, known)
                    rows[place] = row_of[key] = self._new(key, boxes[place], seen) if row < 0 else row
                    known.add(rows[place])
        found = np.array(rows, np.intp)
        if len(rows) > 1 and len(self):
            self._unswap(keys, found, boxes, seen)
        return found

    def move(self, seen: Seen, rows: NDArray[np.intp], boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """See objects where they are now, as boxes [m, 4] with scores [m]; no row may be there twice."""
        passed = seen.pts - self.last[rows]
        moves = passed > 0
        if moves.any():
            way = _centres(boxes) - _centres(self.box[rows])
            velocity = np.divide(way, passed[:, None], out=self._velocity[rows], where=moves[:, None])
            young = self.first[rows] == self.last[rows]
            self._velocity[rows] = np.where(young[:, None], velocity, (self._velocity[rows] + velocity) / 2)
        self.box[rows] = boxes
        self.last[rows] = seen.pts
        self.score[rows] = np.maximum(self.score[rows], scores)
        self.height[rows] = np.maximum(self.height[rows], boxes[:, 3] - boxes[:, 1])
        self.confirmed[rows] |= (self._as_of[rows] != seen.as_of) | (seen.pts - self.first[rows] >= _KNOWN_S)

    def told(self, row: int) -> dict[str, Any]:
        """What an event says of an object."""
        box = [round(edge, 4) for edge in self.box[row].tolist()]
        return {"class": self.classes[row], "track_id": self.ids[row], "box": box, "score": float(self.score[row])}

    def _new(self, key: tuple[str, int], box: NDArray[np.float64], seen: Seen) -> int:
        self.ids.append(key[1])
        self.classes.append(key[0])
        self.serial.append(self._next)
        self._next += 1
        self.box = np.concatenate([self.box, box[None]])
        self.last = np.append(self.last, seen.pts)
        self.first = np.append(self.first, seen.pts)
        self.score = np.append(self.score, 0.0)
        self.height = np.append(self.height, 0.0)
        self.confirmed = np.append(self.confirmed, False)
        self._velocity = np.concatenate([self._velocity, np.zeros((1, 2))])
        self._as_of = np.append(self._as_of, seen.as_of)
        return len(self.ids) - 1

    def _taken_over(self, name: str, box: NDArray[np.float64], seen: Seen, known: set[int]) -> int:
        """The row of a lost object that this box goes on with under a new identity; -1: none."""
        if _at_edge(box):
            return -1
        height = box[3] - box[1]
        centre, aspect = (box[:2] + box[2:]) / 2, seen.width / seen.height
        best, least = -1, _NEAR * height
        for row, other in enumerate(self.classes):
            passed = seen.pts - self.last[row]
            if other != name or row in known or not 0 < passed <= _TAKE_OVER_S or _at_edge(self.box[row]):
                continue
            was = self.box[row, 3] - self.box[row, 1]
            if not was / _LIKE <= height <= was * _LIKE:
                continue
            off = centre - (self.box[row, :2] + self.box[row, 2:]) / 2 - self._velocity[row] * passed
            distance = float(np.hypot(off[0] * aspect, off[1]))
            if distance < least:
                best, least = row, distance
        return best

    def _unswap(
        self, keys: list[tuple[str, int]], rows: NDArray[np.intp], boxes: NDArray[np.float64], seen: Seen
    ) -> None:
        """Where two objects have exchanged their identities, exchange them back; writes into `rows`."""
        passed = seen.pts - self.last[rows]
        expected = _centres(self.box[rows]) + self._velocity[rows] * passed[:, None]
        scale = np.array([seen.width / seen.height, 1.0])
        heights = boxes[:, 3] - boxes[:, 1]
        centres = _centres(boxes) * scale
        expected *= scale
        off = centres - expected
        jumps = np.hypot(off[:, 0], off[:, 1]) > _JUMP * heights
        jumps &= (rows >= 0) & (passed > 0)
        if np.count_nonzero(jumps) < 2:
            return
        left = np.flatnonzero(jumps).tolist()
        while len(left) > 1:
            one = left.pop()
            for other in left:
                if keys[one][0] == keys[other][0] and _fits(centres, expected, one, other):
                    rows[one], rows[other] = rows[other], rows[one]
                    self._row[keys[one]], self._row[keys[other]] = int(rows[one]), int(rows[other])
                    left.remove(other)
                    break


class Known(NamedTuple):
    """What is known of the boxes of one result, a row each.

    Attributes:
        rows: of their objects, [m]; -1: a box without identity.
        boxes: [m, 4], in parts of width and height.
        scores, heights: [m], the best of its object so far; of a box without identity its own.
    """

    rows: NDArray[np.intp]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    heights: NDArray[np.float64]


def anchors(boxes: NDArray[np.float64], anchor: str) -> NDArray[np.float64]:
    """The point of each box [n, 4] that counts, [n, 2]; within the picture, also where a box reaches beyond."""
    x = (boxes[:, 0] + boxes[:, 2]) / 2
    y = boxes[:, 3] if anchor == "feet" else (boxes[:, 1] + boxes[:, 3]) / 2
    return np.clip(np.stack([x, y], axis=1), _INSIDE, 1 - _INSIDE)


def _centres(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    centres: NDArray[np.float64] = (boxes[:, :2] + boxes[:, 2:]) / 2
    return centres


def _at_edge(box: NDArray[np.float64]) -> bool:
    return bool((box[:2] <= _EDGE).any() or (box[2:] >= 1 - _EDGE).any())


def _fits(centres: NDArray[np.float64], expected: NDArray[np.float64], one: int, other: int) -> bool:
    """Whether two objects are about where the other one must be."""
    ways = [(one, one), (other, other), (one, other), (other, one)]
    apart = [float(np.hypot(*(centres[a] - expected[b]))) for a, b in ways]
    return apart[2] + apart[3] < _FITS * (apart[0] + apart[1])
