"""Results of a street without pictures: people walk past each other, and now and then one stops beside another."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from vidpipe.results.store.marks import Mark, keep
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.teaching.examples import Example
from vidpipe.transforms.learnt import boxes
from vidpipe.transforms.learnt.classifier import EventClassifier, Input

STREAM = "yard"
WIDTH, HEIGHT, TALL = 640, 480, 96
FPS = 5
SPELL_S = 20.0  # in each, two people: they stop beside each other for six seconds, or walk past
MEET_S = (8.0, 14.0)


def write(path: Path, meets: list[bool], seed: int = 0, **more: Any) -> Path:
    """A results file with a spell for each of `meets`.

    Args:
        more: fields of each line.
    """
    chance = random.Random(seed)
    lines: list[dict[str, Any]] = [{"schema": "vidpipe.results/1", "start": begun(seed), "streams": {STREAM: {}}}]
    for spell, meet in enumerate(meets):
        mirrored, row, pace = chance.random() < 0.5, chance.uniform(200, 460), chance.uniform(0.9, 1.1)
        for step in range(int(SPELL_S * FPS)):
            seq = spell * int(SPELL_S * FPS) + step
            at = step / FPS
            found = []
            for number in range(2):
                x = _place(at * pace, number, meet) + chance.gauss(0, 2)
                x = WIDTH - x if mirrored else x
                foot = row + (0 if meet else 150 * number - 100)
                box = [x - TALL / 6, foot - TALL, x + TALL / 6, foot]
                known = {"score": 0.9, "class": "person", "track_id": 2 * spell + number}
                found.append({"xyxy": [round(edge, 2) for edge in box], **known})
            lines.append(
                {
                    "stream": STREAM, "seq": seq, "pts": seq / FPS, "captured_at": None, "published_at": 0.0,
                    "how": "measured", "by": "big", "as_of": seq, "knobs": 0, "model": "big", "reason": "",
                    "size": [WIDTH, HEIGHT], "detections": found, **more,
                }
            )  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def begun(seed: int) -> str:
    """When the run of that seed began."""
    return f"2026-11-{1 + seed:02}T08:00:00.000+00:00"


def store(path: Path, seed: int, examples: list[Example], event: str = "meets") -> Path:
    """A store in which somebody has marked these examples on the page."""
    sink = StoreSink(StoreConfig(path=str(path)))
    sink.begin({"start": begun(seed), "pipeline": "page", "version": "0"})
    sink.close()
    for each in examples:
        place = each.stream, event, each.begin, each.end
        keep(path, Mark(0.0, begun(seed), *place, each.yes, "page: ann", said=each.said))
    return path


def _place(at: float, number: int, meet: bool) -> float:
    """Columns of one of two who come from both sides."""
    way = 30 * min(at, MEET_S[0]) + 30 * max(0.0, at - MEET_S[1]) if meet else 30 * at
    return 70 + way if number == 0 else WIDTH - 70 - way


def examples(recording: str, meets: list[bool]) -> list[Example]:
    """One of each spell, when they meet or would."""
    return [
        Example(recording, STREAM, spell * SPELL_S + 8.5, spell * SPELL_S + 13.5, meet, None, f"example {spell}")
        for spell, meet in enumerate(meets)
    ]


def classifier(bias: float = 0.0, inputs: tuple[str, ...] = ("boxes",), size: int = 2, **more: Any) -> EventClassifier:
    """One that says the same of everything: whatever `bias` says."""
    classes = ("person",) if "boxes" in inputs else ()
    chosen = tuple(Input(name=name, size=boxes.size_of(1) if name == "boxes" else size) for name in inputs)
    zeros = [0.0] * 3 * sum(each.size for each in chosen)
    written = {"event": "meets", "inputs": chosen, "classes": classes, "window_s": 4.0, "step_s": 0.5, "hold_s": 2.0}
    weights = {"mean": zeros, "scale": [1.0] * len(zeros), "weights": zeros, "bias": bias}
    return EventClassifier.model_validate({**written, "k": 2, "n": 3, "begin": 0.0, "end": 0.0, **weights, **more})
