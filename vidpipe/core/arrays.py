"""Arrays that were learnt, as one file: whole or not at all, and without pickles.

It is an .npz: every array in it has a checksum, so a damaged file is told apart from a good one when it is read.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import ModelError, VidpipeError
from vidpipe.core.files import write_whole

T = TypeVar("T")
Arrays = Mapping[str, NDArray[Any]]


def write_arrays(path: Path, what: str, arrays: Arrays, *, compressed: bool = True, private: bool = True) -> None:
    """Write them, by name; `what` is what a user calls the file; `private`: for its owner alone. Raises RunError."""
    write_whole(path, array_bytes(arrays, compressed=compressed), what, private=private)


def read_arrays(path: Path, what: str, make: Callable[[dict[str, NDArray[Any]]], T]) -> T:
    """What `make` makes of them; whatever it raises says that the file is damaged, but for errors of vidpipe.

    Raises:
        ModelError: there is no such file, or it is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{what} {path}: there is no such file") from None
    except OSError as error:
        raise ModelError(f"{what} {path}: damaged or cannot be read ({type(error).__name__})") from error
    return arrays_of(content, f"{what} {path}", make)


def array_bytes(arrays: Arrays, *, compressed: bool = True) -> bytes:
    """What `write_arrays` writes."""
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def arrays_of(content: bytes, what: str, make: Callable[[dict[str, NDArray[Any]]], T]) -> T:
    """What `make` makes of the arrays in such bytes; see `read_arrays`. Raises ModelError: they are damaged."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return make({name: archive[name] for name in archive.files})  # reads all, and checks all checksums
    except VidpipeError:
        raise
    except Exception as error:  # of damage numpy, zipfile and zlib raise nearly anything
        raise ModelError(f"{what}: damaged or cannot be read ({type(error).__name__})") from error


def packed(header: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Plain data as an array."""
    return np.frombuffer(json.dumps(header).encode(), np.uint8)


def unpacked(header: NDArray[np.uint8]) -> dict[str, Any]:
    """What `packed` was given, but for tuples, which are lists now."""
    plain: dict[str, Any] = json.loads(header.tobytes())
    return plain
