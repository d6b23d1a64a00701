"""Which tracks are of one subject, by what they look like and when they were seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.across.graph import HORIZON_S, Transition
from vidpipe.core.ways import CLEARLY

Vector = NDArray[np.float32]

AT_ONCE_S = 5.0
"""How long two cameras may see a subject at once; and how soon a track goes on as another one of the same camera."""
_LEAST_WEIGHT = 0.2  # of a new track in what its subject looks like: it changes with light and side


class Seen(NamedTuple):
    """A track, as one sighting of somebody.

    Attributes:
        key: run, stream and number, as a store has them.
        camera: name of the stream.
        first, last: UTC seconds.
        vector: what it looks like, float32 [d] of length 1.
        asked: only a search has had it described. Others of the same subject may not be, so where nobody is seen after
            it that tells nothing.
    """

    key: tuple[int, str, int]
    camera: str
    first: float
    last: float
    vector: Vector
    asked: bool = False


@dataclass(slots=True)
class _Subject:
    number: int
    mean: Vector
    seen: Seen
    last: float
    tracks: int = 1
    unclear: bool = False  # another track may have been this subject


class Linked(NamedTuple):
    """What came of tracks.

    Attributes:
        subjects: number of the subject of each track, by its key.
        transitions: between cameras, and out of sight.
        unclear: tracks that look like two subjects; what became of these is not counted.
    """

    subjects: Mapping[tuple[int, str, int], int]
    transitions: list[Transition]
    unclear: int


def link(tracks: Iterable[Seen], likeness: float, *, horizon_s: float = HORIZON_S) -> Linked:
    """Say which tracks are of one subject, in one pass in order of time.

    A track is the subject that it is most alike, of those who were seen within the horizon and are not in view
    elsewhere. One whose second best is about as alike is nobody's, and tells nothing of any path.

    Args:
        tracks: in any order.
        likeness: least cosine at which two are the same.
    """
    ordered = sorted(tracks, key=lambda seen: seen.first)
    until = max((seen.last for seen in ordered), default=0.0)
    active: list[_Subject] = []
    names: dict[tuple[int, str, int], int] = {}
    transitions: list[Transition] = []
    unclear = 0
    for seen in ordered:
        gone = [each for each in active if each.last < seen.first - horizon_s]
        transitions += _out_of_sight(gone)
        active = [each for each in active if each.last >= seen.first - horizon_s]
        found = _best(active, seen, likeness)
        if found is not None and len(found) == 1:
            subject = found[0]
            if subject.seen.camera != seen.camera or seen.first - subject.last > AT_ONCE_S:
                took_s = seen.first - subject.last
                transitions.append(Transition(subject.seen.camera, seen.camera, subject.last, took_s))
            _take(subject, seen)
        else:
            for either in found or ():
                either.unclear = True
            unclear += found is not None
            subject = _Subject(len(names), seen.vector, seen, seen.last, unclear=found is not None)
            active.append(subject)
        names[seen.key] = subject.number
    transitions += _out_of_sight([each for each in active if each.last < until - horizon_s])
    return Linked(names, transitions, unclear)


def confused(tracks: Iterable[Seen], likeness: float) -> tuple[int, int]:
    """How many pairs of tracks are of two subjects for sure, and how many of these look like one.

    Two tracks that one camera shows at the same time are two subjects, and so are those of two cameras that are in view
    together for longer than `AT_ONCE_S`. So whether looks tell subjects apart is known without anybody's labels.
    """
    pairs = alike = 0
    active: list[Seen] = []
    for seen in sorted(tracks, key=lambda each: each.first):
        active = [each for each in active if each.last > seen.first]
        for other in active:
            together_s = min(other.last, seen.last) - seen.first
            if len(other.vector) == len(seen.vector) and together_s > (
                0.0 if other.camera == seen.camera else AT_ONCE_S
            ):
                pairs += 1
                alike += bool(other.vector @ seen.vector >= likeness)
        active.append(seen)
    return pairs, alike


def _best(active: list[_Subject], seen: Seen, likeness: float) -> list[_Subject] | None:
    """The subject that a track is; two if it may be either; None: none of them."""
    able = [
        each
        for each in active
        if each.last - seen.first <= (0.0 if each.seen.camera == seen.camera else AT_ONCE_S)
        and len(each.mean) == len(seen.vector)
    ]
    if not able:
        return None
    cosines = np.stack([each.mean for each in able]) @ seen.vector
    first, *rest = np.argsort(-cosines, kind="stable")[:2].tolist()
    if cosines[first] < likeness:
        return None
    close = [place for place in rest if cosines[place] >= max(likeness, cosines[first] - CLEARLY)]
    return [able[place] for place in (first, *close)]


def _take(subject: _Subject, seen: Seen) -> None:
    subject.tracks += 1
    mean = subject.mean + np.float32(max(1 / subject.tracks, _LEAST_WEIGHT)) * (seen.vector - subject.mean)
    subject.mean = mean / max(np.linalg.norm(mean), np.float32(1e-6))
    if seen.last >= subject.last:
        subject.seen, subject.last = seen, seen.last
    subject.unclear = False


def _out_of_sight(gone: Iterable[_Subject]) -> list[Transition]:
    return [Transition(each.seen.camera, None, each.last) for each in gone if not (each.unclear or each.seen.asked)]
