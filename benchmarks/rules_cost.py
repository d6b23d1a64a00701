"""What events cost, in CPU time of one thread: `python -m benchmarks.rules_cost`."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.rules import street_pipeline
from vidpipe.results.replay import ResultsReplay
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RulesConfig, RuleSpec


def cost() -> None:
    """CPU time of a result for 20 zones and lines with 30 objects, and of a day of results of 3 objects."""
    print(f"a loop of a million additions: {_loop_ms():.0f} ms")  # noqa: T201
    for zones, lines, objects in ((10, 10, 30), (2, 2, 8), (1, 1, 3), (1, 1, 0)):
        took = min(_result_us(zones, lines, objects) for _ in range(3))
        print(f"{zones} zones, {lines} lines, {objects} objects: {took:.0f} us a result")  # noqa: T201
    for objects in (3, 8):
        print(f"a day at 10 results a second, {objects} objects: {_day_s(objects):.0f} CPU s to replay")  # noqa: T201
    print(f"a loop of a million additions: {_loop_ms():.0f} ms")  # noqa: T201


def _loop_ms() -> float:
    """How fast this machine is just now."""
    began, total = time.thread_time(), 0
    for number in range(1_000_000):
        total += number
    return 1000 * (time.thread_time() - began)


def _places(zones: int, lines: int) -> RulesConfig:
    """Zones and lines all over the picture."""
    rng = np.random.default_rng(0)
    middles, turns = rng.random((zones + lines, 2)) * 0.8 + 0.1, np.linspace(0, 2 * np.pi, 7)[:-1]
    corners = [[(float(x + 0.08 * np.cos(t)), float(y + 0.08 * np.sin(t))) for t in turns] for x, y in middles]
    return RulesConfig(
        zones={f"z{k}": corner for k, corner in enumerate(corners[:zones])},
        lines={f"l{k}": [corner[0], corner[3]] for k, corner in enumerate(corners[zones:])},
        rules=[RuleSpec(id="zones", kind="zone"), RuleSpec(id="lines", kind="line")],
    )


def _walk(objects: int, frames: int) -> Iterator[Seen]:
    """Objects that walk about, 2 m a second where they are 2 m tall, and a fifth of the picture."""
    rng = np.random.default_rng(1)
    at, speed = rng.random((objects, 2)) * [640, 360], rng.normal(0, 8, (objects, 2))
    for seq in range(frames):
        at = at + speed
        speed = np.where((at < 0) | (at > [640, 360]), -speed, speed)
        boxes = np.round(np.hstack([at, at + np.array([40, 115])]), 2).tolist()
        yield Seen(seq, seq / 10, None, seq, 768, 576, boxes, [0.9] * objects, ["person"] * objects, range(objects))


def _result_us(zones: int, lines: int, objects: int) -> float:
    results, engine = list(_walk(objects, 1000)), Engine(_places(zones, lines))
    began = time.thread_time()
    for seen in results:
        engine.see(seen)
    return 1e6 * (time.thread_time() - began) / len(results)


def _day_s(objects: int, share: int = 100) -> float:
    """By a hundredth of a day; the first line of a results file and its stream are made up."""
    head = {"schema": "vidpipe.results/1", "start": "2026-11-29T17:25:32.151+00:00", "streams": {}}
    pipeline = replace(street_pipeline(0, 0.0, 0.5), transforms=())
    configs = {RULES: _places(2, 2)}
    pipeline = replace(pipeline, streams={"street": replace(pipeline.streams["street"], configs=configs)})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "results.jsonl")
        with file.open("w", encoding="utf-8") as out:
            out.write(json.dumps(head) + "\n")
            out.writelines(json.dumps(_line(seen)) + "\n" for seen in _walk(objects, 864_000 // share))
        began = time.thread_time()
        for _ in ResultsReplay(file).events(pipeline):
            pass
        return share * (time.thread_time() - began)


def _line(seen: Seen) -> dict[str, object]:
    boxes = zip(seen.boxes, seen.scores, seen.classes, seen.ids, strict=True)
    return {
        **{"stream": "street", "seq": seen.seq, "pts": seen.pts, "captured_at": None, "published_at": 0.0},
        **{"how": "tracked", "by": "track", "as_of": seen.as_of, "knobs": 0, "reason": "3 boxes moved on from frame 3"},
        "size": [seen.width, seen.height],
        "detections": [{"xyxy": b, "score": s, "class": name, "track_id": id} for b, s, name, id in boxes],
    }


if __name__ == "__main__":
    cost()
