"""The results file of an earlier run, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import unread
from vidpipe.results.sinks.results import SCHEMA, is_head


class RecordedResults:
    """The results of a run, or of several of which each went on behind the one before.

    Attributes:
        head: what the first line says of where they come from.
        cut_off: the last line that was read is half a line, as a run that was killed leaves it.

    Raises:
        ConfigError: the file cannot be read, or is no results file with its first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut_off = False
        try:
            with path.open(encoding="utf-8") as file:
                self.head: Mapping[str, Any] = json.loads(file.readline())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"results {path} cannot be read: {unread(error)}") from None
        except json.JSONDecodeError:
            self.head = {}
        if not isinstance(self.head, dict) or self.head.get("schema") != SCHEMA:
            raise ConfigError(
                f"results {path}: the first line does not say `{SCHEMA}`: is it what --results has written?"
            )

    def lines(self) -> Iterator[tuple[int, Any]]:
        """The results, each with the number of its line; one that was cut off is left out.

        Where another run begins, its first line comes, too: it has a "schema". Of files of one run that were put behind
        each other, further first lines are left out.

        Raises:
            ConfigError: a line is no JSON.
        """
        start = self.head.get("start")
        with self.path.open(encoding="utf-8") as file:
            next(file)
            for number, line in enumerate(file, 2):
                try:
                    told = from_json(line)  # a third less than json.loads takes
                except ValueError:
                    if not line.endswith("\n"):
                        self.cut_off = True
                        return
                    raise ConfigError(f"results {self.path}: line {number} is no JSON") from None
                if is_head(line):
                    if told.get("schema") != SCHEMA or told.get("start") == start:
                        continue
                    start = told.get("start")
                yield number, told

    def refused(self, number: int, error: Exception) -> ConfigError:
        """What to raise where a line is not what results are."""
        return ConfigError(f"results {self.path}: line {number} is no result: {type(error).__name__}: {error}")


def of_last_run(path: Path) -> list[tuple[int, str]]:
    """The lines that are answers of the last run in a results file, each with its number from 1.

    The file may have no first line: then it holds one run.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read.
        ConfigError: a first line is no JSON.
    """
    lines: list[tuple[int, str]] = []
    start = None
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not is_head(line):
                lines.append((number, line))
                continue
            try:
                begun = from_json(line).get("start")
            except ValueError:
                raise ConfigError(f"results {path}: line {number} is no JSON: was its writing cut off?") from None
            if begun != start:
                start = begun
                lines.clear()
    return lines
