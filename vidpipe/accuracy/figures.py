"""Scores, as figures that are written and read back. None is undefined: there was nothing to count."""

from __future__ import annotations

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
