"""Who has signed in, and how often somebody may try to."""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
from collections import OrderedDict

from vidpipe.core.clock import REAL, Clock

LASTS_S = 12 * 3600.0  # of a session, since it was last used
_MOST = 1000  # sessions; one more ends the one that was not used for longest
TRIES = 5  # that may fail in a row
_AGAIN_S = 30.0  # after which another one is granted
_MOST_TRIED = 10_000  # addresses and names that are remembered


class Sessions:
    """Sessions by the secret in their cookie; kept as hashes, in memory: they end with the process."""

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._open: OrderedDict[str, tuple[str, float]] = OrderedDict()  # (name of the user, until)
        self._lock = threading.Lock()

    def begin(self, name: str) -> str:
        """Begin a session of a user; the secret."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._open[_hash(secret)] = name, self._clock.monotonic() + LASTS_S
            if len(self._open) > _MOST:
                self._open.popitem(last=False)
        return secret

    def user(self, secret: str) -> str | None:
        """Whose session it is; None where it has ended."""
        key, now = _hash(secret), self._clock.monotonic()
        with self._lock:
            name, until = self._open.get(key, ("", -math.inf))
            if until < now:
                self._open.pop(key, None)
                return None
            self._open[key] = name, now + LASTS_S
            self._open.move_to_end(key)
        return name

    def end(self, secret: str) -> None:
        """End a session."""
        with self._lock:
            self._open.pop(_hash(secret), None)


class Tries:
    """Bounds how often a password may be tried, by address and by name: after some that failed one each half minute."""

    def __init__(self, clock: Clock = REAL) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, tuple[float, float]] = OrderedDict()  # (how many, as of when)
        self._lock = threading.Lock()

    def wait_s(self, *keys: str) -> float:
        """How long to wait with the next try; 0.0: not at all. The try counts as failed until `forget`."""
        with self._lock:
            now = self._clock.monotonic()
            failed = {key: self._count(key, now) for key in keys}
            worst = max(failed.values())
            if worst > TRIES - 1:
                return (worst - (TRIES - 1)) * _AGAIN_S
            for key, count in failed.items():
                self._failed[key] = count + 1, now
                self._failed.move_to_end(key)
            while len(self._failed) > _MOST_TRIED:
                self._failed.popitem(last=False)
        return 0.0

    def forget(self, *keys: str) -> None:
        """One has succeeded."""
        with self._lock:
            for key in keys:
                self._failed.pop(key, None)

    def _count(self, key: str, now: float) -> float:
        count, at = self._failed.get(key, (0.0, now))
        return max(0.0, count - (now - at) / _AGAIN_S)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
