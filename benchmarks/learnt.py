"""What a learnt stream saves, and what it loses: fitted on one part of a recording, scored on the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.footage import model
from benchmarks.measure import bare_decoding
from vidpipe.accuracy.reference.reference import reference
from vidpipe.accuracy.scores.presence import presence
from vidpipe.accuracy.series import Series
from vidpipe.bench.results import read_answers
from vidpipe.core.progress import Silent
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.testing.scene import SceneSpec, write
from vidpipe.tuning.optimiser import Budget
from vidpipe.tuning.profile import apply
from vidpipe.tuning.specialize import SpecializeOptions, specialize

STREAM = "learnt"
BIG = "person-vehicle-bike-detection-2003.xml"
THRESHOLD = 0.4  # under it 2003 sees a person of the picture's size in the noise of the generated night
BUDGET = 0.01
BASE_S = 60.0  # of the scored part, on which the big model alone is timed


class Saved(NamedTuple):
    """On the scored part, against the big model at every frame.

    Attributes:
        times: how many times less CPU, decoding included.
        f1: of presence.
        missed: share of frames with something that were answered without.
        decoding: share of what is left that decodes.
        learning_cpu_s: labels and training.
    """

    times: float
    f1: float
    missed: float
    decoding: float
    learning_cpu_s: float


def rare_events(path: Path, seed: int, seconds: float) -> Path:
    """A street with something in three of a hundred frames, drifting light, noise, and a night in the second half."""
    if not path.is_file():
        scene = SceneSpec(
            width=480,
            height=360,
            fps=5,
            duration_s=seconds,
            seed=seed,
            quiet_share=0.95,
            busy_s=9,
            arrivals_per_minute=9,
            bus_every_s=12,
            night=(0.55, 0.8),
        )
        write(scene, path, crf=26)
    return path


def saved(clip: Path, folder: Path, fit: float = 0.5, threshold: float = THRESHOLD) -> Saved:
    """Specialize on the first part of a recording, and run on the rest.

    Args:
        folder: for the profile and the results.
        fit: share of the clip to fit on.
    """
    sets = [f"models.big.path={model(BIG)}", f"models.big.threshold={threshold}"]
    pipeline = load("every-frame", sources={STREAM: str(clip)}, sets=sets)
    truth = _reference(pipeline)
    border = float(truth.pts[round(truth.frames * fit)]) - 0.5 * float(np.median(np.diff(truth.pts)))
    options = SpecializeOptions(Budget(BUDGET, BUDGET), folder, for_s=border)
    learnt = specialize(pipeline, STREAM, options, Silent())
    rest = _from(pipeline, border)
    results = folder / "results.jsonl"
    filtered = _run(apply(rest, folder, look=True).pipeline, results)
    alone = _run(_from(pipeline, border, border + BASE_S), None)
    frames = filtered["streams"][STREAM]["frames_in"]
    scored = truth.part(truth.frames - frames, truth.frames)
    found = read_answers(results, STREAM, truth.classes, truth.width, truth.height).series
    there, seen = (np.isin(np.arange(frames), series.boxes.frame) for series in (scored, found))
    cost = filtered["cpu_s"] / frames
    _, decode_s, decoded = bare_decoding(clip)
    return Saved(
        alone["cpu_s"] / alone["streams"][STREAM]["frames_in"] / cost,
        presence(found, scored, {})[0].f1 or 0.0,
        float((there & ~seen).sum() / max(1, there.sum())),
        decode_s / decoded / cost,
        learnt.labels_cpu_s + learnt.training_cpu_s,
    )


def rows(folder: Path, seeds: int = 3, seconds: float = 7200) -> Iterator[tuple[int, Saved]]:
    """One for each seed."""
    for seed in range(seeds):
        clip = rare_events(folder / f"rare-{seed}.mp4", seed, seconds)
        profiles = folder / f"profiles-{seed}"
        profiles.mkdir(exist_ok=True)
        yield seed, saved(clip, profiles)


def _reference(pipeline: Pipeline) -> Series:
    spec, paths = pipeline.streams[STREAM].spec, [Path(path) for path in pipeline.search_paths]
    predictions = reference(
        spec, STREAM, pipeline.models["big"], pipeline.classes, search_paths=paths, progress=lambda count: None
    )
    return predictions.sure()


def _from(pipeline: Pipeline, start_s: float, end_s: float | None = None) -> Pipeline:
    stream = pipeline.streams[STREAM]
    part = stream.spec.model_copy(update={"start_s": start_s, "end_s": end_s})
    return replace(pipeline, streams={STREAM: replace(stream, spec=part)})


def _run(pipeline: Pipeline, results: Path | None) -> dict[str, Any]:
    outcome = run(pipeline, engine="inline", sinks=[ResultsFile(results)] if results else [])
    assert outcome.exit_status == 0, outcome.errors
    return outcome.report
