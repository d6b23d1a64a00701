"""What tracks look like: for each the mean of its embeddings, and the model that made them.

Vectors of different models cannot be compared, so each has its model beside it, by name and by the hash of its files.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.extras import extra

Vector = NDArray[np.float32]

_DIGITS = 12  # of a model's hash
_DESCRIBE = "vidpipe.transforms.describe:Describe"


class Embedded(NamedTuple):
    """The embeddings of a track that are not stored yet.

    Attributes:
        total: sum of its vectors, float32 [d]; `vectors`: how many they are.
        first, last: UTC seconds.
    """

    total: Vector
    vectors: int
    first: float
    last: float

    def and_also(self, vector: Vector, at: float) -> Embedded:
        """With a further one."""
        return Embedded(self.total + vector, self.vectors + 1, self.first, at)


def model_of(provenance: Mapping[str, Any]) -> str:
    """The model that a run describes boxes with, as `NAME@HASH`; "" where it does not.

    Args:
        provenance: the first line of its results.
    """
    settings, models = provenance.get("settings", {}), provenance.get("models", {})
    for transform in settings.get("transforms", {}).values():
        if transform.get("type") == _DESCRIBE and transform.get("model") in models:
            return identity_of(models[transform["model"]])
    return ""


def identity_of(model: Mapping[str, Any]) -> str:
    """What tells a model from others: its file's name, and a hash of its files, so far as they were on that machine.

    Args:
        model: its path and hashes, as the first line of results has them.
    """
    hashes = [each for each in model.get("sha256", {}).values() if each is not None]
    digest = hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()[:_DIGITS]
    name = Path(str(model["path"])).stem
    return f"{name}@{digest}" if hashes else name


def write_embeddings(
    connection: sqlite3.Connection, run: int, model: str, embedded: Mapping[tuple[str, int], Embedded]
) -> None:
    """Add to what is known of tracks, by stream and number; within a transaction."""
    for (stream, track), fresh in embedded.items():
        known = connection.execute(
            "SELECT length, vectors, vector FROM embedding WHERE run = ? AND stream = ? AND track = ?",
            (run, stream, track),
        ).fetchone()
        total, vectors = fresh.total, fresh.vectors
        if known is not None and (before := _read(known[2], known[0])) is not None and len(before) == len(total):
            total, vectors = total + before * np.float32(known[1]), vectors + known[1]
        mean = total / np.float32(vectors)
        connection.execute(
            "INSERT INTO embedding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET last = excluded.last, "
            "model = excluded.model, length = excluded.length, vectors = excluded.vectors, vector = excluded.vector",
            (run, stream, track, fresh.first, fresh.last, model, len(mean), vectors, mean.astype("<f2").tobytes()),
        )


def write_asked(connection: sqlite3.Connection, model: str, vectors: Mapping[tuple[int, str, int], Vector]) -> None:
    """Store what tracks look like of which a run has said nothing, by run, stream and number; within a transaction.

    Each counts as no vectors: once its run describes the track as well, that takes its place. Tracks that are no longer
    stored are left out, as are those that have a vector by now.
    """
    connection.executemany(
        "INSERT INTO embedding SELECT run, stream, track, first, last, ?, ?, 0, ? FROM track "
        "WHERE run = ? AND stream = ? AND track = ? ON CONFLICT DO NOTHING",
        [(model, len(vector), vector.astype("<f2").tobytes(), *key) for key, vector in vectors.items()],
    )


def unpacked(blob: object, length: int) -> Vector | None:
    """The direction of a stored mean, float32 [length] of length 1; None where it is damaged."""
    mean = _read(blob, length)
    norm = 0.0 if mean is None else float(np.linalg.norm(mean))
    return mean / np.float32(norm) if mean is not None and norm > 0 else None


def _read(blob: object, length: int) -> Vector | None:
    """A stored mean, float32 [length]; None where it is damaged."""
    if not isinstance(blob, bytes) or len(blob) != 2 * length:
        return None
    mean = np.frombuffer(blob, "<f2").astype(np.float32)
    return mean if np.isfinite(mean).all() else None


def most_alike(vectors: Iterable[Vector], to: Vector, most: int) -> list[tuple[int, float]]:
    """The places of those vectors that are most like one, and their cosines, best first.

    Args:
        vectors: each of length 1, and as long as `to`.
    """
    faiss = extra("faiss", "faiss", "looking for who is alike")
    stacked = np.stack(list(vectors))
    index = faiss.IndexFlatIP(stacked.shape[1])
    index.add(stacked)
    cosines, places = index.search(to[None].astype(np.float32), min(most, len(stacked)))
    return list(zip(places[0].tolist(), cosines[0].tolist(), strict=True))
