"""The short way to run a pipeline: one loop over its results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.session import Run
from vidpipe.sources.base import Want
from vidpipe.sources.open import expand
from vidpipe.tuning.floor.apply import hold_floors


def stream(
    pipeline: str | Path,
    source: str | Mapping[str, str],
    *,
    floor: float | None = None,
    want: Want | None = None,
    **options: Any,
) -> Run:
    """A run of a pipeline file on a source: `with vidpipe.stream("street", source="rtsp://...") as results: ...`.

    Args:
        pipeline: a file, or the name of one that comes with vidpipe.
        source: a camera's address, a file, a folder or a pattern of files; or several of them, by name.
        floor, want: accuracy to hold against the last stage, and of what; see `hold_floors`.
        options: of `Run`.

    Returns:
        A run that begins with the block, and that results are taken from by iterating over it.

    Raises:
        ConfigError: the pipeline or the source cannot be what it says.
    """
    named = {"": source} if isinstance(source, str) else source
    sources = expand(*(f"{name}={place}" if name else place for name, place in named.items()))
    return Run(hold_floors(load(pipeline, sources=sources, floor=floor, want=want)), **options)
