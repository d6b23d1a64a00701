"""Sizes of a network's input."""

from __future__ import annotations

_SHARES = (0.75, 0.5)
_MULTIPLE = 32  # YOLO networks halve their input five times, and others take it too


def smaller_sizes(native: tuple[int, int]) -> list[tuple[int, int]]:
    """Three quarters and half of an input's (height, width), to multiples of 32; a network may refuse them."""
    sizes = [tuple(max(_MULTIPLE, round(side * share / _MULTIPLE) * _MULTIPLE) for side in native) for share in _SHARES]
    return [(height, width) for height, width in dict.fromkeys(sizes) if height * width < native[0] * native[1]]
