"""What gates of a group tell each other: a folder with one update of each camera, and no picture.

yard.update    weights of the gate that was trained last on the camera `yard`, and how far its visits lie apart

A round is what one camera does when it trains: it reads the updates of the others, and leaves its own. So nobody waits
for anybody, and a camera that vanishes in a round leaves its last update behind, or none. A gate that has changed by
less than a share of the last one that was sent is not sent (Gaia, Hsieh et al., NSDI 2017, section 3.2).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.arrays import array_bytes, arrays_of, packed, unpacked
from vidpipe.core.errors import ConfigError, ModelError
from vidpipe.core.files import write_whole
from vidpipe.stages.gate.versions import made_private
from vidpipe.statistics.tolerance import Seen

Weights = Mapping[str, NDArray[np.float32]]

VERSION = 1
SUFFIX = ".update"
MOST_BYTES = 60_000  # of an update
SIGNIFICANT = 0.01  # relative change from which on a gate is sent; Gaia's
_SIGNATURE = 32  # bytes: SHA-256
_MOST_VISITS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """What a camera tells the others.

    Attributes:
        stream: its name.
        version: of the update, from 1.
        targets: classes that its gate looks for, sorted; none: anything.
        picture: (height, width) of what the gate sees.
        architecture: name of one of `network.SIZES`.
        weights: of its network, without what is the camera's own: see `training.weights_of`.
        seen: what its visits tell of how far visits lie apart.
    """

    stream: str
    version: int
    targets: tuple[str, ...]
    picture: tuple[int, int]
    architecture: str
    weights: Weights
    seen: Seen

    def differs_from(self, other: Update) -> str:
        """Why gates of the two cameras have nothing to tell each other; "": they may have."""
        for what, mine, others in (
            ("looks for", " or ".join(self.targets) or "anything", " or ".join(other.targets) or "anything"),
            ("sees pictures of", _size(self.picture), _size(other.picture)),
            ("has the network", self.architecture, other.architecture),
        ):
            if mine != others:
                return f"its gate {what} {others}, not {mine}"
        return ""


class Received(NamedTuple):
    """Updates of a group.

    Attributes:
        updates: those that fit, in order of the cameras' names.
        refused: of the others, by the name of the file without its ending, why.
        size: bytes that were read.
    """

    updates: Sequence[Update]
    refused: Mapping[str, str]
    size: int


class Group:
    """The folder in which cameras of a group share what they have learnt.

    Args:
        folder: made if need be, for its owner alone: weights hold a blurred view of what was learnt from.
        key: what updates are signed with. Empty: whoever may write into the folder is trusted.
    """

    def __init__(self, folder: Path, key: bytes = b"") -> None:
        self._folder = folder
        self._key = key

    def has_others(self, stream: str) -> bool:
        """Whether any other camera has left an update; it is not read."""
        return any(path.stem != stream for path in self._folder.glob(f"*{SUFFIX}"))

    def send(self, update: Update) -> int:
        """Leave a camera's update for the others in place of its last one; gives its bytes, 0: it has hardly changed.

        Raises:
            RunError: the folder or the file cannot be written.
            ConfigError: it is larger than `MOST_BYTES`.
        """
        last = self.last(update.stream)
        if last is not None and not last.differs_from(update) and change(last.weights, update.weights) < SIGNIFICANT:
            return 0
        header = {
            "version": VERSION,
            "stream": update.stream,
            "number": 1 if last is None else last.version + 1,
            "targets": update.targets,
            "picture": update.picture,
            "architecture": update.architecture,
            "seen": update.seen,
        }
        # Half precision: what a camera of the group adopts is validated as it came.
        halves = {f"w.{name}": values.astype(np.float16) for name, values in update.weights.items()}
        content = array_bytes({"header": packed(header), **halves})
        if len(content) + _SIGNATURE > MOST_BYTES:
            raise ConfigError(
                f"stream {update.stream}: an update of network {update.architecture} has {len(content)} bytes, more "
                f"than the {MOST_BYTES} that are sent"
            )
        made_private(self._folder)
        write_whole(self._path(update.stream), self._signature(content) + content, "update", private=True)
        return len(content) + _SIGNATURE

    def last(self, stream: str) -> Update | None:
        """What a camera has sent last; None: nothing that can be read."""
        try:
            return self._read(self._path(stream).read_bytes(), stream)
        except (OSError, ModelError):
            return None

    def received(self, wanted: Update) -> Received:
        """What other cameras tell one whose gate will be like `wanted`, whose weights do not matter."""
        updates: list[Update] = []
        refused: dict[str, str] = {}
        size = 0
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path.stem == wanted.stream:
                continue
            try:
                if path.stat().st_size > MOST_BYTES:
                    raise ModelError(f"it has more than {MOST_BYTES} bytes")
                content = path.read_bytes()
                size += len(content)
                update = self._read(content, path.stem)
            except OSError as error:  # it has gone meanwhile, or may not be read
                refused[path.stem] = f"it cannot be read: {error.strerror}"
                continue
            except ModelError as error:
                refused[path.stem] = str(error)
                continue
            differs = wanted.differs_from(update)
            if differs:
                refused[path.stem] = differs
            else:
                updates.append(update)
        return Received(updates, refused, size)

    def _read(self, content: bytes, stream: str) -> Update:
        """The update in a file of a camera. Raises ModelError."""
        signature, signed = content[:_SIGNATURE], content[_SIGNATURE:]
        if not hmac.compare_digest(signature, self._signature(signed)):
            raise ModelError("it is damaged, or not signed with the key of this group")

        def made(arrays: dict[str, NDArray[Any]]) -> Update:
            header = unpacked(arrays.pop("header"))
            if header["version"] != VERSION:
                raise ModelError(f"it is of version {header['version']} of what is sent, not {VERSION}")
            if header["stream"] != stream:
                raise ModelError(f"it is of stream {header['stream']}")
            seen = Seen(*header["seen"])
            weights = {name.removeprefix("w."): values.astype(np.float32) for name, values in arrays.items()}
            finite = all(np.isfinite(values).all() for values in weights.values()) and np.isfinite(seen).all()
            if not finite or min(seen) < 0 or seen.visits > _MOST_VISITS:
                raise ModelError("it holds figures that no training gives")
            return Update(
                stream,
                int(header["number"]),
                tuple(header["targets"]),
                tuple(header["picture"]),
                str(header["architecture"]),
                weights,
                seen,
            )

        return arrays_of(signed, "update", made)

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")

    def _path(self, stream: str) -> Path:
        return self._folder / f"{stream}{SUFFIX}"


def average(updates: Sequence[Update]) -> Weights:
    """The mean of their weights, each worth as much as the visits that it was trained on (FedAvg, algorithm 1)."""
    visits = np.array([max(1, one.seen.visits) for one in updates], np.float64)
    share = visits / visits.sum()
    return {
        name: np.sum(
            [part * one.weights[name] for part, one in zip(share, updates, strict=True)], axis=0, dtype=float
        ).astype(np.float32)
        for name in updates[0].weights
    }


def change(before: Weights, after: Weights) -> float:
    """How far weights have moved, relative to their size; infinity where they are of other shapes."""
    if {name: values.shape for name, values in before.items()} != {name: one.shape for name, one in after.items()}:
        return np.inf
    moved = sum(float(((after[name] - values) ** 2).sum()) for name, values in before.items())
    size = sum(float((values**2).sum()) for values in before.values())
    return float(np.sqrt(moved / size)) if size else np.inf


def _size(picture: tuple[int, int]) -> str:
    height, width = picture
    return f"{width} x {height}"
