"""Finding the names of models and classes in a stage's settings, wherever their types say that one stands."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Keys = tuple[str | int, ...]

_MODELS = ("model", "detector", "embedder")


def references(settings: BaseModel, kind: str) -> Iterator[tuple[Keys, str]]:
    """Every value or key that is declared as a name of that kind, with its place.

    Args:
        kind: "model": `ModelName`, `DetectorName` and `EmbedderName`; "detector" or "embedder": that one alone;
            "class": `ClassName`.
    """
    for name, field in type(settings).model_fields.items():
        yield from _walk(field.annotation, _names(field, kind), getattr(settings, name), (name,), kind)


def _walk(hint: Any, named: bool, value: Any, keys: Keys, kind: str) -> Iterator[tuple[Keys, str]]:
    origin, arguments = get_origin(hint), get_args(hint)
    if named and isinstance(value, str):
        yield keys, value
    elif isinstance(value, BaseModel):
        yield from (((*keys, *below), name) for below, name in references(value, kind))
    elif origin is Annotated:
        yield from _walk(arguments[0], any(_names(field, kind) for field in arguments[1:]), value, keys, kind)
    elif origin in (Union, UnionType):
        for argument in arguments:
            yield from _walk(argument, named, value, keys, kind)
    elif isinstance(value, dict) and len(arguments) == 2:
        for key, item in value.items():
            yield from _walk(arguments[0], False, key, (*keys, key), kind)
            yield from _walk(arguments[1], False, item, (*keys, key), kind)
    elif isinstance(value, list | tuple) and arguments:
        for index, item in enumerate(value):
            yield from _walk(arguments[0], False, item, (*keys, index), kind)


def _names(field: object, kind: str) -> bool:
    extra = field.json_schema_extra if isinstance(field, FieldInfo) else None
    named = extra.get("names") if isinstance(extra, dict) else None
    return named is not None and named in (_MODELS if kind == "model" else (kind,))
