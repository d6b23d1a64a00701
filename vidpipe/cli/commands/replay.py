"""`vidpipe replay`: the events of an earlier run, or what other rules would have told of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vidpipe.cli.outputs import Named, Outputs, own_stdout
from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Event
from vidpipe.core.files import unread
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.events import as_json
from vidpipe.results.sinks.events import EventsFile

_MADE_LIVE = dict.fromkeys(("snapshot", "clip"))
"""What a replay, which has no pictures, cannot tell; none of it is held against it."""

Told = Mapping[str, Any]
"""An event as JSON has it."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What the user asked for; without a pipeline the rules are those that the run had."""

    pipeline: str | None
    results: Path
    config: Path | None = None
    events: Path | None = None
    against: Path | None = None
    sets: Sequence[str] = ()


def run_replay(options: ReplayOptions) -> int:
    """Replay, and say what came of it; the exit status. Raises ConfigError."""
    from vidpipe.pipeline.yaml.load import find_pipeline, load
    from vidpipe.results.replay import ResultsReplay

    if options.pipeline is None and (options.config is not None or options.sets):
        raise ConfigError(
            "--config and --set are of a pipeline: name it as well, or leave them out for the run's own rules"
        )
    files = [Named("--results", options.results)]
    if options.pipeline is not None:
        files.append(Named("pipeline", find_pipeline(options.pipeline)))
    optional = (("--config", options.config), ("--against", options.against))
    files += [Named(option, path) for option, path in optional if path is not None]
    outputs = Outputs(None, None, None, (), events=options.events)
    outputs.check(files)
    replay = ResultsReplay(options.results)
    pipeline: Pipeline | None = None
    if options.pipeline is not None:
        sources = {name: str(stream["source"]) for name, stream in replay.head["streams"].items()}
        pipeline = load(options.pipeline, config=options.config, sets=options.sets, otherwise=sources)
    before = None if options.against is None else list(_read(options.against))
    now: list[Told] = []
    counts: Counter[tuple[str, ...]] = Counter()
    with own_stdout() if outputs.on_stdout else nullcontext() as stdout:
        sink = outputs.events_file(stdout)
        if sink is not None:
            sink.begin(replay.head)
        try:
            for event in replay.events(pipeline):
                if sink is not None:
                    sink.run({"start": replay.start})
                    sink.tell([event])
                if before is not None:
                    now.append(as_json(event, replay.start))
                counts[_key(event)] += 1
        finally:
            if sink is not None:
                sink.close()
        console = Console(markup=False, highlight=False, soft_wrap=True, stderr=outputs.on_stdout)
        _summarise(console, counts)
        if before is not None:
            _compare(console, before, now)
        _note_kept(sink)
    return 0


def _key(event: Event) -> tuple[str, ...]:
    place = event.data.get("zone") or event.data.get("line") or ""
    return event.stream, event.rule, event.kind, str(event.phase), str(place), str(event.data.get("direction") or "")


def _summarise(console: Console, counts: Counter[tuple[str, ...]]) -> None:
    if not counts:
        console.print("no events")
        return
    table = Table("stream", "rule", "kind", "phase", "place", "direction", box=None, pad_edge=False)
    table.add_column("events", justify="right")
    for key, count in sorted(counts.items()):
        table.add_row(*key, str(count))
    console.print(table)


def _compare(console: Console, before: Sequence[Told], now: Sequence[Told]) -> None:
    """Say which events are gone, new or different; the same ones are counted."""
    old, new = Counter(map(_text, before)), Counter(map(_text, now))
    gone, come = old - new, new - old
    lines = [("-", text) for text in gone.elements()] + [("+", text) for text in come.elements()]
    events = [(json.loads(text), sign) for sign, text in lines]
    for event, sign in sorted(events, key=lambda pair: (pair[0]["stream"], pair[0]["seq"], pair[1] == "+")):
        console.print(f"{sign} {_line(event)}")
    total = (old & new).total()
    console.print(f"{total} the same, {gone.total()} gone (-), {come.total()} new (+)")


def _text(event: Told) -> str:
    return json.dumps({**event, **_MADE_LIVE}, sort_keys=True)


def _line(event: Told) -> str:
    parts = [event.get(field) for field in ("zone", "line", "direction", "class")]
    track = "" if event.get("track_id") is None else f"track {event['track_id']}"
    stayed = "" if event.get("dwell_s") is None else f"{event['dwell_s']:g} s"
    words = [
        event["stream"],
        f"{event['pts']:.2f} s",
        event["rule"],
        event["kind"],
        event["phase"],
        *parts,
        track,
        stayed,
    ]
    return "  ".join(str(word) for word in words if word)


def _read(path: Path) -> Iterator[Told]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                told = json.loads(line)
                if not isinstance(told, dict) or not {"stream", "seq", "kind", "phase"} <= told.keys():
                    raise ConfigError(f"events {path}: line {number} is no event")
                yield told
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"events {path} cannot be read: {unread(error)}") from None
    except json.JSONDecodeError:
        raise ConfigError(f"events {path}: line {number} is no JSON: was its writing cut off?") from None


def _note_kept(sink: EventsFile | None) -> None:
    if sink is not None and sink.kept:
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            f"note: earlier events are now {sink.kept}", markup=False
        )
