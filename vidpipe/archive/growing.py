"""Which files are still being written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from vidpipe.archive.index import Identity
from vidpipe.core.errors import SourceError

RECENT_S = 10.0  # since a file was written last, within which it is looked at twice
BETWEEN_S = 2.0  # the two looks


def growing(files: Mapping[str, Path], wait: Callable[[float], object] = time.sleep) -> dict[str, str]:
    """Why files are left to whoever writes them, by name; waits once, for all of them, where any is recent."""
    recent: dict[str, Identity] = {}
    for name, file in files.items():
        try:
            identity = Identity.of(file)
        except SourceError:  # told when its turn comes
            continue
        if abs(time.time() - identity.mtime_ns / 1e9) < RECENT_S:
            recent[name] = identity
    if recent:
        wait(BETWEEN_S)
    return {name: f"{files[name]} is still being written" for name, known in recent.items() if not _same(known)}


def _same(known: Identity) -> bool:
    try:
        known.check()
    except SourceError:
        return False
    return True
