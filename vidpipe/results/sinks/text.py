"""Texts for people that are made of events, by templates of Jinja's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from vidpipe.core.event import Event, Phase
from vidpipe.core.nearest import did_you_mean
from vidpipe.results.events import FIELDS, as_json

_BEGAN = 1_700_000_000.0
_TOLD = {
    **dict.fromkeys(FIELDS, "yard"),
    **{"class": "person", "track_id": 7, "box": [0.1, 0.2, 0.3, 0.4], "score": 0.9, "dwell_s": 12.5, "count": 2},
    **{"started_at": _BEGAN, "ended_at": _BEGAN, "level": 1, "most": 2, "uncertain": False},
    "miss_rate": {"estimate": 0.01, "low": 0.0, "high": 0.02},
}
SAMPLE: Mapping[str, Any] = as_json(
    Event("zone.dwell", "gate", 7, 0.7, _BEGAN, "lurks", "lurks/7", "big", 0.1, Phase.BEGIN, _TOLD),
    "2026-11-29T17:25:32.151+00:00",
)
"""An event that has every field: a template that cannot be filled with it is wrong."""


def check_template(text: str) -> str:
    """The template, if it makes a text of an event; raises ValueError, which says what is wrong with it."""
    try:
        names = meta.find_undeclared_variables(_environment().parse(text)) - {"event", "class_"}
        if unknown := sorted(names - SAMPLE.keys()):
            near = did_you_mean(unknown[0], SAMPLE)
            raise ValueError(f"has the unknown field '{unknown[0]}'{near}; those of your own are in `event`")
        fill(text, SAMPLE)
    except TemplateError as error:
        raise ValueError(f"does not render: {error.message}") from None
    except (ArithmeticError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"does not render: {type(error).__name__}: {error}") from None
    return text


def fill(text: str, event: Mapping[str, Any]) -> str:
    """The text for an event: each field by its name, all of them in `event`. Raises what the template raises."""
    return _template(text).render({**event, "event": event, "class_": event.get("class")})


@lru_cache(maxsize=64)
def _template(text: str) -> Template:
    return _environment().from_string(text)


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(autoescape=False)
    environment.filters["clock"] = _clock
    return environment


def _clock(seconds: float | None) -> str:
    """UTC seconds as the time of day here."""
    return "" if seconds is None else time.strftime("%H:%M:%S", time.localtime(seconds))
