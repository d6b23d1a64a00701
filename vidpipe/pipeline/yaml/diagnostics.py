"""What is wrong with a pipeline, said so that a user finds the place and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vidpipe.core.errors import ConfigError

Keys = tuple[str | int, ...]
"""A place in a document: keys of mappings and indices of lists, from the top."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something was written: a line of a file, or an option of the command line (line 0)."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to put right.

    Attributes:
        mark: where it was written.
        path: of the setting, with the ids of stages in place of their numbers ("stages.gate.threshold"); may be empty.
        message: what is wrong, and what would be right. Never the value of a `url`.
    """

    mark: Mark
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.mark), self.path, self.message) if part)


class InvalidPipelineError(ConfigError):
    """A pipeline with mistakes: all of them, one a line."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(dict.fromkeys(mistakes))
        super().__init__("\n".join(map(str, self.mistakes)))
