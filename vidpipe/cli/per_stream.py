"""What commands share that work on the footage of one stream after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.open import expand


class Arguments(Protocol):
    """What says which streams there are."""

    @property
    def pipeline(self) -> str: ...

    @property
    def config(self) -> Path | None: ...

    @property
    def sources(self) -> Sequence[str]: ...

    @property
    def sets(self) -> Sequence[str]: ...


def with_streams(arguments: Arguments, purpose: str) -> Pipeline:
    """The pipeline with its streams; raises ConfigError where there is none."""
    sources = expand(*arguments.sources)
    pipeline = load(arguments.pipeline, config=arguments.config, sources=sources, sets=arguments.sets).without_outputs
    if not pipeline.streams:
        raise ConfigError(f"nothing to {purpose}: give a clip or a camera with --source, or streams with --config")
    return pipeline


def say_refused(refusals: Iterable[object]) -> None:
    """Say on stderr what was refused, a line each."""
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    for refusal in refusals:
        console.print(f"vidpipe: {refusal}")
