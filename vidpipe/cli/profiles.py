"""Profiles of streams, as the commands that run pipelines pick them up."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from vidpipe.pipeline.spec import Pipeline
from vidpipe.tuning.paths import FILE, TUNED, folder_of, profiles_dir


def with_profiles(
    pipeline: Pipeline, profiles: Path | None, console: Console | None = None, *, tuned: bool = True
) -> Pipeline:
    """The pipeline with what was learnt of its streams and chosen for them; says of each what became of it.

    Args:
        profiles: folder; None: the usual one.
        console: where to say it, of a pipeline that is not going to run; None: on stderr, of one that is.
        tuned: whether what `tune` has chosen counts; a stream with a floor of its own is set for that.
    """
    folder = profiles or profiles_dir()
    look, lines = console is None, []
    # What reads profiles is slow to import, and most streams have none.
    if any((folder_of(folder, stream) / FILE).exists() for stream in pipeline.streams):
        from vidpipe.tuning.profile import apply

        applied = apply(pipeline, folder, look=look)
        pipeline, lines = applied.pipeline, list(applied.lines)
    floors = any(stream.spec.floor is not None for stream in pipeline.streams.values())
    if tuned and (floors or any((folder_of(folder, stream) / TUNED).exists() for stream in pipeline.streams)):
        from vidpipe.tuning.floor.apply import apply_tuned

        pipeline, more = apply_tuned(pipeline, folder)
        lines += more
    console = console or Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    for line in lines:
        console.print(line, markup=False)
    return pipeline
