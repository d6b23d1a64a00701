"""Following one subject: looked for where the camera graph says first, then with looser bounds, then everywhere.

ReXCam (Jain et al., SEC 2020) searches cameras by S and T, and on a miss replays what is kept with looser bounds. What
is counted are looks: tracks whose vector had to be known, each a crop that an embedder would have to be given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from vidpipe.across.graph import CameraGraph, Window
from vidpipe.across.subjects import AT_ONCE_S, Vector
from vidpipe.statistics.draw import draw

LEAST_SHARE = 0.025
_LOOSER = 1.5  # times as long windows in the second search
_LOOSER_SHARE = 0.5  # of the least share in the second search
CHECK = 0.02  # of the searches that end without a sighting, the share that goes everywhere all the same
SETTLED_S = 3.0  # after which a track that goes on is worth a look: its first crops are the worst


class Bounds(StrEnum):
    """How far a search goes."""

    LIKELY = "likely"
    LOOSER = "looser"
    EVERYWHERE = "everywhere"


class Track(NamedTuple):
    """A track that may be looked at.

    Attributes:
        key: run, stream and number, as a store has them.
        first, last: UTC seconds.
    """

    key: tuple[int, str, int]
    camera: str
    first: float
    last: float


class Sighting(NamedTuple):
    """The subject, on a camera.

    Attributes:
        likeness: cosine to what the subject looked like before.
        bounds: the search that found it.
        looks: how many it took since the one before.
    """

    track: Track
    likeness: float
    bounds: Bounds
    looks: int


Look = Callable[[Track], Vector | None]
"""What a track looks like, float32 [d] of length 1; None where nobody knows."""


class Follow:
    """Follows one subject from the moment at which it left a camera, on a store that is finished or grows.

    The earliest track that looks enough like it is the next sighting, and the search goes on from there: so what comes
    out of a run that goes on is what comes out of its store afterwards.

    Args:
        graph: where to look.
        look: asked once for each track, and only where the subject may be.
        vector: what the subject looks like, float32 [d] of length 1.
        camera, left_at: where it was seen last, and until when, in UTC seconds.
        likeness: least cosine at which a track is the subject.
        known: keys of tracks that are the subject itself.
        least_share: of those who leave a camera. On a miss looser bounds are searched, then everywhere, unless it is
            known, with 95 % confidence, that fewer than that are seen where nobody has searched yet.
        check: share of the other searches, drawn by the track that was left, that goes everywhere all the same: else
            nobody would ever be seen on a new path.

    Attributes:
        looks: how many were needed so far.
        over: it was not seen again within the horizon.
        beyond: share of those leaving the last camera who are seen next where nobody has searched, at most.
    """

    def __init__(
        self,
        graph: CameraGraph,
        look: Look,
        vector: Vector,
        camera: str,
        left_at: float,
        *,
        likeness: float,
        known: Sequence[tuple[int, str, int]] = (),
        least_share: float = LEAST_SHARE,
        check: float = CHECK,
    ) -> None:
        self._graph = graph
        self._look = look
        self._vector = vector
        self._camera = camera
        self._left_at = left_at
        self._likeness = likeness
        self._least_share = least_share
        self._check = check
        self._asked = set(known)
        self._current = next(iter(known), None)
        self._sighted = 0
        self._bounds = Bounds.LIKELY
        self._looks_before = 0
        self.looks = 0
        self.over = False
        self.beyond = 0.0

    @property
    def place(self) -> tuple[str, float]:
        """Camera and time at which the subject was last seen."""
        return self._camera, self._left_at

    def advance(self, tracks: Sequence[Track], now: float) -> list[Sighting]:
        """Search what there is by now.

        Args:
            tracks: all that may matter, in order of their first result; those that go on may have grown.
            now: UTC seconds up to which they are complete; infinity of a store that is finished.

        Returns:
            Sightings that are new, in order.
        """
        found: list[Sighting] = []
        while not self.over:
            current = next((track for track in tracks if track.key == self._current), None)
            if current is not None:
                self._left_at = current.last
            windows = self._windows()
            sighting = self._search(tracks, windows, now)
            if sighting is not None:
                found.append(sighting)
                self._go_on(sighting)
                continue
            end_s = max((window.end_s for window in windows.values()), default=0.0)
            if now < self._left_at + end_s + SETTLED_S:
                break
            self.beyond = 0.0 if self._bounds is Bounds.EVERYWHERE else self._graph.beyond(self._camera, windows)
            worth = self.beyond >= self._least_share
            if self._bounds is Bounds.LIKELY and worth:
                self._bounds = Bounds.LOOSER
            elif self._bounds is not Bounds.EVERYWHERE and (worth or self._is_checked()):
                self._bounds = Bounds.EVERYWHERE
            else:
                self.over = True
        return found

    def _windows(self) -> Mapping[str, Window]:
        if self._bounds is Bounds.LIKELY:
            return self._graph.windows(self._camera, self._least_share)
        if self._bounds is Bounds.LOOSER:
            return self._graph.windows(self._camera, self._least_share * _LOOSER_SHARE, _LOOSER)
        return dict.fromkeys(self._graph.cameras, Window(-AT_ONCE_S, self._graph.horizon_s))

    def _is_checked(self) -> bool:
        return draw("follow-up", self._camera, round(self._left_at * 1000)) < self._check

    def _search(self, tracks: Sequence[Track], windows: Mapping[str, Window], now: float) -> Sighting | None:
        for track in tracks:
            window = windows.get(track.camera)
            if window is None or track.key in self._asked or now - track.first < SETTLED_S:
                continue
            least_s = 0.0 if track.camera == self._camera else window.start_s
            if not least_s <= track.first - self._left_at <= window.end_s:
                continue
            self._asked.add(track.key)
            self.looks += 1
            vector = self._look(track)
            if vector is None or len(vector) != len(self._vector):
                continue
            likeness = float(vector @ self._vector)
            if likeness >= self._likeness:
                self._take(vector)
                return Sighting(track, round(likeness, 4), self._bounds, self.looks - self._looks_before)
        return None

    def _take(self, vector: Vector) -> None:
        """The subject looks like the mean of what it looked like: no sighting alone leads the search astray."""
        self._sighted += 1
        mean = self._vector + (vector - self._vector) / np.float32(self._sighted + 1)
        self._vector = mean / max(np.linalg.norm(mean), np.float32(1e-6))

    def _go_on(self, sighting: Sighting) -> None:
        track = sighting.track
        self._camera, self._left_at, self._current = track.camera, track.last, track.key
        self._bounds = Bounds.LIKELY
        self._looks_before = self.looks
