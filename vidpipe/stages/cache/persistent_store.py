"""Where a cache is kept: its own file, and those of others beside it, which it takes up.

Each cache writes its own file whole, and reads the files that others have written since it last looked. So caches of
several edges exchange what they have learnt through any folder that they share, without a server. Two caches of one
name (actors of one stage) get files of their own: the name is claimed by a lock, which ends with the process. What is
taken up while a run goes on is for live streams alone.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from vidpipe.core.errors import ConfigError, RunError
from vidpipe.stages.cache.file import SUFFIX, CacheFileError, Make, load, save
from vidpipe.stages.cache.store import Entry
from vidpipe.stages.cache.streams import Caches

log = logging.getLogger(__name__)

EVERY = 250  # frames between two visits
_MOST = 64  # caches of one name


class PersistentStore:
    """Loads what is known for the caches of a stage, saves them now and then, and takes up what others saved.

    Args:
        path: of its own file.
        exchange: whether to take up the other files of the folder.
        counts: where to count unreadable (files left out), unsaved (files not written), taken (others' entries).

    Raises:
        ConfigError: the folder cannot be written to.
    """

    def __init__(self, path: Path, make: Make, caches: Caches, *, exchange: bool, counts: Counter[str]) -> None:
        self._make = make
        self._caches = caches
        self._exchange = exchange
        self._counts = counts
        self._seen: dict[Path, tuple[int, int]] = {}
        self._known: set[bytes] = set()
        self._since = 0
        self._saved = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._path, self._lock = _claim(path)
        except OSError as error:
            raise ConfigError(f"cache {path} cannot be written: {error.strerror}") from None
        own = self._fresh(self._path, origin="") if self._path.is_file() else []
        caches.begin_with(own + self._others())

    def mind(self, frames: int) -> None:
        """So many frames more are asked about: save and take up, if it is time."""
        self._since += frames
        if self._since >= EVERY:
            self._since = 0
            self.save()
            self._caches.take(self._others())

    def save(self) -> None:
        """Write what is new; a full disk is counted and told, and tried again the next time."""
        added = self._caches.counts["added"]
        if added == self._saved:
            return
        try:
            save(self._path, self._make, self._caches.own())
            self._saved = added
        except RunError as error:
            self._counts["unsaved"] += 1
            log.warning("%s", error)

    def close(self) -> None:
        self.save()
        os.close(self._lock)

    def _others(self) -> list[Entry]:
        """What other caches have written since it was last asked."""
        if not self._exchange:
            return []
        entries = []
        for path in sorted(self._path.parent.glob(f"*{SUFFIX}")):
            try:
                stat = path.stat()
            except OSError:  # gone since
                continue
            now = stat.st_mtime_ns, stat.st_size
            if path != self._path and self._seen.get(path) != now:
                self._seen[path] = now
                entries += self._fresh(path, origin=path.stem)
        self._counts["taken"] += len(entries)
        return entries

    def _fresh(self, path: Path, origin: str) -> list[Entry]:
        """The entries of a file that were not known; none of one that cannot be read."""
        try:
            entries = load(path, self._make)
        except CacheFileError as error:
            self._counts["unreadable"] += 1
            log.warning("%s", error)
            return []
        fresh = [entry for entry in entries if entry.key.tobytes() not in self._known]
        self._known.update(entry.key.tobytes() for entry in fresh)
        return [replace(entry, origin=origin) for entry in fresh]


def _claim(path: Path) -> tuple[Path, int]:
    """The first free name, and the open lock that holds it."""
    for number in range(1, _MOST + 1):
        name = path.stem if number == 1 else f"{path.stem}.{number}"
        lock = os.open(path.with_name(f".{name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return path.with_name(f"{name}{SUFFIX}"), lock
    raise OSError(0, f"{_MOST} caches use this name already")
