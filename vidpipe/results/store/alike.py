"""Search by likeness: events of objects that look like one, over all streams of a store."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vidpipe.core.errors import ConfigError
from vidpipe.results.store.embeddings import Vector, identity_of, model_of, most_alike, unpacked

if TYPE_CHECKING:
    from vidpipe.models.embedder import LoadedEmbedder

log = logging.getLogger(__name__)

Ask = Callable[[str, Sequence[Any]], list[sqlite3.Row]]

_TAKEN_OVER_S = 600.0  # an object that comes back under other identities keeps its first one in events: for so long


class Like(NamedTuple):
    """What is searched for.

    Attributes:
        vector: float32 [d] of length 1.
        model: that made it, see `embeddings.identity_of`.
        track: run, stream and number of the object itself, which is not among what is found; None: a picture's.
    """

    vector: Vector
    model: str
    track: tuple[int, str, int] | None = None


class Track(NamedTuple):
    """A track that was found, and how like it is: the cosine of both vectors."""

    run: int
    stream: str
    number: int
    first: float
    last: float
    likeness: float


def like_event(ask: Ask, id: str) -> Like:
    """What the object of an event looks like.

    Raises:
        ConfigError: there is no such event, it is of no object, or nobody has described that.
    """
    rows = ask("SELECT run, stream, data FROM event WHERE id = ?", (id,))
    if not rows:
        raise ConfigError(f"there is no event '{id}' in the store, and no picture of that name")
    run, stream, track = rows[0]["run"], rows[0]["stream"], json.loads(rows[0]["data"]).get("track_id")
    if track is None:
        raise ConfigError(f"event '{id}' is of no object that was tracked: take another one, or a picture")
    rows = ask("SELECT * FROM embedding WHERE run = ? AND stream = ? AND track = ?", (run, stream, track))
    if not rows:
        raise ConfigError(f"what the object of event '{id}' looks like is not stored: its run had no `describe`")
    vector = unpacked(rows[0]["vector"], rows[0]["length"])
    if vector is None:
        raise ConfigError(f"what the object of event '{id}' looks like is damaged in the store: take another event")
    return Like(vector, rows[0]["model"], (run, stream, track))


def like_picture(provenances: Sequence[Mapping[str, Any]], picture: Path, search_paths: Sequence[Path]) -> Like:
    """What a picture shows, all of which is taken for the object.

    Args:
        provenances: first lines of results, of the runs of the store from the oldest to the newest: the newest that
            described boxes tells with which model.
        search_paths: folders in which that is looked for.

    Raises:
        ConfigError: the picture cannot be read, no run described boxes, or its model is not here, or is another one.
    """
    import cv2

    image = cv2.imread(str(picture), cv2.IMREAD_COLOR)
    if image is None:
        raise ConfigError(f"picture {picture} cannot be read: is it a JPEG or PNG?")
    embedder, model = embedder_of(provenances, search_paths)
    return Like(embedder.embed([image])[0], model)


def embedder_of(provenances: Sequence[Mapping[str, Any]], search_paths: Sequence[Path]) -> tuple[LoadedEmbedder, str]:
    """The embedder that the newest run has described boxes with, and its identity; arguments and errors as of
    `like_picture`.
    """
    provenance = next((each for each in reversed(provenances) if model_of(each)), None)
    if provenance is None:
        raise ConfigError("no run of this store has described boxes: give its pipeline a transform `describe`")
    from vidpipe.models.base import ModelSpec
    from vidpipe.models.load import load_embedder
    from vidpipe.models.resolve import files_of
    from vidpipe.results.provenance import hashes_of

    transforms = provenance["settings"]["transforms"].values()
    name = next(each["model"] for each in transforms if each.get("model") in provenance["models"])
    spec = ModelSpec.model_validate(provenance["settings"]["models"][name])
    here = identity_of({"path": spec.path, "sha256": hashes_of(files_of(spec, search_paths))})
    if here != (model := model_of(provenance)):
        raise ConfigError(f"the store's boxes were described with {model}, and here is {here}: they cannot be compared")
    return load_embedder(spec, search_paths=search_paths), model


def tracks_alike(ask: Ask, like: Like, where: str, values: Sequence[Any]) -> list[Track]:
    """The tracks that a condition leaves, most alike first.

    Raises:
        ConfigError: some were described by another model.
    """
    rows = ask(f"SELECT * FROM embedding {where}", values)
    if others := sorted({row["model"] for row in rows} - {like.model}):
        raise ConfigError(
            f"what is searched for was described with {like.model}, and others here with {', '.join(others)}, which "
            "cannot be compared: leave them out with --since, --until or --stream"
        )
    known: list[tuple[sqlite3.Row, Vector]] = []
    damaged = 0
    for row in rows:
        vector = unpacked(row["vector"], row["length"])
        if vector is None or len(vector) != len(like.vector):
            damaged += 1
        elif (row["run"], row["stream"], row["track"]) != like.track:
            known.append((row, vector))
    if damaged:
        log.warning("%d tracks are left out: what they look like is damaged in the store", damaged)
    if not known:
        return []
    found = most_alike((vector for _, vector in known), like.vector, len(known))
    rows = [known[place][0] for place, _ in found]
    return [
        Track(row["run"], row["stream"], row["track"], row["first"], row["last"], round(cosine, 4))
        for row, (_, cosine) in zip(rows, found, strict=True)
    ]


def of_track(track: Track) -> tuple[str, Sequence[Any]]:
    """The condition on events of a track: of its time, so that they are found by the index of the stream."""
    condition = "run = ? AND stream = ? AND at BETWEEN ? AND ? AND json_extract(data, '$.track_id') = ?"
    return condition, (track.run, track.stream, track.first, track.last + _TAKEN_OVER_S, track.number)
