"""The folder of a Ray of our own. It goes with the run, where Ray itself would keep every run's for good."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_PREFIX = "vidpipe-ray-"
_LONGEST = 20  # letters of the place: Ray's sockets lie below it, and an address of a socket has 107 in all
_YOUNG_S = 60.0  # a folder without a lock may be one that is just being made


class Folder:
    """A new folder, locked for as long as this process lives; what dead runs have left beside it is removed.

    Attributes:
        path: where it is.
    """

    def __init__(self, place: Path | None = None) -> None:
        place = place or _place()
        _sweep(place)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        self._lock = os.open(_lock_of(self.path), os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _place() -> Path:
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= _LONGEST else Path("/tmp")


def _sweep(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is somebody else's, or gone meanwhile
            if _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether the process that made this folder has ended: who lives holds its lock, in whatever container."""
    try:
        lock = os.open(_lock_of(folder), os.O_RDWR)
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime > _YOUNG_S
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _lock_of(folder: Path) -> Path:
    return folder / "lock"
