"""A run whose results and events follow from their numbers: what a store must hold of it can be worked out."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import supervision as sv

from vidpipe.core.answer import Answer, How
from vidpipe.core.event import Event, Phase
from vidpipe.results.records import Result
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.results.store import sink as module
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.results.writer import Writer

START = "2026-11-29T17:25:32.151+00:00"
BEGAN = 1795973132.151
PROVENANCE = {"start": START, "pipeline": "yard", "version": "1.2"}
STREAMS = ("gate", "yard")


def result(
    seq: int, *names: str, stream: str = "gate", ids: Sequence[int] | None = None, scores: Sequence[float] | None = None
) -> Result:
    """A result at ten a second with a box of each of these classes."""
    boxes = sv.Detections(
        xyxy=np.zeros((len(names), 4), np.float32),
        confidence=np.array([0.5] * len(names) if scores is None else scores, np.float32),
        class_id=np.zeros(len(names), int),
        tracker_id=None if ids is None else np.array(ids, int),
        data={"class_name": np.array(names, str)},
    )
    return Result(stream, seq, seq / 10, None, 1.0, 0, Answer(boxes, How.MEASURED, "big", seq))


def event(
    seq: int,
    kind: str = "zone.enter",
    *,
    id: str = "",
    phase: Phase = Phase.BEGIN,
    stream: str = "gate",
    rule: str = "yard",
    **data: object,
) -> Event:
    """An event at that result."""
    return Event(kind, stream, seq, seq / 10, None, rule, id or f"{kind}/{seq}", by="big", phase=phase, data=data)


def sink(file: Path, **settings: object) -> StoreSink:
    """A store to write, begun."""
    made = StoreSink(StoreConfig(path=str(file), **settings))
    made.begin(PROVENANCE)
    return made


def events_at(stream: str, seq: int) -> list[Event]:
    """What happens there: at each third result somebody enters, and each fifth begins a stay of four results."""
    found = [event(seq, stream=stream, zone="door")] if seq % 3 == 0 else []
    stay = {"kind": "zone.dwell", "stream": stream, "zone": "door"}
    if seq % 5 == 0:
        found.append(event(seq, id=f"stay/{seq}", **stay))
    if seq >= 4 and (seq - 4) % 5 == 0:
        found.append(event(seq, id=f"stay/{seq - 4}", phase=Phase.END, **stay))
    return found


def ids_up_to(stream: str, seq: int) -> dict[str, str]:
    """The last phase of each event up to a result, by id as the store has it."""
    prefix = f"20261129T172532.151/{stream}/"
    return {prefix + each.id: str(each.phase) for at in range(seq + 1) for each in events_at(stream, at)}


def batches(seed: int) -> Iterator[tuple[list[Result], list[Event]]]:
    """The run's results and events for ever, in batches of any size."""
    chance = random.Random(seed)
    at = dict.fromkeys(STREAMS, 0)
    for _ in count():
        results: list[Result] = []
        events: list[Event] = []
        for _ in range(chance.randint(1, 40)):
            stream = chance.choice(STREAMS)
            results.append(result(at[stream], "person", stream=stream, ids=[at[stream] // 50]))
            events += events_at(stream, at[stream])
            at[stream] += 1
        yield results, events


def write_for_ever(folder: Path, seed: int) -> None:
    """Write the run from its beginning, as a process that will be killed does, and commit all the time."""
    module.COMMIT_EVERY_S = 0.01
    store = StoreSink(StoreConfig(path=str(folder / "store.db")))
    writer = Writer([ResultsFile(folder / f"{seed}.jsonl"), store])
    writer.begin(PROVENANCE)
    for results, events in batches(seed):
        writer.write(results, 0.0, events)
        while writer.is_full:
            time.sleep(0.001)
