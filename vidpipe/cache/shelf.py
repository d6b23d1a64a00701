"""Where a cache is kept: its own file, and those of others beside it, which it takes up.

Each cache writes its own file whole, and reads the files that others have written since it last looked. So caches of
several edges exchange what they have learnt through any folder that they share, without a server. Two caches of one
name (actors of one stage) get files of their own: the name is claimed by a lock, which ends with the process.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections import Counter
from pathlib import Path

from vidpipe.cache.cache import ResultCache
from vidpipe.cache.file import SUFFIX, CacheFileError, Make, load, save
from vidpipe.errors import ConfigError, RunError

log = logging.getLogger(__name__)

EVERY = 500  # changes or lookups between two visits
_MOST = 64  # caches of one name


class Shelf:
    """Loads a cache, saves it now and then, and takes up what others saved.

    Args:
        path: of its own file.
        exchange: whether to take up the other files of the folder.
        counts: where to count unreadable (files left out), unsaved (files not written), taken (others' entries).

    Raises:
        ConfigError: the folder cannot be written to.
    """

    def __init__(self, path: Path, make: Make, cache: ResultCache, *, exchange: bool, counts: Counter[str]) -> None:
        self._make = make
        self._cache = cache
        self._exchange = exchange
        self._counts = counts
        self._seen: dict[Path, tuple[int, int]] = {}
        self._known: set[bytes] = set()
        self._visit_at = 0
        self._saved = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._path, self._lock = _claim(path)
        except OSError as error:
            raise ConfigError(f"cache {path} cannot be written: {error.strerror}") from None
        if self._path.is_file():
            self._take(self._path, origin="")
            self._saved = len(cache.own())
        self._take_up()

    def mind(self) -> None:
        """Save and take up, if it is time; called with each frame."""
        counts = self._cache.counts
        if counts["lookups"] + counts["added"] - self._visit_at >= EVERY:
            self._visit_at = counts["lookups"] + counts["added"]
            self.save()
            self._take_up()

    def save(self) -> None:
        """Write what is new; a full disk is counted and told, and tried again the next time."""
        if self._cache.counts["added"] == self._saved:
            return
        try:
            save(self._path, self._make, self._cache.own())
            self._saved = self._cache.counts["added"]
        except RunError as error:
            self._counts["unsaved"] += 1
            log.warning("%s", error)

    def close(self) -> None:
        self.save()
        os.close(self._lock)

    def _take_up(self) -> None:
        if not self._exchange:
            return
        for path in sorted(self._path.parent.glob(f"*{SUFFIX}")):
            try:
                stat = path.stat()
            except OSError:  # gone since
                continue
            now = stat.st_mtime_ns, stat.st_size
            if path != self._path and self._seen.get(path) != now:
                self._seen[path] = now
                self._take(path, origin=path.stem)

    def _take(self, path: Path, origin: str) -> None:
        try:
            entries = load(path, self._make)
        except CacheFileError as error:
            self._counts["unreadable"] += 1
            log.warning("%s", error)
            return
        for entry in entries:
            content = entry.key.tobytes()
            if content not in self._known:
                self._known.add(content)
                self._cache.add(entry.key, entry.value, entry.cost, origin, entry.uses)
                self._counts["taken"] += bool(origin)


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
