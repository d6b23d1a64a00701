"""The cache: what was fetched or converted once; made whole in a folder of its own, then moved into its place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vidpipe.core.errors import ModelError


def cache_dir() -> Path:
    """`$VIDPIPE_CACHE`, or `vidpipe` in `$XDG_CACHE_HOME` or `~/.cache`: models got or made once, safe to delete."""
    if own := os.environ.get("VIDPIPE_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vidpipe"


def fetched_dir() -> Path:
    """Folder of the cache that holds the weights fetched by name; a user without internet may fill it by hand."""
    return cache_dir() / "models"


@contextmanager
def scratch(folder: Path, prefix: str) -> Iterator[Path]:
    """A new folder inside of one of the cache, to make there what is then moved into its place; it is gone afterwards.

    Raises:
        ModelError: the cache cannot be written.
    """
    with _writing():
        folder.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(dir=folder, prefix=prefix)
    with made as path:
        yield Path(path)


def publish(folder: Path, target: Path) -> None:
    """Put a finished folder in its place at once; where another process was first, its result stands."""
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def settings_of(library: str) -> Path:
    """A folder of the cache for what a library wants to keep; raises ModelError where it cannot be made."""
    folder = cache_dir() / library
    with _writing():
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"models are kept in {cache_dir()}, which cannot be written ({error.strerror}): "
            "set VIDPIPE_CACHE to a folder that can"
        ) from None
