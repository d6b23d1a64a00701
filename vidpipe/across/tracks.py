"""Tracks of a store, what they look like, and what the camera graph learns from them."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from vidpipe.across.clocks import Suspicion, corrected, suspicions
from vidpipe.across.graph import HALF_LIFE_S, HORIZON_S, CameraGraph
from vidpipe.across.search import Track
from vidpipe.across.subjects import Seen, Vector, link
from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Image
from vidpipe.core.nearest import did_you_mean
from vidpipe.models.base import Embedder
from vidpipe.results.store.commit import transaction
from vidpipe.results.store.embeddings import unpacked, write_asked
from vidpipe.results.store.file import meaning, open_to_read, open_to_write

ALIKE = 0.2  # cosine distance of `describe`, where its run does not say another one
_MARGIN = 0.15  # of a box's longer side that a kept picture has around it: see `media.best`
_DESCRIBE = "vidpipe.transforms.describe:Describe"


class Known(NamedTuple):
    """What a store has of its cameras.

    Attributes:
        tracks: in order of their first result.
        seen: those of them that were described, by the one model.
        cameras: by name; `until`: UTC seconds up to which each is stored.
        live: the newest run has not ended; `writing`: its cameras.
        pictures: by track, the best picture that was kept of it.
        model: that described them; "": nobody has.
        likeness: least cosine at which that run took two for the same.
        ahead: by run and camera, seconds by which its clock was ahead, which were taken off all times here.
    """

    tracks: list[Track]
    seen: list[Seen]
    cameras: Mapping[str, float]
    live: bool
    writing: Collection[str]
    pictures: Mapping[tuple[int, str, int], Path]
    model: str
    likeness: float
    ahead: Mapping[tuple[int, str], float]

    @property
    def until(self) -> float:
        """UTC seconds up to which all cameras of the newest run are complete."""
        return min((at for name, at in self.cameras.items() if name in self.writing), default=0.0)

    def camera(self, name: str) -> str:
        """A camera of that name. Raises ConfigError: there is none."""
        if name not in self.cameras:
            raise ConfigError(f"--from {name}: the store has no camera of that name{did_you_mean(name, self.cameras)}")
        return name


def read(
    path: Path,
    *,
    since: float | None = None,
    until: float | None = None,
    class_: str | None = None,
    offsets: Mapping[str, float] | None = None,
) -> Known:
    """What a store has, also while a run writes it.

    Args:
        since, until: UTC seconds; tracks that are not in between are left out.
        class_: tracks of other classes are left out.
        offsets: by camera, seconds that its clock is ahead, in place of what its runs have (`clock_offset_s`).

    Raises:
        ConfigError: it is no store, holds no tracks, those were described by several models, or an offset is of a
            camera that it has not.
    """
    with closing(open_to_read(path)) as connection:
        try:
            known = _read(connection, since, until, class_, offsets or {})
        except sqlite3.Error as error:
            raise ConfigError(meaning(path, error)) from None
    if not known.cameras:
        raise ConfigError(f"store {path} is empty: no run has written a result into it yet")
    for camera in offsets or ():
        if camera not in known.cameras:
            raise ConfigError(f"--clock-offset: there is no camera '{camera}'{did_you_mean(camera, known.cameras)}")
    tracks = sorted(corrected(known.tracks, known.ahead), key=lambda track: track.first)
    return known._replace(tracks=tracks, seen=corrected(known.seen, known.ahead))


class Learnt(NamedTuple):
    """The camera graph of a store.

    Attributes:
        suspicions: cameras whose clocks seem to differ.
        subjects: how many there were; `unclear`: tracks that look like two of them.
    """

    graph: CameraGraph
    suspicions: list[Suspicion]
    subjects: int
    unclear: int


def learn(
    known: Known,
    *,
    likeness: float | None = None,
    half_life_s: float = HALF_LIFE_S,
    horizon_s: float = HORIZON_S,
    before: float | None = None,
) -> Learnt:
    """The camera graph of what a store has.

    Args:
        likeness: least cosine at which two tracks are of the same subject; None: as the store's run has it.
        before: UTC seconds; what was seen later teaches nothing.
    """
    bar = known.likeness if likeness is None else likeness
    seen = [each for each in known.seen if before is None or each.last < before]
    linked = link(seen, bar, horizon_s=horizon_s)
    now = max((each.last for each in seen), default=0.0)
    graph = CameraGraph(known.cameras, linked.transitions, now, half_life_s=half_life_s, horizon_s=horizon_s)
    subjects = len(set(linked.subjects.values()))
    return Learnt(graph, suspicions(seen, bar, horizon_s=horizon_s), subjects, linked.unclear)


class Looks:
    """What tracks look like: as the store has it, else by an embedder on the picture that was kept.

    Args:
        load: the embedder that described the others, and its identity as a store has it; called once, if a track
            needs it.

    Attributes:
        computed: how often the embedder was asked.
        nothing: tracks of which neither is there.
    """

    def __init__(self, known: Known, load: Callable[[], tuple[Embedder, str]]) -> None:
        self._load = load
        self._embedder: Embedder | None = None
        self._model = ""
        self._vectors: dict[tuple[int, str, int], Vector] = {}
        self._fresh: dict[tuple[int, str, int], Vector] = {}
        self.computed = 0
        self.nothing = 0
        self.renew(known)

    def renew(self, known: Known) -> None:
        """Take what the store has by now."""
        self._vectors |= {each.key: each.vector for each in known.seen}
        self._pictures = known.pictures

    def __call__(self, track: Track) -> Vector | None:
        """See `search.Look`."""
        if track.key in self._vectors:
            return self._vectors[track.key]
        picture = self._pictures.get(track.key)
        crop = None if picture is None else without_margin(picture)
        if crop is None:
            self.nothing += 1
            return None
        if self._embedder is None:
            self._embedder, self._model = self._load()
        self.computed += 1
        vector: Vector = self._embedder.embed([crop])[0]
        self._vectors[track.key] = self._fresh[track.key] = vector
        return vector

    def keep(self, path: Path) -> None:
        """Store what was computed since, so that nobody computes it again, and the camera graph learns of it.

        Raises:
            ConfigError: the store cannot be written.
        """
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, {}
        with closing(open_to_write(path)) as connection:
            try:
                with transaction(connection):
                    write_asked(connection, self._model, fresh)
            except sqlite3.Error as error:
                raise ConfigError(meaning(path, error)) from None


def without_margin(picture: Path) -> Image | None:
    """What a kept crop shows of the object itself, uint8 [h, w, 3]; None where the file is gone or no picture."""
    import cv2

    image: Image | None = cv2.imread(str(picture), cv2.IMREAD_COLOR)
    if image is None:
        return None
    height, width = image.shape[:2]
    margin = round(_MARGIN * max(height, width) / (1 + 2 * _MARGIN))
    inner: Image = image[margin : height - margin, margin : width - margin]
    return inner if inner.size else image


def _read(
    connection: sqlite3.Connection,
    since: float | None,
    until: float | None,
    class_: str | None,
    offsets: Mapping[str, float],
) -> Known:
    """What a store has, times as they are stored, but for those of `cameras`."""
    bounds, values = ["1"], []
    for condition, value in (("last >= ?", since), ("first < ?", until), ("class = ?", class_)):
        if value is not None:
            bounds.append(condition)
            values.append(value)
    where = " AND ".join(bounds)
    tracks = [
        Track((row["run"], row["stream"], row["track"]), row["stream"], row["first"], row["last"])
        for row in connection.execute(f"SELECT * FROM track WHERE {where}", values)
    ]
    chosen = {track.key for track in tracks}
    where = " AND ".join(bounds[: len(bounds) - (class_ is not None)])
    rows = connection.execute(f"SELECT * FROM embedding WHERE {where}", values[: len(values) - (class_ is not None)])
    seen, models = [], set()
    times = {track.key: track for track in tracks}
    for row in rows:
        key = row["run"], row["stream"], row["track"]
        vector = unpacked(row["vector"], row["length"])
        if key in chosen and vector is not None:
            models.add(str(row["model"]))
            asked = row["vectors"] == 0
            seen.append(Seen(key, row["stream"], times[key].first, times[key].last, vector, asked))
    if len(models) > 1:
        raise ConfigError(
            f"tracks of this store were described by several models ({', '.join(sorted(models))}), which cannot be "
            "compared: leave some out with --since or --until"
        )
    newest = connection.execute("SELECT id, provenance, ended FROM run ORDER BY id DESC").fetchall()
    provenances = {row["id"]: json.loads(row["provenance"]) for row in newest}
    ahead: dict[tuple[int, str], float] = {}
    cameras: dict[str, float] = {}
    for run, stream, at in connection.execute("SELECT run, stream, at FROM position"):
        written = provenances.get(run, {}).get("streams", {}).get(stream, {}).get("clock_offset_s", 0.0)
        ahead[run, stream] = offsets.get(stream, written)
        cameras[stream] = max(cameras.get(stream, -math.inf), at - ahead[run, stream])
    writing = {stream for run, stream in ahead if newest and run == newest[0]["id"]}
    live = bool(newest) and newest[0]["ended"] is None
    told = (_likeness(provenance) for provenance in provenances.values())
    likeness = next((each for each in told if each is not None), 1 - ALIKE)
    pictures = _pictures(connection, chosen)
    return Known(tracks, seen, cameras, live, writing, pictures, next(iter(models), ""), likeness, ahead)


def _likeness(provenance: Mapping[str, Any]) -> float | None:
    for transform in provenance.get("settings", {}).get("transforms", {}).values():
        if transform.get("type") == _DESCRIBE:
            return 1 - float(transform.get("alike", ALIKE))
    return None


def _pictures(
    connection: sqlite3.Connection, chosen: Collection[tuple[int, str, int]]
) -> dict[tuple[int, str, int], Path]:
    """The newest picture of each track."""
    rows: Sequence[sqlite3.Row] = connection.execute(
        "SELECT run, stream, json_extract(data, '$.track_id') AS track, json_extract(data, '$.snapshot') AS picture "
        "FROM event WHERE json_extract(data, '$.snapshot') IS NOT NULL ORDER BY rowid"
    ).fetchall()
    found = {(row["run"], row["stream"], row["track"]): Path(row["picture"]) for row in rows}
    return {key: path for key, path in found.items() if key in chosen}
