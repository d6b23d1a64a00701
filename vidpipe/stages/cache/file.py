"""A cache as a file: a whole one or none, of known make, and without pickles, as others may have written it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.arrays import packed, read_arrays, unpacked, write_arrays
from vidpipe.core.errors import ConfigError, ModelError
from vidpipe.stages.cache.store import Entry

VERSION = 1
SUFFIX = ".cache"
_ALIKE = 0.99  # cosine of what two runs of one network make of the probe: runtimes differ in the last digits


class CacheFileError(ConfigError):
    """A file that is damaged, or not of this cache's make."""


class Make(NamedTuple):
    """What keys and values mean: caches can only share what was made alike.

    Attributes:
        key: how keys are made: "thumbnail 24x18", "model", "feature X".
        length: of keys.
        classes: of the pipeline.
        probe: what the networks behind it make of a fixed picture, [n]: other weights are told apart so, whatever
            their files are called. Empty where there is none.
    """

    key: str
    length: int
    classes: tuple[str, ...]
    probe: NDArray[np.float32]


def save(path: Path, make: Make, entries: Sequence[Entry]) -> None:
    """Write them; raises RunError where the disk is full, and leaves the old file then."""
    header = {"version": VERSION, "key": make.key, "length": make.length, "classes": list(make.classes)}
    names = sorted({name for entry in entries for name in entry.value})
    arrays: dict[str, NDArray[np.generic]] = {
        "header": packed(header | {"values": names}),
        "probe": make.probe,
        "keys": np.array([entry.key for entry in entries], np.float32).reshape(-1, make.length),
        "costs": np.array([entry.cost for entry in entries], float),
        "uses": np.array([entry.uses for entry in entries], np.int64),
    }
    for name in names:
        values = [entry.value[name] for entry in entries]
        arrays[f"rows.{name}"] = np.array([len(value) for value in values], np.int64)
        arrays[f"value.{name}"] = np.concatenate(values)
    write_arrays(path, "cache", arrays, compressed=False, private=False)


def load(path: Path, make: Make) -> list[Entry]:
    """The entries of a file.

    Raises:
        CacheFileError: it is damaged, or of another make.
    """

    def made(arrays: dict[str, NDArray[np.generic]]) -> list[Entry]:
        header = unpacked(np.asarray(arrays["header"], np.uint8))
        _check(path, header, np.asarray(arrays["probe"], np.float32), make)
        return _entries(arrays, header["values"], make)

    try:
        return read_arrays(path, "cache", made)
    except ModelError as error:
        raise CacheFileError(f"{error}: left out") from error


def _check(path: Path, header: dict[str, object], probe: NDArray[np.float32], make: Make) -> None:
    wanted = {"version": VERSION, "key": make.key, "length": make.length, "classes": list(make.classes)}
    for name, value in wanted.items():
        if header.get(name) != value:
            raise CacheFileError(f"cache {path}: its {name} is {header.get(name)}, wanted is {value}: left out")
    if probe.shape != make.probe.shape or (probe.size and _cosine(probe, make.probe) < _ALIKE):
        raise CacheFileError(f"cache {path}: made with another model: left out")


def _entries(arrays: dict[str, NDArray[np.generic]], names: list[str], make: Make) -> list[Entry]:
    keys = np.asarray(arrays["keys"], np.float32)
    if keys.ndim != 2 or keys.shape[1] != make.length or not np.allclose(np.linalg.norm(keys, axis=1), 1, atol=1e-3):
        raise ValueError("keys")
    values: list[dict[str, NDArray[np.generic]]] = [{} for _ in keys]
    for name in names:
        borders = np.cumsum(arrays[f"rows.{name}"])[:-1].tolist()
        parts = np.split(arrays[f"value.{name}"], borders) if len(keys) else []
        for value, part in zip(values, parts, strict=True):
            value[name] = part.copy()
    rows = zip(keys, values, arrays["costs"].tolist(), arrays["uses"].tolist(), strict=True)
    return [Entry(key.copy(), value, cost, uses=uses) for key, value, cost, uses in rows]


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other / max(1e-12, float(np.linalg.norm(one) * np.linalg.norm(other))))
