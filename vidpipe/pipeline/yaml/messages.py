"""Saying in plain English what pydantic found wrong with a document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vidpipe.core.nearest import did_you_mean
from vidpipe.core.secrets import names_secret
from vidpipe.pipeline.yaml.diagnostics import Keys
from vidpipe.pipeline.yaml.document import Document

_SHAPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "empty",
}
_BOUNDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "at least {min_length} letters long",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "string_pattern_mismatch": "of the form {pattern}",
}
_LENGTHS = {
    "too_short": "must hold at least {min_length}, not {actual_length}",
    "too_long": "must hold at most {max_length}, not {actual_length}",
}
_MISSING = {"url": ": write it here, or give --source NAME=URL"}


def explain(
    document: Document, error: ValidationError, model: type[BaseModel], at: Keys = (), also: Iterable[str] = ()
) -> None:
    """Note each thing that is wrong as a mistake of the document.

    Args:
        document: what was validated, or a part of it was.
        error: what pydantic says.
        model: what it was validated as.
        at: the part that was validated.
        also: names that are fields there besides the model's own, to suggest in place of an unknown one.
    """
    places: dict[Keys, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        places.setdefault(_place(document, at, details["loc"]), []).append(details)
    above = {place[:depth] for place in places for depth in range(len(place))}
    for keys, found in places.items():
        shapes = [_SHAPES[details["type"]] for details in found if details["type"] in _SHAPES]
        others = [details for details in found if details["type"] not in _SHAPES]
        # Of a union pydantic reports every branch; the one that got furthest is the one that was meant.
        if shapes and not others and keys not in above:
            document.mistake(keys, f"must be {' or '.join(dict.fromkeys(shapes))}{_not(document, keys)}")
        for details in others:
            _explain_one(document, keys, details, [*_fields(model, keys[len(at) : -1]), *also])


def _explain_one(document: Document, keys: Keys, details: ErrorDetails, fields: Iterable[str]) -> None:
    kind, context = details["type"], details.get("ctx", {})
    last = str(details["loc"][-1]) if details["loc"] else ""
    if kind == "extra_forbidden":
        document.mistake(keys[:-1], f"unknown field '{last}'{did_you_mean(last, fields)}", at=keys)
    elif kind == "missing":
        document.mistake(keys, f"field '{last}' is missing{_MISSING.get(last, '')}")
    elif kind in _LENGTHS:
        document.mistake(keys, _LENGTHS[kind].format(**context))
    elif kind in _BOUNDS:
        bound = _BOUNDS[kind].format(**{key: _number(value) for key, value in context.items()})
        if last == "[key]":
            document.mistake(keys[:-1], f"a name must be {bound}, not '{keys[-1]}'", at=keys)
        else:
            near = _nearest(document.value(keys), context.get("expected", ""))
            document.mistake(keys, f"must be {bound}{_not(document, keys)}{near}")
    else:
        document.mistake(keys, str(context.get("error", details["msg"])))


def _not(document: Document, keys: Keys) -> str:
    """ ", not 'x'" for a value that may be shown: no address or password, nothing long."""
    value = document.value(keys)
    if isinstance(value, dict | list):
        return f", not a {'mapping' if isinstance(value, dict) else 'list'}"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    named = any(key == "url" or (isinstance(key, str) and names_secret(key)) for key in keys)
    hidden = named or keys in document.secrets or "://" in text or len(text) > 60
    return "" if hidden else f", not {text}"


def _nearest(value: object, expected: str) -> str:
    return did_you_mean(value, re.findall(r"'([^']*)'", expected), listed=0) if isinstance(value, str) else ""


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _place(document: Document, at: Keys, loc: Iterable[str | int]) -> Keys:
    """Where in the document an error lies: what pydantic names on the way besides (branches of unions) is left out."""
    keys = at
    for key in loc:
        if document.has((*keys, key)):
            keys = (*keys, key)
    return keys


def _fields(hint: Any, keys: Keys) -> list[str]:
    """The fields of the model that a type has at some depth."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        fields = hint.model_fields
        if not keys:
            return list(fields)
        return _fields(fields[str(keys[0])].annotation, keys[1:]) if keys[0] in fields else []
    arguments = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return [name for argument in arguments for name in _fields(argument, keys)]
    if get_origin(hint) is Annotated:
        return _fields(arguments[0], keys)
    return _fields(arguments[-1], keys[1:]) if arguments and keys else []
