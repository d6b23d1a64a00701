"""An entry of the cache of looks: records on disk, good up to the last whole one, whatever ended the writing."""

from __future__ import annotations

import json
import logging
import os
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import numpy as np

from vidpipe.bench.reference.looks import Look

_log = logging.getLogger(__name__)
_CRC = struct.Struct("<I")  # of all that follows in the record: what a power cut leaves is not always a clean end
_FRAME = struct.Struct("<qd?I")  # seq, pts, known, boxes; then as float32 xyxy and score, as int32 label of each box
_BOX_BYTES = (4 + 1 + 1) * 4
_FLUSH_S = 2.0  # as much work as a power cut may cost


@dataclass(frozen=True, slots=True)
class Head:
    """What all looks of an entry share, as `Viewer` and `Traits` have it."""

    names: tuple[str, ...]
    width: int
    height: int
    size: tuple[int, int]
    usual: float


class Kept(NamedTuple):
    """What an entry holds.

    Attributes:
        head: None where nothing was begun.
        looks: at the first frames of the stream, or if `finished`, at all.
        nbytes: that they take in the file; what lies behind is a record that was cut off.
    """

    head: Head | None
    looks: list[Look]
    nbytes: int
    finished: bool


def read(folder: Path) -> Kept:
    """What an entry holds; nothing where it is not there or cannot be read."""
    try:
        head = json.loads((folder / "head.json").read_bytes())
        data = (folder / "looks.bin").read_bytes()
    except (OSError, ValueError):
        return Kept(None, [], 0, False)
    looks = list(_records(data))
    nbytes = sum(_FRAME.size + _CRC.size + _BOX_BYTES * len(look.score) for look in looks)
    shared = Head(tuple(head["names"]), head["width"], head["height"], tuple(head["size"]), head["usual"])
    return Kept(shared, looks, nbytes, _marked(folder, len(looks)))


class Keeper:
    """Appends looks to an entry. What keeps it from writing is told once; it then lets the looks pass.

    Args:
        folder: of the entry; None: nothing is kept.
        kept: what the entry holds already.
    """

    def __init__(self, folder: Path | None, head: Head, kept: Kept) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None
        self._frames = len(kept.looks)
        self._waiting = bytearray()
        self._flushed_at = time.monotonic()
        if folder is None:
            return
        with self._giving_up():
            if kept.head is None:
                _publish(folder / "head.json", json.dumps(asdict(head)).encode())
            path = folder / "looks.bin"
            path.touch()
            self._file = path.open("r+b", buffering=0)
            self._file.truncate(kept.nbytes)
            self._file.seek(kept.nbytes)

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        if self._file is not None:
            self._file.close()

    def add(self, look: Look) -> None:
        """The look at the next frame."""
        if self._file is None:
            return
        self._waiting += _record(look)
        self._frames += 1
        if time.monotonic() - self._flushed_at > _FLUSH_S:
            self._flush()

    def finish(self) -> None:
        """There are no more frames."""
        self._flush()
        if self._file is not None and self._folder is not None:
            with self._giving_up():
                _publish(self._folder / "finished", str(self._frames).encode())

    def _flush(self) -> None:
        if self._file is None:
            return
        with self._giving_up():
            while self._waiting:
                del self._waiting[: self._file.write(self._waiting)]
            os.fsync(self._file.fileno())
        self._flushed_at = time.monotonic()

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            _log.warning("the cache %s cannot be written (%s): going on without it", self._folder, error.strerror)
            if self._file is not None:
                self._file.close()
            self._file = None


def _marked(folder: Path, frames: int) -> bool:
    """Whether the entry was finished with so many frames."""
    try:
        return (folder / "finished").read_text() == str(frames)
    except OSError:
        return False


def _record(look: Look) -> bytes:
    body = _FRAME.pack(look.seq, look.pts, look.known, len(look.score)) + b"".join(
        [look.xyxy.astype("<f4").tobytes(), look.score.astype("<f4").tobytes(), look.label.astype("<i4").tobytes()]
    )
    return _CRC.pack(zlib.crc32(body)) + body


def _records(data: bytes) -> Iterator[Look]:
    """The records up to the first that is not whole or not the next frame's."""
    view, start, expected = memoryview(data), 0, 0
    while start + _CRC.size + _FRAME.size <= len(data):
        (crc,) = _CRC.unpack_from(data, start)
        start += _CRC.size
        seq, pts, known, count = _FRAME.unpack_from(data, start)
        end = start + _FRAME.size + _BOX_BYTES * count
        if end > len(data) or seq != expected or zlib.crc32(view[start:end]) != crc:
            return
        columns = np.frombuffer(data, "<f4", 5 * count, start + _FRAME.size)
        labels = np.frombuffer(data, "<i4", count, end - 4 * count).astype(np.int64)
        yield Look(seq, pts, known, columns[: 4 * count].reshape(count, 4), columns[4 * count :], labels)
        start, expected = end, expected + 1


def _publish(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or not there, also after a power cut."""
    scratch = path.with_name(f".{path.name}")
    with scratch.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
