"""What answers to questions say: how often a quiet window had the event, and how often a told one was none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from vidpipe.core.errors import ConfigError
from vidpipe.core.event import REVIEW
from vidpipe.core.files import unread
from vidpipe.teaching.examples import Example
from vidpipe.transforms.learnt.audited import Audited


class Question(NamedTuple):
    """A moment that a person is asked about.

    Attributes:
        begin, end: media seconds.
        said: whether the event was told.
        at: UTC seconds; None where the recording does not say.
        pictures: paths of its picture and clip, where there are any.
    """

    stream: str
    begin: float
    end: float
    said: bool
    at: float | None
    pictures: tuple[str, ...]


def questions(path: Path, event: str) -> Iterator[Question]:
    """The questions in an events file. Raises ConfigError."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    told: Mapping[str, Any] = from_json(line)
                    if told["kind"] != REVIEW or told.get("event") != event:
                        continue
                    shown = tuple(str(told[name]) for name in ("snapshot", "clip") if told.get(name))
                    span = float(told["started_pts"]), float(told["ended_pts"])
                    yield Question(told["stream"], *span, bool(told["said"]), told.get("started_at"), shown)
                except (ValueError, KeyError, TypeError, AttributeError):
                    if not line.endswith("\n"):
                        return  # half a line of a run that goes on, or was killed
                    raise ConfigError(
                        f"events {path}: line {number} is no event: give what --events has written"
                    ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"events {path} cannot be read: {unread(error)}") from None


def is_answered(question: Question, examples: Sequence[Example]) -> bool:
    """Whether these examples hold an answer to it."""
    return any(
        each.said is not None
        and each.stream == question.stream
        and abs(each.begin - question.begin) < 1e-2
        and abs(each.end - question.end) < 1e-2
        for each in examples
    )


def rates(examples: Sequence[Example]) -> dict[str, Any]:
    """What the answers among them come to: `missed` and `false`, as `Audited.report`; of each only where somebody has
    answered.
    """
    quiet, told = ([each.yes for each in examples if each.said is said] for said in (False, True))
    counted = Audited(len(quiet), sum(quiet), len(told), len(told) - sum(told))
    return {name: rate for name, rate in counted.report().items() if rate["of"]}
