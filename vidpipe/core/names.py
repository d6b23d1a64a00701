"""Finding the names of models and classes in a stage's settings, wherever their types say that one stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Keys = tuple[str | int, ...]

S = TypeVar("S", bound=BaseModel)

_MODELS = ("model", "detector", "embedder")


def references(settings: BaseModel, kind: str) -> Iterator[tuple[Keys, str]]:
    """Every value or key that is declared as a name of that kind, with its place.

    Args:
        kind: "model": `ModelName`, `DetectorName` and `EmbedderName`; "detector" or "embedder": that one alone;
            "class": `ClassName`.
    """
    for name, field in type(settings).model_fields.items():
        yield from _walk(field.annotation, _names(field, kind), getattr(settings, name), (name,), kind)


def renamed(settings: S, kind: str, names: Mapping[str, str]) -> S:
    """The settings with other names of that kind in the places of these.

    Args:
        names: new ones by those that stand there; others stay.
    """
    for keys, name in references(settings, kind):
        if name in names:
            settings = _with(settings, keys, names[name])
    return settings


def _with(value: Any, keys: Keys, name: str) -> Any:
    """The value with a name in that place."""
    if not keys:
        return name
    first, *rest = keys
    if isinstance(value, BaseModel):
        return value.model_copy(update={str(first): _with(getattr(value, str(first)), tuple(rest), name)})
    if isinstance(value, dict):
        return {key: _with(item, tuple(rest), name) if key == first else item for key, item in value.items()}
    return type(value)(_with(item, tuple(rest), name) if at == first else item for at, item in enumerate(value))


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
