"""Results as tests read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vidpipe.results.sinks.results import is_head


def answers(path: Path) -> list[dict[str, Any]]:
    """The answers in a results file, without its first line, which says what they come from."""
    return list(each_answer(path))


def each_answer(path: Path) -> Iterator[dict[str, Any]]:
    """The same of all runs in a file, one after the other, however large it is."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not is_head(line):
                yield json.loads(line)


def head(path: Path) -> dict[str, Any]:
    """What the first line says."""
    with path.open(encoding="utf-8") as file:
        said: dict[str, Any] = json.loads(file.readline())
    return said
