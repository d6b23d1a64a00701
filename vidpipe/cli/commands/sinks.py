"""`vidpipe sinks test`: one event to each sink of a pipeline, and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from vidpipe.cli.terminal.rows import print_table
from vidpipe.core.errors import ConfigError, contained
from vidpipe.core.event import Event
from vidpipe.core.registry import SINKS
from vidpipe.pipeline.spec import Part
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.events import as_json
from vidpipe.results.sinks.base import Sink

KIND = "test"


def run_sinks_test(pipeline: str, config: Path | None, sets: Sequence[str]) -> int:
    """Try out each sink, one after another; the exit status: 1 where one has failed.

    Raises:
        ConfigError: the pipeline is wrong, or names no sinks.
    """
    parts = load(pipeline, config=config, sets=sets).sinks
    if not parts:
        raise ConfigError(f"pipeline {pipeline} names no sinks: `sinks: [{{type: webhook, url: ...}}]`")
    now = time.time()
    event = Event(KIND, KIND, 0, 0.0, now, KIND, KIND, by=KIND, data={"text": "a test of vidpipe's"})
    told = as_json(event, datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"))
    results = [_tried(place, part, told) for place, part in enumerate(parts)]
    print_table([row for row, _ in results])
    sys.stdout.flush()
    return 0 if all(went for _, went in results) else 1


def _tried(place: int, part: Part, told: dict[str, object]) -> tuple[dict[str, str], bool]:
    name, went = SINKS.name_of(part.type), True
    try:
        sink: Sink = part.make()
        name = str(sink)
        said = sink.try_out(told) or "has nothing to try"
    except Exception as error:  # a user's sink may raise anything
        said, went = f"failed: {contained(error)}", False
    return {"sink": f"sinks.{place}", "name": name, "result": said}, went
