"""The figures of a bench, as `bench.json` holds them. None is undefined: there was nothing to count."""

from __future__ import annotations

from typing import Literal

from vidpipe.accuracy.figures import Accuracy, Coverage, Figures, Staleness


class Spread(Figures):
    """Of repeats: the median, the least, the most."""

    median: float
    low: float
    high: float


class Work(Figures):
    """What a model or stage did: for a stage `asked` are frames; times are milliseconds per frame asked."""

    asked: int
    answered: int | None  # of a model None
    wall_ms: Spread
    cpu_ms: Spread


class Traffic(Figures):
    """What crossed a link."""

    frames: int
    bytes: int


class Cost(Figures):
    """What it took, over repeats.

    Attributes:
        cpu: CPU seconds of all processes a second of video, decoding included, start-up not.
        wall_s: of the whole stretch, as fast as it goes.
        start_up_cpu_s: CPU seconds of all processes before the first frame.
        peak_pss_mb: most memory of all processes together, in proportional shares of what they share.
        energy_j: of the whole machine meanwhile; None where it does not say.
    """

    cpu: Spread
    wall_s: Spread
    start_up_cpu_s: Spread
    peak_pss_mb: Spread
    energy_j: Spread | None
    stages: dict[str, Work]
    models: dict[str, Work]
    links: dict[str, Traffic]


Engine = Literal["inline", "ray"]
Kind = Literal[
    "pipeline",
    "big",
    "little",
    "static",
    "tuned",
    "chameleon",
    "uniform",
    "motion",
    "ultralytics",
    "tracked",
    "without",
    "wait",
    "undelayed",
    "ray",
]


class CandidateResult(Figures):
    """One way to answer the clip, measured on the scored part.

    Attributes:
        name: as tables have it; unique within a clip.
        what: what it is, in a line.
        agreement: with the reference.  labels: with what people drew, where they did.
        how, by: frames by how and by whom they were answered.
        notes: what a reader must know of this row.
    """

    name: str
    kind: Kind
    what: str
    cost: Cost
    agreement: Accuracy
    labels: Accuracy | None
    staleness: Staleness
    how: dict[str, int]
    by: dict[str, int]
    notes: list[str] = []


class Choice(Figures):
    """A static configuration on the fitted part: its score there, and its cost from looks that were measured.

    Attributes:
        model: of the pipeline; `size` (height, width) of its input; looked at every `stride`-th frame, the result held.
        cpu: CPU seconds a second of video: decoding, and the share of looks.
        f1, moving_f1: against the reference.
    """

    model: str
    size: tuple[int, int]
    stride: int
    cpu: float
    f1: float | None
    moving_f1: float | None


class ReferenceFigures(Figures):
    """The reference, and what is known of its own worth.

    Attributes:
        what: model and settings, in a line.
        looked: pictures looked at in this run; the others came from the cache.
        labels: how it agrees with labels on the scored part.
    """

    what: str
    looked: int
    cached: int
    labels: Accuracy | None


class Part(Figures):
    """A stretch of a clip: frames `start` to `stop` - 1, and media seconds."""

    start: int
    stop: int
    start_s: float
    end_s: float


class ClipFigures(Figures):
    """All of one clip.

    Attributes:
        fitted: what static configurations were chosen on; None where another clip was fitted on.
        fitted_on: the clips that were fitted on, if others.
        grid: the static configurations that there were to choose from.
        notes: how labels were read, and which baselines there cannot be.
        warnings: what makes the figures of this clip doubtful.
    """

    clip: str
    width: int
    height: int
    frames: int
    fps: float
    fitted: Part | None
    fitted_on: list[str] = []
    scored: Part
    reference: ReferenceFigures
    candidates: list[CandidateResult]
    grid: list[Choice]
    coverage: list[Coverage]
    notes: list[str]
    warnings: list[str]


class Machine(Figures):
    """Where it was measured."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    versions: dict[str, str]


class Bench(Figures):
    """All of a bench; `bench.json`."""

    version: Literal[2] = 2
    pipeline: str
    command: str
    made_at: str
    engine: Engine
    repeats: int
    machine: Machine
    clips: list[ClipFigures]
