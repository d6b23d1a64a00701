"""A pipeline that is put together in Python, through the same checks as one in YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vidpipe.config.document import Document
from vidpipe.config.load import checked
from vidpipe.config.mistakes import Mark
from vidpipe.engine import pipeline as engine


def Pipeline(  # noqa: N802 - it reads as the thing that it makes
    stages: Sequence[Mapping[str, Any]],
    *,
    classes: Mapping[str, str | Sequence[str]] | None = None,
    models: Mapping[str, Mapping[str, Any] | BaseModel] | None = None,
    streams: Mapping[str, str | Mapping[str, Any] | BaseModel] | None = None,
    name: str = "pipeline",
    **fields: Any,
) -> engine.Pipeline:
    """Put a pipeline together: `Pipeline([{"id": "people", "type": "detect", "model": "people"}], models=...)`.

    Args:
        stages: each with `id`, `type` and settings as in YAML; `type` may be the class itself.
        classes: the pipeline's own, each with the models' names for it.
        models: by name.
        streams: by name; an address or path alone stands for `{"url": ...}`.
        name: as reports call it.
        fields: all else that a pipeline file may hold: transforms, sinks, tuner, audit, links, ahead, late.

    Returns:
        The checked pipeline, as `load` gives it.

    Raises:
        ConfigError: with every mistake that there is.
    """
    written = {"stages": stages, "classes": classes or {}, "models": models or {}, **fields}
    written["streams"] = {
        stream: {"url": each} if isinstance(each, str) else each for stream, each in (streams or {}).items()
    }
    where = Mark(f"Pipeline({name!r})")
    document = Document({key: _plain(value) for key, value in written.items()}, {(): where}, [where.file])
    return checked(document, name, (str(Path.cwd()),), None)


def _plain(value: Any) -> Any:
    """What YAML would have given: mappings, lists, strings and numbers; of a class its name."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(exclude_unset=True))
    if isinstance(value, type):
        return f"{value.__module__}:{value.__qualname__}"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
