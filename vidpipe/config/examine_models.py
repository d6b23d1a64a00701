"""Whether the model files hold what the pipeline says: their networks are read, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import ValidationError

from vidpipe.config.check_models import classes_of
from vidpipe.config.checks import Entry
from vidpipe.config.document import Document
from vidpipe.errors import ModelError
from vidpipe.models.base import ModelSpec
from vidpipe.stages.names import references

_AT_ONCE = 4


def examine_models(document: Document, entries: Sequence[Entry], search_paths: Sequence[str]) -> list[str]:
    """Note what is wrong with each model whose file is there; gives what cannot be examined yet, and why."""
    from vidpipe.models.load import Use, examine

    classes = classes_of(document.mapping(("classes",)))
    folders = [Path(path) for path in search_paths]

    def look(name: str, spec: ModelSpec) -> str | ModelError | None:
        uses: list[Use] = [use for use in ("detector", "embedder") if name in _named(entries, use)]
        try:
            return examine(spec, classes, uses, search_paths=folders)
        except ModelError as error:
            return error

    specs = dict(_sound(document))
    with ThreadPoolExecutor(_AT_ONCE, "examine") as pool:
        found = dict(zip(specs, pool.map(look, specs, specs.values()), strict=True))
    for name, said in found.items():
        if isinstance(said, ModelError):
            document.mistake(("models", name), str(said), at=("models", name, "path"))
    return [f"model {name}: {said}" for name, said in found.items() if isinstance(said, str)]


def _sound(document: Document) -> Iterator[tuple[str, ModelSpec]]:
    """The models of which nothing wrong has been said yet."""
    wrong = {mistake.path for mistake in document.mistakes}
    for name, written in document.mapping(("models",)).items():
        if not any(path == f"models.{name}" or path.startswith(f"models.{name}.") for path in wrong):
            try:
                yield name, ModelSpec.model_validate(written)
            except ValidationError:
                continue  # has been said, where the fields are checked


def _named(entries: Sequence[Entry], kind: str) -> set[str]:
    return {name for entry in entries if entry.config for _, name in references(entry.config, kind)}
