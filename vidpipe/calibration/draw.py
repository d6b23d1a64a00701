"""Chance that every engine and every run agrees on."""

from __future__ import annotations

import hashlib


def draw(stage: str, stream: str, seq: int) -> float:
    """A number in 0..1, evenly spread, for one frame at one stage: a hash, and not the one that chooses audits."""
    key = f"draw/{stage}/{stream}/{seq}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) / 2**64
