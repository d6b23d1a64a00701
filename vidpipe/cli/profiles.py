"""Profiles of streams, as the commands that run pipelines pick them up."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from vidpipe.engine.pipeline import Pipeline
from vidpipe.tuning.profile import apply, profiles_dir


def with_profiles(pipeline: Pipeline, profiles: Path | None, console: Console | None = None) -> Pipeline:
    """The pipeline with what was learnt of its streams; says of each profile what became of it.

    Args:
        profiles: folder; None: the usual one.
        console: where to say it, of a pipeline that is not going to run; None: on stderr, of one that is.
    """
    applied = apply(pipeline, profiles or profiles_dir(), look=console is None)
    console = console or Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    for line in applied.lines:
        console.print(line, markup=False)
    return applied.pipeline
