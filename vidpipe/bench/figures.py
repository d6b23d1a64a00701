"""The figures of a bench, as `bench.json` holds them. None is undefined: there was nothing to count."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Figures(BaseModel):
    """Base of all: frozen, and read back only as what was written."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BoxScore(Figures):
    """Boxes found, one-to-one at IoU 0.5; `low` and `high` bound a 95 % interval of `f1`, bootstrapped over time."""

    f1: float | None
    precision: float | None
    recall: float | None
    tp: int
    fp: int
    fn: int
    low: float | None = None
    high: float | None = None


class PresenceScore(Figures):
    """Runs of presence, one-to-one; delays are median seconds of begin and end behind the wanted ones."""

    f1: float | None
    found: int
    false: int
    missed: int
    begin_delay_s: float | None
    end_delay_s: float | None


class TrackScore(Figures):
    """Identities against labels with track ids; None where either side has none."""

    mota: float | None
    idf1: float | None
    hota: float | None
    switches: int | None


class Accuracy(Figures):
    """How answers agree with the reference, or with labels that people made.

    Attributes:
        boxes: of all classes, matched class by class and counted together.
        moving: the same without objects that stand still.
        presence: "person" anywhere in the picture, "person in gate" in a zone; `presence_all` counts them together.
        streaming: boxes against the newest answer at each moment; only of live runs.
        ap50: by class; only against labels. Of published boxes it is cut at the pipeline's thresholds.
    """

    boxes: BoxScore
    by_class: dict[str, BoxScore]
    moving: BoxScore
    presence_all: PresenceScore
    presence: dict[str, PresenceScore]
    streaming: BoxScore | None = None
    ap50: dict[str, float | None] | None = None
    tracks: TrackScore | None = None


class Staleness(Figures):
    """How old what was published is: media seconds from the frame that was looked at to the frame answered."""

    mean_s: float
    p95_s: float
    max_s: float
    fresh: float  # share of frames that were looked at themselves


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


class Coverage(Figures):
    """Whether the audits of a stage told the truth.

    Attributes:
        audited, rate, low, high: what the pipeline said of its own misses.
        answered, missed: frames that the stage answered and nobody audited, and those of them that lack a class that
            the last stage sees, looking at every frame.
        covered: whether the interval holds the true rate; None where nothing was audited.
    """

    stage: str
    audited: int
    rate: float
    low: float
    high: float
    answered: int
    missed: int
    covered: bool | None


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
