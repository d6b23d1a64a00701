"""Events out of a results file: rules held against what was published, without a picture, a model or a clock."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidpipe.cascade.audit import Audit
from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Event
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.sinks.results import SCHEMA
from vidpipe.transforms.rules.rules import RULES, Rules
from vidpipe.transforms.rules.seen import Seen


class ResultsReplay:
    """The results of one run, to be held against rules.

    Attributes:
        head: what the first line says of where they come from.

    Raises:
        ConfigError: the file cannot be read, or is no results file with its first line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open(encoding="utf-8") as file:
                self.head: Mapping[str, Any] = json.loads(file.readline())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"results {path} cannot be read: {error}") from None
        except json.JSONDecodeError:
            self.head = {}
        if not isinstance(self.head, dict) or self.head.get("schema") != SCHEMA:
            raise ConfigError(
                f"results {path}: the first line does not say `{SCHEMA}`: is it what --results has written?"
            )

    def events(self, pipeline: Pipeline) -> Iterator[Event]:
        """What the rules of a pipeline's streams say of these results, in the order in which a run would tell it.

        A last line that was cut off, as a run that was killed leaves it, is left out.

        Raises:
            ConfigError: a line is not what results are.
        """
        rules = {stream: made for stream in pipeline.streams if (made := _rules(pipeline, stream))}
        with self._path.open(encoding="utf-8") as file:
            next(file)
            for number, line in enumerate(file, 2):
                try:
                    told = json.loads(line)
                    own = rules.get(told["stream"])
                    seen = seen_of(told) if own is not None else None
                except json.JSONDecodeError:
                    if not line.endswith("\n"):
                        return
                    raise ConfigError(f"results {self._path}: line {number} is no JSON") from None
                except (KeyError, TypeError, ValueError) as error:
                    why = f"{type(error).__name__}: {error}"
                    raise ConfigError(f"results {self._path}: line {number} is no result: {why}") from None
                if own is not None and seen is not None:
                    own.see(seen, told["stream"])
                    for event in own.take_events():
                        yield replace(event, by=told["by"])


def _rules(pipeline: Pipeline, stream: str) -> Rules | None:
    config = pipeline.streams[stream].configs.get(RULES)
    if config is None:
        return None
    rules = Rules()
    rules.id, rules.config = RULES, config  # type: ignore[assignment]
    rules.begin()
    return rules


def seen_of(line: Mapping[str, Any]) -> Seen:
    """A line of a results file as rules see it; raises KeyError, TypeError or ValueError where it is none."""
    found = line["detections"]
    audits = [Audit(each["stage"], each["missed"], each["false"]) for each in line.get("audits", ())]
    width, height = line["size"] or (0, 0)
    found = found if width else []
    return Seen(
        line["seq"],
        line["pts"],
        line["captured_at"],
        line["as_of"],
        width,
        height,
        [box["xyxy"] for box in found],
        [1.0 if box["score"] is None else box["score"] for box in found],
        [box["class"] for box in found],
        [-1 if box["track_id"] is None else box["track_id"] for box in found],
        audits,
    )
