"""`vidpipe check`: every mistake of a pipeline at once, its model files included; no camera is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from vidpipe.cli.profiles import with_profiles
from vidpipe.core.names import references
from vidpipe.core.registry import STAGES, TRANSFORMS
from vidpipe.core.settings import StageConfig
from vidpipe.media.folder import check_folder
from vidpipe.models.resolve import resolve
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Pipeline, PlacedStage, PlacedTransform
from vidpipe.pipeline.yaml import load
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.spec import RulesConfig


def check(
    pipeline: str | Path,
    config: Path | None,
    sources: Mapping[str, str],
    sets: Sequence[str],
    profiles: Path | None = None,
) -> None:
    """Print the stages of a sound pipeline; raises ConfigError with everything that is wrong with one."""
    notes: list[str] = []
    checked = load(pipeline, config=config, sources=sources, sets=sets, notes=notes)
    console = Console(markup=False, highlight=False)
    console.print(f"{checked.name}: ok")
    checked = with_profiles(checked, profiles, console)
    console.print(_stages(checked))
    for line in _stand_ins(checked):
        console.print(line, soft_wrap=True)
    for line in _rules(checked):
        console.print(line, soft_wrap=True)
    for line in _media(checked):
        console.print(line, soft_wrap=True)
    if shortened := plan(checked).shortened:
        console.print(shortened)
    for note in notes:
        console.print(note, soft_wrap=True)


def _stages(pipeline: Pipeline) -> Table:
    table = Table("stage", "type", "on", "model", "family", "size", box=None, pad_edge=False)
    parts: list[tuple[PlacedStage | PlacedTransform, str, str]]
    parts = [(stage, STAGES.name_of(stage.type), stage.tier.value) for stage in pipeline.stages]
    parts += [(part, TRANSFORMS.name_of(part.type), "results") for part in pipeline.transforms if part.id != RULES]
    for part, kind, where in parts:
        models = list(_models(part.config, pipeline))
        columns = zip(*models, strict=True) if models else [()] * 3
        table.add_row(part.id, kind, where, *(", ".join(column) for column in columns))
    return table


def _stand_ins(pipeline: Pipeline) -> Iterator[str]:
    """Which stages answer for a tier that is away."""
    for stage, lower in pairwise(pipeline.stages):
        if stage.only_when_away:
            yield (
                f"{stage.id}: asked only while {lower.tier} cannot be reached from {stage.tier}, on a cluster; answers "
                f"in place of {lower.id}, unaudited"
            )


def _rules(pipeline: Pipeline) -> Iterator[str]:
    """What is told of each stream."""
    for name, stream in pipeline.streams.items():
        if isinstance(config := stream.configs.get(RULES), RulesConfig) and config:
            told = [f"{rule.id} ({rule.kind}{_of(rule.places)})" for rule in config.rules]
            yield f"{name}: {', '.join(told)}"


def _media(pipeline: Pipeline) -> Iterator[str]:
    """What is made of events, and of which streams there are no clips."""
    media = pipeline.media
    if media is None:
        return
    check_folder(media)
    what = [*(["pictures"] if media.pictures != "none" else []), *(["clips"] if media.clips else [])]
    yield f"media: {' and '.join(what) or 'nothing'} of {', '.join(media.kinds)} in {media.path}"
    for name, stream in pipeline.streams.items() if media.clips else ():
        if why := stream.spec.why_no_clips:
            yield f"{name}: no clips: {why}"


def _of(places: Sequence[str] | None) -> str:
    return f" {', '.join(places)}" if places else ""


def _models(settings: StageConfig, pipeline: Pipeline) -> Iterator[tuple[str, str, str]]:
    """Name, family and size of each model that a stage uses; empty where only the loaded file will tell."""
    for _, name in references(settings, "model"):
        known = resolve(pipeline.models[name], [Path(path) for path in pipeline.search_paths])
        size = f"{known.size[1]}x{known.size[0]}" if known.size else ""
        yield name, known.family or "", size
