"""What was found about one thing."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """How it is."""

    OK = "ok"
    NOTE = "note"  # it works, and could be better
    PROBLEM = "problem"  # a run fails, or will


class Finding(NamedTuple):
    """What was found about one thing.

    Attributes:
        about: which thing.
        said: what there is.
        advice: what to do about it; "" where there is nothing to do.
    """

    about: str
    state: State
    said: str
    advice: str = ""


def ok(about: str, said: str) -> Finding:
    return Finding(about, State.OK, said)


def note(about: str, said: str, advice: str) -> Finding:
    return Finding(about, State.NOTE, said, advice)


def problem(about: str, said: str, advice: str) -> Finding:
    return Finding(about, State.PROBLEM, said, advice)
