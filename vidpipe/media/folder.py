"""The folder of pictures and clips: where each goes, and what is deleted when there is too much."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from vidpipe.core.clock import Clock
from vidpipe.core.errors import ConfigError
from vidpipe.core.files import check_takes_files, make_folder
from vidpipe.media.spec import MediaSpec

LOOK_EVERY_S = 600.0
"""After which it is looked at what others have written there, and what has become too old."""

_OURS = re.compile(r"\d{6}\.\d{3}-[^/]*\.(jpg|mp4|mkv)$")
_HALF = re.compile(r"\.\d{6}\.\d{3}-[^/]*\.(jpg|mp4|mkv)\.part$")
_DAY = re.compile(r"\d{4}-\d\d-\d\d$|undated$")
_LEFT_S = 3600.0  # after which a half file that nobody finishes is deleted
_ROOM = 1.25  # of a file's size: so much is made room for at once
_LONGEST = 80  # characters of a stream or rule in a name


class _File(NamedTuple):
    """One of ours that is there; in this order they go when there is too much."""

    picture: bool
    written_at: float
    size: int
    path: Path


class MediaFolder:
    """Where pictures and clips lie: `STREAM/DAY/TIME-RULE.jpg`. For one thread, but for `place`.

    Only files with such names are ever deleted: those that are older than `keep_days`; the oldest clips, and then the
    oldest pictures, while there are more than `max_gb`; and the same where the disk is full.

    Args:
        gone: called with the stream of each file that is deleted.
    """

    def __init__(self, spec: MediaSpec, clock: Clock, gone: Callable[[str], None] = lambda _: None) -> None:
        self._spec = spec
        self._root = spec.path
        self._clock = clock
        self._gone = gone
        self._size: float = 0
        self._looked_at = -math.inf
        self._promised: set[Path] = set()

    def open(self) -> None:
        """Make it. Raises ConfigError: it cannot be made, or nothing can be written there."""
        make_folder(self._root)
        check_takes_files(self._root, "media folder")
        self._root = self._root.absolute()

    def place(self, stream: str, at: float | None, pts: float, what: str, suffix: str) -> Path:
        """A path that is not taken; nothing is made there.

        Args:
            at: UTC seconds; None: a recording does not say, and `pts` stands in the name.
            what: the rest of the name.
        """
        seconds = pts if at is None else at
        moment = datetime.fromtimestamp(max(0.0, seconds), UTC)
        day = "undated" if at is None else f"{moment:%Y-%m-%d}"
        name = f"{moment:%H%M%S}.{moment.microsecond // 1000:03}-{_safe(what)}"
        folder = self._root / _safe(stream) / day
        path, number = folder / f"{name}{suffix}", 2
        while path in self._promised or path.exists():
            path, number = folder / f"{name}-{number}{suffix}", number + 1
        self._promised.add(path)
        return path

    def let_go(self, path: Path) -> None:
        """What was promised for a path has been written, or never will be."""
        self._promised.discard(path)

    def write(self, path: Path, write: Callable[[Path], None]) -> None:
        """Have a file written whole or not at all, and keep the folder in bounds.

        Where the disk is full what may go is deleted, and it is tried once more.

        Args:
            write: writes it under the name that it is given.

        Raises:
            OSError: it cannot be written. So is what `write` raises otherwise.
        """
        self.mind()
        part = path.with_name(f".{path.name}.part")
        try:
            try:
                _write(part, write)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                wanted = _size(part)
                part.unlink(missing_ok=True)
                if not self._delete(lambda size: size < max(2 * wanted, self._room(), 1)):
                    raise
                _write(part, write)
            before = _size(path)
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        self._size += _size(path) - before
        self.mind()

    def mind(self) -> None:
        """Delete what is too old, and the oldest where there is too much; to be called now and then.

        What is there is only looked at every ten minutes, or when there is too much as far as is known.
        """
        now = self._clock.monotonic()
        too_much = self._size > self._spec.max_gb * 1e9
        if not too_much and now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        files = list(self._files())
        oldest = self._clock.utc() - self._spec.keep_days * 86_400
        old = [file for file in files if file.written_at < oldest]
        for file in old:
            self._unlink(file.path)
        self._size = sum(file.size for file in files) - sum(file.size for file in old)
        excess = self._size - self._spec.max_gb * 1e9
        if excess > 0:
            self._delete(lambda size: size < excess * _ROOM)

    def _room(self) -> float:
        """Bytes that go at least on a full disk, so that not each file costs another: a tenth of ours, or 0.1 GB."""
        return min(self._size / 10, 1e8)

    def _delete(self, is_short: Callable[[float], bool]) -> float:
        """Delete files, what matters least first, as long as what they held is too little: how many bytes that was."""
        size = 0.0
        for file in sorted(self._files()):
            if not is_short(size):
                break
            if self._unlink(file.path):
                size += file.size
        self._size -= size
        return size

    def _unlink(self, path: Path) -> bool:
        if not _unlink(path):
            return False
        self._gone(unquote(path.parent.parent.name))
        return True

    def _files(self) -> Iterator[_File]:
        """All of ours that are there; half files that nobody has finished are deleted."""
        with suppress(OSError):
            for day in (each for each in self._root.glob("*/*") if _DAY.match(each.name) and not each.is_symlink()):
                with os.scandir(day) as entries:
                    for entry in entries:
                        yield from self._file(entry)

    def _file(self, entry: os.DirEntry[str]) -> Iterator[_File]:
        with suppress(OSError):
            known = entry.stat(follow_symlinks=False)
            if _OURS.match(entry.name):
                yield _File(entry.name.endswith(".jpg"), known.st_mtime, known.st_size, Path(entry.path))
            elif _HALF.match(entry.name) and self._clock.utc() - known.st_mtime > _LEFT_S:
                _unlink(Path(entry.path))


def is_ours(name: str) -> bool:
    """Whether a file of that name is a picture or clip as they are written here."""
    return bool(_OURS.match(name))


def check_folder(spec: MediaSpec) -> None:
    """Raise ConfigError where nothing could be written to the folder on this machine; nothing is made."""
    folder = spec.path
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise ConfigError(f"media folder {spec.path} cannot be made: {folder} is a file")
    check_takes_files(folder, "media folder")


def _write(part: Path, write: Callable[[Path], None]) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    write(part)


def _unlink(path: Path) -> bool:
    """Delete a file, and its folder with the last one; whether it was there."""
    try:
        path.unlink()
    except OSError:
        return False
    with suppress(OSError):
        path.parent.rmdir()
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _safe(name: str) -> str:
    """A name of a file or folder for any text."""
    quoted = quote(name, safe=" ")
    if len(quoted) > _LONGEST:
        quoted = f"{quoted[: _LONGEST - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return quoted.replace(".", "%2E") if not quoted.strip(".") else quoted
