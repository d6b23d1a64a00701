"""The index of a recording: the time of each picture, and which of them are key frames, without decoding the others."""

from __future__ import annotations

import hashlib
import json
import math
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.archive.chunks import Chunk, cut
from vidpipe.core.arrays import read_arrays, write_arrays
from vidpipe.core.errors import SourceError
from vidpipe.sources.base import Decoding, Resume, StreamSpec

SCHEMA = 1
_MICRO = 1e6
_HALF_STEP_S = 5e-6  # between two pictures there is twice as much at least


class Identity(NamedTuple):
    """By what it is known that a file has not changed.

    Attributes:
        size: bytes.
        mtime_ns: when it was written last, nanoseconds since 1970.
    """

    path: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Identity:
        """Raises SourceError where the file cannot be looked at, or is none: a pipe can be read only once."""
        try:
            found = path.stat()
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from None
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(f"{path} is no file: an archive is made of recordings that lie on a disk")
        return cls(str(path), found.st_size, found.st_mtime_ns)

    def check(self) -> None:
        """Raises SourceError where the file is not the same any more."""
        if Identity.of(Path(self.path)) != self:
            raise SourceError(f"{self.path} has changed since it was indexed: start again once nobody writes to it")


@dataclass(frozen=True, slots=True)
class Index:
    """What is known of a recording before its pictures are answered.

    Attributes:
        keys: `seq` of the key frames, int64.
        times_us: media microseconds of each picture, int64 [pictures]; `seq` is the place.
        picture: (width, height) of the first picture, upright, in pixels.
        recorded_at: UTC seconds of the first picture; None where the file does not say.
        uncut: why it is one chunk, whatever its key frames; "" where it may be cut.
        cpu_s: CPU seconds that a worker took for it.
    """

    identity: Identity
    keys: NDArray[np.int64]
    times_us: NDArray[np.int64]
    picture: tuple[int, int]
    recorded_at: float | None = None
    uncut: str = ""
    cpu_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Media seconds from the first picture to the last."""
        return float(self.times_us[-1] - self.times_us[0]) / _MICRO

    def pts(self, seq: int) -> float:
        """Media seconds of a picture."""
        return float(self.times_us[seq]) / _MICRO

    def captured_at(self, seq: int) -> float | None:
        """UTC seconds of a picture, where they are known."""
        return None if self.recorded_at is None else self.recorded_at + self.pts(seq)

    def resume(self, chunk: Chunk) -> Resume | None:
        """What the first picture of a chunk comes behind; None: it is the first of the recording."""
        return Resume(chunk.warm - 1, self.pts(chunk.warm - 1)) if chunk.warm else None

    def end_s(self, chunk: Chunk) -> float | None:
        """Media seconds at which a chunk ends; None: with the recording."""
        return None if chunk.end == len(self.times_us) else self.pts(chunk.end) - _HALF_STEP_S

    def chunks(self, chunk_s: float, warm_up_s: float) -> list[Chunk]:
        """As `cut` has them."""
        keys = [] if self.uncut else self.keys.tolist()
        return cut(keys, (self.times_us / _MICRO).tolist(), chunk_s, warm_up_s)

    def digest(self, settings: Any) -> str:
        """Another one for another file, cut or settings; those as JSON can hold them."""
        told = json.dumps([*self.identity, self.uncut, settings], sort_keys=True)
        return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()[:16]

    def write(self, file: Path) -> None:
        """Raises RunError."""
        head = {
            "schema": SCHEMA,
            "identity": list(self.identity),
            "picture": list(self.picture),
            "recorded_at": self.recorded_at,
            "uncut": self.uncut,
            "cpu_s": self.cpu_s,
        }
        # Of a constant rate the differences are all but one and the same, and take no room.
        steps = np.diff(self.times_us, prepend=0)
        arrays = {"head": np.array(json.dumps(head)), "keys": self.keys, "steps_us": steps}
        write_arrays(file, "index", arrays, private=False)

    @classmethod
    def read(cls, file: Path) -> Index:
        """Raises ModelError where there is none, or it is damaged."""
        return read_arrays(file, "index", cls._of)

    @classmethod
    def _of(cls, arrays: dict[str, NDArray[Any]]) -> Index:
        head = json.loads(str(arrays["head"]))
        if head["schema"] != SCHEMA:
            raise ValueError(f"schema {head['schema']}")
        times, (width, height) = np.cumsum(arrays["steps_us"]), head["picture"]
        known = (Identity(*head["identity"]), arrays["keys"], times, (width, height))
        return cls(*known, head["recorded_at"], head["uncut"], head["cpu_s"])


def index(spec: StreamSpec, beat: Callable[[], None] = lambda: None) -> Index:
    """Make the index of a recording: `seq` and times as `FileSource` gives them, by decoding the key frames alone.

    Args:
        beat: is called at each picture.

    Raises:
        SourceError: it is no video, has no picture that can be decoded, or is being written to.
    """
    from vidpipe.sources.decoding.normal import Normaliser
    from vidpipe.sources.files.file import SAME_S

    path = Path(spec.url).expanduser()
    identity = Identity.of(path)
    begin_s, end_s = spec.start_s - SAME_S, math.inf if spec.end_s is None else spec.end_s
    keys: list[int] = []
    times: list[float] = []
    size: tuple[int, int] | None = None
    recorded_at: float | None = None
    for began_at, pts, picture in _pictures(path):
        beat()
        if pts >= end_s:
            break
        recorded_at = began_at
        if picture is not None and size is None:
            upright = Normaliser()(picture)
            size = upright.width, upright.height
        if pts >= begin_s:
            if picture is not None:
                keys.append(len(times))
            times.append(pts)
    if size is None:
        raise SourceError(f"{path} holds no picture that can be decoded; give another file")
    if not times:
        raise SourceError(f"{path}: no picture lies at or behind start_s {spec.start_s:g}")
    identity.check()
    times_us = np.round(np.array(times) * _MICRO).astype(np.int64)
    return Index(identity, np.array(keys, np.int64), times_us, size, recorded_at)


def _pictures(path: Path) -> Iterator[tuple[float | None, float, Any]]:
    """Of each picture: when the recording began, its media time, and itself if it is a whole key frame, else None."""
    from vidpipe.sources.decoding.pictures import NoPicture
    from vidpipe.sources.files.reader import Reader

    if not path.stat().st_size:
        raise SourceError(f"{path} is empty")
    reader = Reader(path, threads=1, stop=threading.Event(), decoding=Decoding("nokey"))
    try:
        for pts, picture in reader:
            whole = not isinstance(picture, NoPicture) and picture.key_frame
            yield reader.recorded_at, pts, picture if whole else None
    finally:
        reader.close()
