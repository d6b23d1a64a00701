"""The reference model: which it is, and whether it knows what is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vidpipe.core.errors import ConfigError
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.models.resolve import resolve, unknown_aliases
from vidpipe.pipeline.spec import Pipeline


class ReferenceModel(NamedTuple):
    """The model that every answer is held against; `name` in the pipeline, or the path that the user gave."""

    name: str
    spec: ModelSpec


def choose_reference(pipeline: Pipeline, named: str | None, big: str | None) -> ReferenceModel:
    """The reference: the model that was named (of the pipeline, or a file), else the last stage's.

    Raises:
        ConfigError: nothing was named, and the last stage has no model.
    """
    name = named or big
    if name is None:
        raise ConfigError(
            f"the last stage, {pipeline.stages[-1].id}, names no model: say with --reference MODEL "
            "what the answers are to be held against"
        )
    return ReferenceModel(name, pipeline.models.get(name) or ModelSpec(path=name))


def check_classes(reference_model: ReferenceModel, pipeline: Pipeline) -> None:
    """Raise ConfigError if the reference does not know a class of the pipeline: what is found of it would be false."""
    paths = folders(pipeline)
    names = resolve(reference_model.spec, paths, pipeline.classes).names
    if names is None:  # only the loaded file tells
        names = load_detector(reference_model.spec, Classes({}), search_paths=paths).traits.names
    unknown = unknown_aliases(pipeline.classes, [(reference_model.name, names)])
    if unknown:
        classes = ", ".join(f"{lacking.name} ({' or '.join(lacking.aliases)})" for lacking in unknown)
        raise ConfigError(
            f"reference {reference_model.name} does not know {classes}: what is found of it would all count as false; "
            f"name another --reference, or leave it out of the pipeline's classes. It knows {', '.join(names[:12])}"
            + (" ..." if len(names) > 12 else "")
        )


def folders(pipeline: Pipeline) -> list[Path]:
    """In which relative paths of models are looked for."""
    return [Path(path) for path in pipeline.search_paths]
