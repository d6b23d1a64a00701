"""Chance that every engine and every run agrees on."""

from __future__ import annotations

import hashlib

RANGE = 2**64  # numbers that there are


def hashed(key: str) -> int:
    """A whole number, 0 to `RANGE` - 1, that a key always has."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())


def draw(stage: str, stream: str, seq: int) -> float:
    """A number in 0..1, evenly spread, for one frame at one stage: a hash, and not the one that chooses audits."""
    return hashed(f"draw/{stage}/{stream}/{seq}") / RANGE
