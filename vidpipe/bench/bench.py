"""The bench: all candidates on the same clip, measured in turns, each scored against the same reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from vidpipe.accuracy.figures import Accuracy, Coverage
from vidpipe.accuracy.reference.model import ReferenceModel, check_classes, choose_reference
from vidpipe.accuracy.scores.accuracy import accuracy, streaming_score
from vidpipe.accuracy.scores.coverage import coverage
from vidpipe.accuracy.scores.precision import ap50
from vidpipe.accuracy.scores.staleness import staleness
from vidpipe.accuracy.series import Answers, Series
from vidpipe.bench import candidates
from vidpipe.bench.candidates import Candidate, Field
from vidpipe.bench.clip import Clip, look_up, outline, split
from vidpipe.bench.cost.machine import machine
from vidpipe.bench.cost.measure import Measured, costs, measure
from vidpipe.bench.figures import Bench, CandidateResult, ClipFigures, Engine, Kind, Part, ReferenceFigures
from vidpipe.bench.fit import Fit, fit
from vidpipe.bench.labels.read import read_labels
from vidpipe.bench.profile import ClipProfile, clip_profile
from vidpipe.bench.report.evidence import Evidence
from vidpipe.bench.report.verdict import promise_kept
from vidpipe.bench.results import read_answers, write_series
from vidpipe.bench.validity import validity_warnings
from vidpipe.core.errors import RunError
from vidpipe.core.files import make_folder
from vidpipe.core.progress import Progress
from vidpipe.pipeline.models import models_of
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.results.ledger import AuditCount
from vidpipe.sources.base import Want


@dataclass(frozen=True, slots=True)
class Options:
    """What a bench is to do.

    Attributes:
        folder: where results go, a folder for each clip.
        reference: a model of the pipeline or a file; None: the last stage's model.
        labels: files that people made, by stream.
        label_class: of the boxes in files that name none.
        fit: share of each clip that is fitted on, not scored.
        fit_on: another clip to fit on, by its name; all of each clip of the pipeline is scored then.
        floor, want: what `tuned` and `static at the floor` shall hold; None: nobody does, and other baselines that
            aim at an accuracy aim at 0.9.
    """

    folder: Path
    command: str
    reference: str | None = None
    labels: Mapping[str, Path] = field(default_factory=dict)
    label_class: str | None = None
    fit: float = 0.4
    fit_on: tuple[str, Stream] | None = None
    baselines: frozenset[Kind] = frozenset(candidates.BASELINES)
    repeats: int = 3
    engine: Engine = "inline"
    floor: float | None = None
    want: Want = "boxes"


@dataclass(frozen=True, slots=True)
class Result:
    """What a bench found: its figures, what its pictures are drawn from, and what planning reads."""

    figures: Bench
    evidence: dict[str, Evidence]
    profiles: list[ClipProfile]


def bench(pipeline: Pipeline, options: Options, progress: Progress) -> Result:
    """Measure a pipeline on each of its streams against the reference and the baselines.

    Raises:
        ConfigError: truth that does not fit, a clip too short to split, no reference, a class that it does not know.
        RunError: a candidate failed while it ran.
    """
    reference_model = choose_reference(pipeline, options.reference, models_of(pipeline)[1])
    check_classes(reference_model, pipeline)
    outlines = {name: _outline(name, pipeline, options, progress) for name in pipeline.streams}
    elsewhere = _fit_elsewhere(pipeline, reference_model, options, progress)
    figures: list[ClipFigures] = []
    evidence: dict[str, Evidence] = {}
    profiles = {elsewhere.clip.name: clip_profile(elsewhere)} if elsewhere is not None else {}
    for name, frames in outlines.items():
        labels = options.labels.get(name)
        clip = look_up(name, pipeline, reference_model, frames, progress, labels, options.label_class)
        fitted_part, scored = split(name, clip.truth, 0.0 if elsewhere else options.fit)
        folder = _folder(options, name)
        fitted = elsewhere
        if fitted_part is not None:
            fitted = fit(clip, fitted_part, options.engine, folder, progress, options.floor, options.want)
            profiles[name] = clip_profile(fitted)
        of_clip = _ClipBench(clip, scored, fitted, options, folder, progress)
        figures.append(of_clip.figures())
        evidence[name] = of_clip.evidence()
    made = Bench(
        pipeline=pipeline.name,
        command=options.command,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=options.engine,
        repeats=options.repeats,
        machine=machine(),
        clips=figures,
    )
    return Result(made, evidence, list(profiles.values()))


def _outline(name: str, pipeline: Pipeline, options: Options, progress: Progress) -> int:
    """How many frames a clip has, once it is known that it can be split and that its labels fit."""
    progress.step(f"{name}: counting frames")
    frames = outline(name, pipeline.streams[name].spec, pipeline.classes.names)
    split(name, frames, 0.0 if options.fit_on else options.fit)
    if name in options.labels and pipeline.classes.names:
        read_labels(options.labels[name], pipeline.classes, frames, options.label_class)
    return frames.frames


def _fit_elsewhere(
    pipeline: Pipeline, reference_model: ReferenceModel, options: Options, progress: Progress
) -> Fit | None:
    if options.fit_on is None:
        return None
    name, stream = options.fit_on
    frames = outline(name, stream.spec, pipeline.classes.names).frames
    clip = look_up(name, replace(pipeline, streams={name: stream}), reference_model, frames, progress)
    _, whole = split(name, clip.truth, 0.0)
    return fit(clip, whole, options.engine, _folder(options, name), progress, options.floor, options.want)


def _folder(options: Options, stream: str) -> Path:
    """Where the answers to a stream go."""
    return make_folder(options.folder / candidates.file_name(stream))


class _ClipBench:
    """Everything that is measured on the scored part of one clip."""

    def __init__(
        self, clip: Clip, scored: Part, fitted: Fit | None, options: Options, folder: Path, progress: Progress
    ) -> None:
        self._clip = clip
        self._scored = scored
        self._fitted = fitted
        self._repeats = options.repeats
        self._promised = None if options.floor is None else (options.floor, options.want)
        self._folder = folder
        self._progress = progress
        self._truth = clip.truth.part(scored.start, scored.stop)
        self._labels = clip.labels.series.part(scored.start, scored.stop) if clip.labels else None
        floor = candidates.FLOOR if options.floor is None else options.floor
        self._field = Field(clip.cut(scored), clip.truth.fps, options.engine, fitted, options.baselines, floor)
        self._runs: dict[Candidate, list[Measured]] = {}
        self._answers: dict[str, Answers] = {}
        self._notes = list(clip.labels.notes) if clip.labels else []

    def figures(self) -> ClipFigures:
        """Run everybody, and score what they said."""
        self._run()
        write_series(self._truth, self._folder / "reference.jsonl", self._clip.name, "reference")
        results = [self._result(candidate, runs) for candidate, runs in self._runs.items()]
        if self._promised is not None:
            self._notes += [promise_kept(each, *self._promised) for each in results if each.kind == "tuned"]
        reference = self._reference()
        clip, fitted = self._clip, self._fitted
        here = fitted is not None and fitted.clip.name == clip.name
        return ClipFigures(
            clip=clip.name,
            width=clip.truth.width,
            height=clip.truth.height,
            frames=clip.truth.frames,
            fps=round(clip.truth.fps, 3),
            fitted=fitted.part if fitted is not None and here else None,
            fitted_on=[fitted.clip.name] if fitted is not None and not here else [],
            scored=self._scored,
            reference=reference,
            candidates=results,
            grid=fitted.grid if fitted else [],
            coverage=self._coverage(),
            notes=self._notes,
            warnings=list(validity_warnings(clip, self._truth, self._answers, self._reports(), results, reference)),
        )

    def evidence(self) -> Evidence:
        """What the pictures of the report are drawn from."""
        pipeline = self._field.pipeline
        return Evidence(
            stream=pipeline.streams[self._clip.name].spec,
            truth=self._truth,
            published=self._answers[pipeline.name],
            stages=tuple(stage.id for stage in pipeline.stages),
        )

    def _run(self) -> None:
        """Everybody once; then those whose rate depends on what that cost; then all again, in turns."""
        self._measure_new(candidates.first(self._field))
        self._measure_new(candidates.at_equal_cost(self._field, self._reports(), self._truth.video_s))
        for repeat in range(2, self._repeats + 1):
            for candidate, runs in self._runs.items():
                runs.append(self._measure(candidate, repeat))

    def _measure_new(self, made: Iterable[Candidate | str]) -> None:
        for candidate in made:
            if isinstance(candidate, str):
                self._notes.append(candidate)
            else:
                self._runs[candidate] = [self._measure(candidate, 1)]
                self._answers[candidate.name] = self._read(candidate)

    def _measure(self, candidate: Candidate, repeat: int) -> Measured:
        of = f", {repeat} of {self._repeats}" if self._repeats > 1 else ""
        self._progress.step(f"{self._clip.name}: {candidate.name}{of}")
        return measure(candidate.job, self._folder / candidate.file)

    def _read(self, candidate: Candidate) -> Answers:
        truth = self._truth
        file = self._folder / candidate.file
        answers = read_answers(file, self._clip.name, truth.classes, truth.width, truth.height)
        if answers.series.frames != truth.frames or np.abs(answers.series.pts - truth.pts).max() > 1e-3:
            raise RunError(
                f"{candidate.name} answered {answers.series.frames} frames of {self._clip.name}, "
                f"the reference {truth.frames}, or at other times: they cannot be compared"
            )
        return answers

    def _reports(self) -> dict[str, dict[str, Any]]:
        """Of everybody's first run."""
        return {candidate.name: runs[0].report for candidate, runs in self._runs.items()}

    def _result(self, candidate: Candidate, runs: Sequence[Measured]) -> CandidateResult:
        answers = self._answers[candidate.name]
        agreement = accuracy(answers.series, self._truth, self._clip.spec.zones)
        if self._clip.spec.live:
            agreement = agreement.model_copy(update={"streaming": streaming_score(answers, self._truth)})
        return CandidateResult(
            name=candidate.name,
            kind=candidate.kind,
            what=candidate.what,
            cost=costs(runs, self._truth.video_s),
            agreement=agreement,
            labels=self._against_labels(answers.series),
            staleness=staleness(answers),
            how=dict(Counter(answers.how.tolist())),
            by=dict(Counter(answers.by.tolist())),
            notes=list(candidate.notes),
        )

    def _against_labels(self, found: Series) -> Accuracy | None:
        drawn = self._clip.labels
        if drawn is None or self._labels is None:
            return None
        return accuracy(drawn.comparable(found), self._labels, self._clip.spec.zones, labels=True)

    def _reference(self) -> ReferenceFigures:
        model, predictions = self._clip.reference_model, self._clip.predictions
        scored = self._against_labels(self._truth)
        if scored is not None and self._labels is not None:
            unsure = predictions.series.part(self._scored.start, self._scored.stop)
            scored = scored.model_copy(update={"ap50": ap50(unsure, self._labels)})
        height, width = predictions.size
        return ReferenceFigures(
            what=f"{model.name} at {width}x{height}" + (", sliced" if model.spec.slicing else ""),
            looked=predictions.looked,
            cached=self._clip.truth.frames - predictions.looked,
            labels=scored,
        )

    def _coverage(self) -> list[Coverage]:
        """Audits of the pipeline, held against the last stage's answers to every frame."""
        last = next((candidate.name for candidate in self._runs if candidate.kind == "big"), None)
        if last is None:
            return []
        pipeline = self._field.pipeline
        never = {stage.id: AuditCount().report() for stage in pipeline.stages[:-1]}
        audits = self._reports()[pipeline.name]["streams"][self._clip.name]["audits"]
        return coverage(self._answers[pipeline.name], self._answers[last], never | audits)
