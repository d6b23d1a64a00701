"""How right events are: on generated streets with exact truth, and on footage that people labelled.

python -m benchmarks.rules streets     crossings and stays on 100 streets, from exact boxes with identities
python -m benchmarks.rules tracked     the same on 10, with identities of `track`
python -m benchmarks.rules vtest       lines and zones on vtest.avi with `follow` (VIDPIPE_ASSETS)
python -m benchmarks.rules cost        CPU time of a result, and of a day of them
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from vidpipe.accuracy.scores.presence import Run, pairs
from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.spec import Pipeline as EnginePipeline
from vidpipe.pipeline.yaml.build import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.replay import seen_of
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.sources.base import Line, Polygon
from vidpipe.sources.own import PictureSource, Shot, SourceConfig
from vidpipe.testing.scene import COUNTS_FROM, Scene, SceneSpec
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RulesConfig, RuleSpec
from vidpipe.transforms.rules.watch import Happening

# Chosen before any clip was looked at: upright lines at each third and in the middle, and nine equal zones.
LINES: dict[str, Line] = {name: [(x, 1.0), (x, 0.0)] for name, x in (("1/3", 1 / 3), ("1/2", 0.5), ("2/3", 2 / 3))}
CELLS = [(column / 3, row / 3) for row in range(3) for column in range(3)]
ZONES: dict[str, Polygon] = {
    f"zone {number}": [(x, y), (x + 1 / 3, y), (x + 1 / 3, y + 1 / 3), (x, y + 1 / 3)]
    for number, (x, y) in enumerate(CELLS)
}
SETTLED_S = 0.2  # on a side of a line, or in a zone, counts: `confirm_s`
GAP_S = 1.0  # outside is none: `grace_s`
OVER_S = 4.0  # without anybody, at the end: so that all is told

Paths = Mapping[int, Sequence[tuple[float, float, float]]]
"""Where the feet of each object were: media seconds, x and y in parts of the picture, by identity."""


class Stay(NamedTuple):
    """Somebody in a zone, in media seconds."""

    zone: str
    begin_s: float
    end_s: float


def config() -> RulesConfig:
    """Who crosses the lines, who is in which zone, and whether anybody is."""
    rules = [RuleSpec(id="lines", kind="line"), RuleSpec(id="zones", kind="zone")]
    rules.append(RuleSpec(id="anybody", kind="presence", zone=list(ZONES)))
    return RulesConfig(lines=LINES, zones=ZONES, rules=rules)


def told(results: Iterable[Seen]) -> list[Happening]:
    """What the rules say."""
    engine = Engine(config())
    return [happened for seen in results for happened in engine.see(seen)]


def crossings(paths: Paths) -> Counter[tuple[str, str]]:
    """Changes of the side of each line, by line and direction; a side that does not last is none."""
    wanted: Counter[tuple[str, str]] = Counter()
    for path in paths.values():
        for name, ((at, _), _) in LINES.items():
            placed = [(x > at, t) for t, x, _ in path]
            sides = [(side, [t for _, t in own]) for side, own in groupby(placed, itemgetter(0))]
            lasting = [side for side, times in sides if times[-1] - times[0] + 0.1 >= SETTLED_S - 1e-6]
            wanted.update((name, "in" if new else "out") for old, new in pairwise(lasting) if old != new)
    return wanted


def stays(paths: Paths) -> list[Stay]:
    """Who was where: gaps closed, then what is too short left out."""
    found = []
    for path in paths.values():
        for zone, (x0, y0) in zip(ZONES, CELLS, strict=True):
            inside = [t for t, x, y in path if x0 <= x < x0 + 1 / 3 and y0 <= y < y0 + 1 / 3]
            found += [Stay(zone, begin, end) for begin, end in _closed(inside)]
    return found


def present(paths: Paths) -> dict[str, list[Run]]:
    """When anybody was in each zone, the same way."""
    times: dict[str, set[float]] = defaultdict(set)
    for path in paths.values():
        for t, x, y in path:
            for zone, (x0, y0) in zip(ZONES, CELLS, strict=True):
                if x0 <= x < x0 + 1 / 3 and y0 <= y < y0 + 1 / 3:
                    times[zone].add(t)
    return {zone: [Run(*ends, False, False) for ends in _closed(sorted(own))] for zone, own in times.items()}


def _closed(times: Sequence[float]) -> list[tuple[float, float]]:
    runs: list[list[float]] = []
    for t in times:
        if runs and t - runs[-1][1] <= GAP_S + 1e-6:
            runs[-1][1] = t
        else:
            runs.append([t, t])
    return [(begin, end) for begin, end in runs if end - begin >= SETTLED_S - 1e-6]


class Score(NamedTuple):
    """Events against truth.

    Attributes:
        wanted, wrong: crossings in truth, and those that were told too often or too seldom.
        stays, matched: in truth, and those that a visit was told of.
        off_s: by how much each of those was told too long or too short.
        presence: runs right, told and in truth.
    """

    wanted: Counter[tuple[str, str]]
    found: Counter[tuple[str, str]]
    stays: int
    told: int
    off_s: list[float]
    presence: tuple[int, int, int]

    @property
    def wrong(self) -> int:
        return ((self.found - self.wanted) + (self.wanted - self.found)).total()

    @property
    def f1(self) -> float:
        right, found, wanted = self.presence
        return 2 * right / (found + wanted) if found + wanted else 1.0


def score(happened: Sequence[Happening], paths: Paths) -> Score:
    """What was told against where the objects were."""
    found = Counter((e.data["line"], e.data["direction"]) for e in happened if e.kind == "line.cross")
    wanted = stays(paths)
    visits = [_stay(each) for each in happened if each.kind == "zone.exit"]
    left, off = list(visits), []
    for stay in wanted:
        same = [each for each in left if each.zone == stay.zone and _shared(each, stay) > 0.5]
        if same:
            best = max(same, key=lambda each: _shared(each, stay))
            left.remove(best)
            off.append(abs((best.end_s - best.begin_s) - (stay.end_s - stay.begin_s)))
    right = runs = of_truth = 0
    for zone, own in present(paths).items():
        times = [_stay(e) for e in happened if e.kind == "presence" and e.phase == "end" and e.data["zone"] == zone]
        right += len(pairs([Run(each.begin_s, each.end_s, False, False) for each in times], own))
        runs, of_truth = runs + len(times), of_truth + len(own)
    return Score(crossings(paths), found, len(wanted), len(visits), off, (right, runs, of_truth))


def _stay(happened: Happening) -> Stay:
    return Stay(happened.data["zone"], happened.data["started_pts"], happened.data["ended_pts"])


def _shared(one: Stay, other: Stay) -> float:
    """The time that two have in common, by the time of both."""
    common = min(one.end_s, other.end_s) - max(one.begin_s, other.begin_s)
    return common / (max(one.end_s, other.end_s) - min(one.begin_s, other.begin_s))


def tell(name: str, scores: Sequence[Score]) -> None:
    """Print what came of it."""
    wanted, wrong = sum(s.wanted.total() for s in scores), sum(s.wrong for s in scores)
    off = [each for s in scores for each in s.off_s]
    runs = [sum(s.presence[k] for s in scores) for k in range(3)]
    print(  # noqa: T201
        f"{name}: {wanted} crossings, {wrong} wrong ({wrong / wanted:.2%}); {sum(s.stays for s in scores)} stays, "
        f"{sum(s.told for s in scores)} told, {len(off)} the same, off by {median(off):.2f} s in median; presence F1 "
        f"{2 * runs[0] / (runs[1] + runs[2]):.3f} of {runs[2]} runs"
    )


def spec_of(seed: int, arrivals: float) -> SceneSpec:
    """Half a minute of a street, small, so that many can be had."""
    return SceneSpec(width=320, height=240, duration_s=30, seed=seed, arrivals_per_minute=arrivals, shadows=False)


def street(spec: SceneSpec) -> tuple[list[Seen], Paths]:
    """A generated street as results with exact boxes and identities."""
    paths: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    results = []
    for seq, (_, boxes) in enumerate(Scene(spec)):
        for box in boxes:
            x0, _, x1, y1 = box.xyxy
            paths[box.id].append((seq / 10, (x0 + x1) / 2 / spec.width, min(y1 / spec.height, 1 - 1e-6)))
        xyxy = [[float(edge) for edge in box.xyxy] for box in boxes]
        names, ids = [box.kind for box in boxes], [box.id for box in boxes]
        results.append(Seen(seq, seq / 10, None, seq, 320, 240, xyxy, [1.0] * len(boxes), names, ids))
    return results, paths


def nobody(first: int, size: tuple[int, int]) -> Iterator[Seen]:
    """Some seconds in which all that was seen ends."""
    for seq in range(first, first + round(OVER_S * 10)):
        yield Seen(seq, seq / 10, None, seq, *size, [], [], [], [])


def streets(seeds: int = 50) -> list[Score]:
    """From exact boxes with identities; a street, then a crowd."""
    every = []
    for name, arrivals in (("street", 20.0), ("crowd", 90.0)):
        scores = []
        for seed in range(seeds):
            spec = spec_of(seed, arrivals)
            results, paths = street(spec)
            scores.append(score(told([*results, *nobody(spec.frames, (320, 240))]), paths))
        tell(name, scores)
        every += scores
    return every


class StreetConfig(SourceConfig):
    """Which street."""

    seed: int
    arrivals: float


class Street(PictureSource):
    """The pictures of a generated street."""

    Config = StreetConfig

    def pictures(self) -> Iterator[Shot]:
        for seq, (picture, _) in enumerate(Scene(spec_of(self.config.seed, self.config.arrivals))):
            yield Shot(seq / 10, picture)


class KnowsConfig(StageConfig):
    """Which street."""

    seed: int
    arrivals: float


class Knows(Stage[KnowsConfig]):
    """Answers with the truth of a street, without identities, and without what is hidden."""

    Config = KnowsConfig

    def open(self, context: object) -> None:
        self._boxes = [boxes for _, boxes in Scene(spec_of(self.config.seed, self.config.arrivals))]

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        import supervision as sv

        (frame,) = frames
        boxes = [box for box in self._boxes[frame.seq] if box.visibility >= COUNTS_FROM]
        kinds = ["person", "vehicle", "bike"]
        found = sv.Detections(
            xyxy=np.array([box.xyxy for box in boxes], np.float32).reshape(-1, 4),
            confidence=np.full(len(boxes), 0.9, np.float32),
            class_id=np.array([kinds.index(box.kind) for box in boxes], int),
            data={"class_name": np.array([box.kind for box in boxes], str)},
        )
        return [Answer(found, How.MEASURED, self.id, frame.seq)]


def tracked(seeds: int = 10) -> None:
    """From exact boxes that `track` gives identities, at a look at each picture, and at two a second."""
    for refresh_s in (0.0, 0.5):
        for name, arrivals in (("street", 20.0), ("crowd", 90.0)):
            scores = []
            for seed in range(seeds):
                spec = spec_of(seed, arrivals)
                results = list(_answers(street_pipeline(seed, arrivals, refresh_s)))
                _, paths = street(spec)
                scores.append(score(told([*results, *nobody(spec.frames, (320, 240))]), paths))
            tell(f"{name}, a look each {refresh_s:g} s", scores)


def street_pipeline(seed: int, arrivals: float, refresh_s: float) -> EnginePipeline:
    which = {"seed": seed, "arrivals": arrivals}
    return Pipeline(
        [{"id": "track", "type": "track", "refresh_s": refresh_s}, {"id": "knows", "type": Knows, **which}],
        classes={kind: kind for kind in ("person", "vehicle", "bike")},
        streams={"street": {"url": "benchmarks.rules:Street", "settings": which}},
        audit={"rate": 0, "max_unchecked_s": None},
    )


def _answers(pipeline: EnginePipeline) -> Iterator[Seen]:
    """What a pipeline publishes of its one stream."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "results.jsonl")
        run(pipeline, engine="inline", sinks=[ResultsFile(file)])
        with file.open(encoding="utf-8") as lines:
            next(lines)
            yield from (seen_of(json.loads(line)) for line in lines)


def vtest() -> None:
    """A street that people labelled, by `follow` as it comes, against those labels."""
    assets = Path(os.environ["VIDPIPE_ASSETS"])
    width, height, rate = 768, 576, 10
    paths: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    for line in (assets / "truth" / "vtest.txt").read_text().splitlines():
        frame, track, x, y, w, h = map(float, line.split(",")[:6])
        paths[int(track)].append(((frame - 1) / rate, (x + w / 2) / width, min((y + h) / height, 1 - 1e-6)))
    pipeline = load("follow", sources={"vtest": str(assets / "videos" / "vtest.avi")})
    here = replace(pipeline, search_paths=(*pipeline.search_paths, str(assets / "models")))
    results = list(_answers(here))
    scored = score(told([*results, *nobody(len(results), (width, height))]), paths)
    tell("vtest, follow", [scored])
    for name in LINES:
        counts = [
            (direction, scored.found[name, direction], scored.wanted[name, direction]) for direction in ("in", "out")
        ]
        print(f"line {name}: " + ", ".join(f"{found} of {wanted} {way}" for way, found, wanted in counts))  # noqa: T201


PARTS: dict[str, Callable[[], object]] = {"streets": streets, "tracked": tracked, "vtest": vtest}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
