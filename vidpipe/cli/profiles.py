"""Profiles of streams, as the commands that run pipelines pick them up."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from vidpipe.pipeline.spec import Pipeline
from vidpipe.tuning.paths import FILE, folder_of


def profiles_dir() -> Path:
    """`$VIDPIPE_PROFILES`, or `~/.local/share/vidpipe/profiles`."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return Path(os.environ.get("VIDPIPE_PROFILES") or data / "vidpipe" / "profiles")


def with_profiles(pipeline: Pipeline, profiles: Path | None, console: Console | None = None) -> Pipeline:
    """The pipeline with what was learnt of its streams; says of each profile what became of it.

    Args:
        profiles: folder; None: the usual one.
        console: where to say it, of a pipeline that is not going to run; None: on stderr, of one that is.
    """
    folder = profiles or profiles_dir()
    if not any((folder_of(folder, stream) / FILE).exists() for stream in pipeline.streams):
        return pipeline  # nothing was learnt of these: what reads profiles is slow to import
    from vidpipe.tuning.profile import apply

    applied = apply(pipeline, folder, look=console is None)
    console = console or Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    for line in applied.lines:
        console.print(line, markup=False)
    return applied.pipeline
