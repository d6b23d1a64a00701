"""Whether the models are there, and know the classes that the pipeline looks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from vidpipe.core.errors import ModelError
from vidpipe.core.nearest import did_you_mean
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.resolve import ResolvedModel, resolve, unknown_aliases
from vidpipe.pipeline.yaml.document import Document


def check_models(document: Document, search_paths: Sequence[str]) -> Collection[str] | None:
    """Check models and classes; gives the names that a class may have, None where only a loaded model will tell."""
    models = {name: _resolve(document, name, search_paths) for name in document.mapping(("models",))}
    classes = classes_of(document.mapping(("classes",)))
    detectors = {name: known for name, known in models.items() if known is None or known.family != "embedder"}
    if not classes.names:
        return _own_classes(document, detectors)
    _check_aliases(document, classes)
    _check_thresholds(document, classes)
    if not detectors:  # the stages bring classes of their own
        return classes.names
    # A model that could not be resolved is one whose classes are not known.
    names = [(name, known.names if known else None) for name, known in detectors.items()]
    for unknown in unknown_aliases(classes, names):
        if unknown.aliases:
            near = f"; nearest: {', '.join(unknown.nearest)}" if unknown.nearest else ""
            aliases = " or ".join(map(repr, unknown.aliases))
            document.mistake(("classes", unknown.name), f"no model knows {aliases}{near}")
    return classes.names


def classes_of(written: Mapping[str, str | list[str]]) -> Classes:
    """The pipeline's classes; one that is not well-formed has no alias."""
    return Classes({name: _aliases(aliases) for name, aliases in written.items()})


def _aliases(written: object) -> list[str]:
    listed = written if isinstance(written, list) else [written]
    return [alias for alias in listed if isinstance(alias, str)]


def _resolve(document: Document, name: str, search_paths: Sequence[str]) -> ResolvedModel | None:
    try:
        spec = ModelSpec.model_validate(document.value(("models", name)))
        return resolve(spec, [Path(path) for path in search_paths])
    except ModelError as error:
        document.mistake(("models", name), str(error), at=("models", name, "path"))
    except ValidationError:
        pass  # has been said, where the fields are checked
    return None


def _own_classes(document: Document, detectors: dict[str, ResolvedModel | None]) -> Collection[str] | None:
    """Without `classes` they are those of the model; of several models only if all know the same ones."""
    names = {known.names if known else None for known in detectors.values()}
    if None in names or not names:
        return None
    if len(names) > 1:
        document.mistake((), f"field 'classes' is missing: models {', '.join(detectors)} know different ones")
        return None
    return names.pop()


def _check_aliases(document: Document, classes: Classes) -> None:
    first: dict[str, str] = {}
    for name, aliases in classes.mapping.items():
        for alias in aliases:
            if first.setdefault(alias, name) != name:
                document.mistake(("classes", name), f"'{alias}' stands under '{first[alias]}' already")


def _check_thresholds(document: Document, classes: Classes) -> None:
    for model in document.mapping(("models",)):
        for name in document.mapping(("models", model, "threshold")):
            if name not in classes.names:
                message = f"there is no class '{name}'{did_you_mean(name, classes.names)}"
                document.mistake(("models", model, "threshold", name), message)
