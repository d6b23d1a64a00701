"""Results as tests read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vidpipe.sinks.results import answer_lines


def answers(path: Path) -> list[dict[str, Any]]:
    """The answers in a results file, without its first line, which says what they come from."""
    return [json.loads(line) for _, line in answer_lines(path)]


def head(path: Path) -> dict[str, Any]:
    """What the first line says."""
    with path.open(encoding="utf-8") as file:
        said: dict[str, Any] = json.loads(file.readline())
    return said
