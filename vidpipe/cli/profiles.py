"""Profiles of streams, as the commands that run pipelines pick them up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from vidpipe.pipeline.spec import Pipeline
from vidpipe.tuning.paths import FILE, TUNED, folder_of, profiles_dir

if TYPE_CHECKING:
    from vidpipe.tuning.budget.limits import BudgetConfig


def with_profiles(
    pipeline: Pipeline,
    profiles: Path | None,
    console: Console | None = None,
    *,
    tuned: bool = True,
    budget: BudgetConfig | None = None,
) -> Pipeline:
    """The pipeline with what was learnt of its streams and chosen for them; says of each what became of it.

    Args:
        profiles: folder; None: the usual one.
        console: where to say it, of a pipeline that is not going to run; None: on stderr, of one that is.
        tuned: whether what `tune` has chosen counts; a stream with a floor of its own is set for that.
        budget: of all streams together, which then decides what each gets; default: what the pipeline's tuner has.

    Raises:
        ConfigError: the budget cannot be kept.
    """
    folder = profiles or profiles_dir()
    look, lines = console is None, []
    # What reads profiles is slow to import, and most streams have none.
    if any((folder_of(folder, stream) / FILE).exists() for stream in pipeline.streams):
        from vidpipe.tuning.profile import apply

        applied = apply(pipeline, folder, look=look)
        pipeline, lines = applied.pipeline, list(applied.lines)
    budget = budget or _own_budget(pipeline)
    if tuned and budget is not None:
        from vidpipe.tuning.budget.apply import apply_budget

        pipeline, more = apply_budget(pipeline, budget, Path(budget.profiles) if budget.profiles else folder)
        return _said(pipeline, lines + more, console)
    floors = any(stream.spec.floor is not None for stream in pipeline.streams.values())
    if tuned and (floors or any((folder_of(folder, stream) / TUNED).exists() for stream in pipeline.streams)):
        from vidpipe.tuning.floor.apply import apply_tuned

        pipeline, more = apply_tuned(pipeline, folder)
        lines += more
    return _said(pipeline, lines, console)


def _own_budget(pipeline: Pipeline) -> BudgetConfig | None:
    """The settings of the tuner `budget`, where that is the pipeline's."""
    if pipeline.tuner is None:
        return None
    from vidpipe.tuning.budget.limits import BudgetConfig

    return pipeline.tuner.config if isinstance(pipeline.tuner.config, BudgetConfig) else None


def _said(pipeline: Pipeline, lines: list[str], console: Console | None) -> Pipeline:
    console = console or Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    for line in lines:
        console.print(line, markup=False)
    return pipeline
