"""`python -m benchmarks links PART [CLIP ...]`: what links cost, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.links import quality

PARTS: dict[str, Callable[[Sequence[str], Path], Iterator[str]]] = {"quality": quality.report}


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The lines of a part, or of all; clips of these names, or all. What takes long is kept in `folder`."""
    parts = [name for name in names if name in PARTS] or list(PARTS)
    clips = [name for name in names if name not in PARTS]
    for part in parts:
        yield f"## Links: {part}"
        yield ""
        yield from PARTS[part](clips, folder)
        yield ""
