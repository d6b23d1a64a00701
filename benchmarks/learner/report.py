"""`python -m benchmarks learner`: what a detector that learns its camera is worth against what is there.

Looks, hours and weights are kept in the folder. Clips that are reported are no part of what the learner begins from,
nor was any setting chosen on them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.footage import ASSETS
from benchmarks.learner.bill import SCORED, Bill
from benchmarks.learner.learning import SHARES, Stage, beginning, judged, learn
from benchmarks.learner.net import LearnerNet
from benchmarks.learner.scenes import (
    LOOKS_A_S,
    Watched,
    kept,
    looped,
    models,
    of_pictures,
    others,
    pictures_of,
    street,
)
from vidpipe.core.frame import Image
from vidpipe.models.base import Detector
from vidpipe.models.precisions import look_ms

CLIPS = ("vtest", "urban_road_overpass", "street_parked_cars", "pedestrian_overpass", "car-detection")
HOURS = ("street hour", "vtest hour")
FLOORS = (0.8, 0.9)
TESTED = 0.8  # share of a scene that every stage is tested behind
_TIMED = 24  # looks by which the price of one is known
_APART_S = 6.0  # media seconds between the pictures of an hour


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """Tables, line by line; of these scenes, or of all."""
    folder = (folder / "learner").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(ASSETS / "models")  # where the pipeline's models are found
    detectors = models()
    begin = beginning(others(folder, detectors), folder / "begin.pt")
    yield "| scene | looks | " + " | ".join(f"{share:.0%}" for share in SHARES) + " | 2001 | training, CPU s |"
    yield "|---|---:|" + "---:|" * (len(SHARES) + 2)
    bills = []
    for name in names or (*CLIPS, *HOURS):
        if name in HOURS:
            yield from _hour(name, folder, detectors, begin)
        else:
            bill = Bill(name, 1 / LOOKS_A_S)
            whole = len(bill.scene.pictures)
            stages = learn(bill.scene, whole, begin)
            yield row(name, bill.scene.part(round(TESTED * whole), whole), stages)
            bills += list(_bill(bill, stages, detectors))
    yield ""
    yield "| clip | floor | without: chosen | F1 | CPU s/h | with: chosen | F1 | CPU s/h | training, CPU s/h |"
    yield "|---|---:|---|---:|---:|---|---:|---:|---:|"
    yield from bills


def row(name: str, scene: Watched, stages: Sequence[Stage]) -> str:
    """F1 on a scene that nothing was learnt of, by the share of the stream that was seen."""
    scores, little = judged(scene, stages)
    cells = [str(stages[-1].looks), *(f"{score:.3f}" for score in (*scores, little)), f"{stages[-1].cpu_s:.0f}"]
    return f"| {name} | " + " | ".join(cells) + " |"


def _bill(bill: Bill, stages: Sequence[Stage], detectors: Sequence[Detector]) -> Iterator[str]:
    """What looks of a clip take, and a line for each floor."""
    name, known = bill.scene.name, stages[SHARES.index(SCORED)]
    pictures = [picture.copy() for _, picture in islice(pictures_of(name), 8)]
    took = look_ms(dict(zip(("2003", "2001", "learner"), (*detectors, known.learner), strict=True)), pictures, _TIMED)
    yield f"| {name} | a look: " + ", ".join(f"{who} {cpu_ms:.1f} ms" for who, cpu_ms in took.items()) + " |"
    for floor in FLOORS:
        cells = [name, f"{floor:g}"]
        choices = bill.chosen(floor, stages, bill.big_ms * took["learner"] / took["2003"])
        for choice in choices:
            f1 = "-" if choice.f1 is None else f"{choice.f1:.3f}"
            cells += [choice.configuration, f1, f"{choice.cpu_s:.0f}"]
        cells.append(f"{known.cpu_s + known.looks * bill.big_ms / 1000:.0f}" if choices[1].learns else "-")
        yield "| " + " | ".join(cells) + " |"


def _hour(name: str, folder: Path, detectors: Sequence[Detector], begin: LearnerNet) -> Iterator[str]:
    """Rows of an hour in pictures that lie some seconds apart."""
    whole = round(3600 / _APART_S)
    taught_h, tested_h = TESTED, 1 - TESTED

    def made(part: str, pictures: Callable[[], Iterator[tuple[float, Image]]]) -> Watched:
        return kept(folder / f"{name}, {part}.npz", lambda: of_pictures(name, pictures(), 0.1, detectors))

    if name == "street hour":
        scene = made("whole", lambda: street(7, 3600.0, 1 / _APART_S))
        taught, tests = scene, {"": scene.part(round(TESTED * whole), whole)}
    else:
        clip = name.removesuffix(" hour")
        taught = made("taught", lambda: looped(clip, taught_h, 1 / _APART_S, (0.0, 0.6), 0))
        tests = {
            ", moments seen before in other light": made(
                "again", lambda: looped(clip, tested_h, 1 / _APART_S, (0.0, 0.6), 1)
            ),
            ", moments never seen": made("other", lambda: looped(clip, tested_h, 1 / _APART_S, (0.6, 1.0), 2)),
        }
    stages = learn(taught, whole, begin)
    for what, scene in tests.items():
        yield row(name + what, scene, stages)
