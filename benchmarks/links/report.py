"""`python -m benchmarks links PART [CLIP ...]`: what links cost, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from benchmarks.links import cascade, live, quality, reachback, shaped, size, split

Part = Callable[[Sequence[str], Path], Iterator[str]]

PARTS: dict[str, tuple[str, Part]] = {
    "quality": ("The price of quality on a link", quality.report),
    "size": ("Pictures at the size of the network", size.report),
    "split": ("Features in place of pictures", split.report),
    "shaped": ("A link whose rate varies", shaped.report),
    "cascade": ("Bytes from device to cloud", cascade.report),
    "reachback": ("Reachback", reachback.report),
}
LIVE: dict[str, tuple[str, Part]] = {
    "live": ("A link whose rate varies, live", live.report),
}


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The lines of a part, or of those for the page; clips of these names, or all.

    What takes long is kept in the folder, and so are the lines of parts for the page, where no clip is named.
    """
    known = PARTS | LIVE
    parts = [name for name in names if name in known] or list(PARTS)
    clips = [name for name in names if name not in known]
    for part in parts:
        title, make = known[part]
        lines = []
        head = (f"## {title}", "", f"    python -m benchmarks links {part}", "")
        for line in chain(head, make(clips, folder)):
            lines.append(f"{line}\n")
            yield line
        if part in PARTS and not clips:
            _file(folder, part).write_text("".join(lines))


def section(folder: Path) -> str:
    """What was kept for the page."""
    files = [_file(folder, part) for part in PARTS]
    return "\n".join(file.read_text() for file in files if file.is_file())


def _file(folder: Path, part: str) -> Path:
    return folder / f"links-{part}.md"
