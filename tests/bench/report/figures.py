"""Builders of figures, as a bench might have found them; every part can be replaced."""

from __future__ import annotations

from typing import Any

from vidpipe.accuracy.figures import Accuracy, BoxScore, Coverage, PresenceScore, Staleness, TrackScore
from vidpipe.bench.figures import (
    Bench,
    CandidateResult,
    Choice,
    ClipFigures,
    Cost,
    Kind,
    Machine,
    Part,
    ReferenceFigures,
    Spread,
    Traffic,
    Work,
)

NOTHING = BoxScore(f1=None, precision=None, recall=None, tp=0, fp=0, fn=0)
NO_PRESENCE = PresenceScore(f1=None, found=0, false=0, missed=0, begin_delay_s=None, end_delay_s=None)
UNDEFINED = Accuracy(boxes=NOTHING, by_class={}, moving=NOTHING, presence_all=NO_PRESENCE, presence={})


def around(median: float, part: float = 0.02) -> Spread:
    return Spread(median=median, low=median * (1 - part), high=median * (1 + part))


def boxes(f1: float, half: float = 0.02) -> BoxScore:
    return BoxScore(f1=f1, precision=f1, recall=f1, tp=900, fp=50, fn=50, low=max(0, f1 - half), high=min(1, f1 + half))


def presence(f1: float = 0.95) -> PresenceScore:
    return PresenceScore(f1=f1, found=19, false=1, missed=1, begin_delay_s=0.1, end_delay_s=0.3)


def accuracy(f1: float, *, labels: bool = False) -> Accuracy:
    return Accuracy(
        boxes=boxes(f1),
        by_class={"person": boxes(f1)},
        moving=boxes(f1 - 0.01),
        presence_all=presence(),
        presence={"person": presence(), "person in gate": presence(0.8)},
        ap50={"person": f1 - 0.05, "vehicle": None} if labels else None,
        tracks=TrackScore(mota=f1 - 0.1, idf1=f1 - 0.2, hota=f1 - 0.3, switches=7) if labels else None,
    )


def cost(cpu: float | Spread, **parts: Any) -> Cost:
    return Cost(
        **{
            "cpu": around(cpu) if isinstance(cpu, float) else cpu,
            "wall_s": around(20.0),
            "start_up_cpu_s": around(2.1),
            "peak_pss_mb": around(640.0),
            "energy_j": None,
            "stages": {},
            "models": {"big": Work(asked=400, answered=None, wall_ms=around(30.0), cpu_ms=around(60.0))},
            "links": {"device-cloud": Traffic(frames=400, bytes=265_000_000)},
            **parts,
        }
    )


def candidate(kind: Kind, name: str, cpu: float | Spread, f1: float | None, /, **parts: Any) -> CandidateResult:
    """One that scored this box F1; None: nothing is defined."""
    return CandidateResult(
        **{
            "name": name,
            "kind": kind,
            "what": f"what {name} is",
            "cost": cost(cpu),
            "agreement": UNDEFINED if f1 is None else accuracy(f1),
            "labels": None,
            "staleness": Staleness(mean_s=0.05, p95_s=0.3, max_s=1.2, fresh=0.6),
            "how": {"measured": 400},
            "by": {"big": 400},
            **parts,
        }
    )


STAGES = {
    "difference": Work(asked=477, answered=200, wall_ms=around(0.3), cpu_ms=around(0.31)),
    "little": Work(asked=277, answered=150, wall_ms=around(8.0), cpu_ms=around(11.0)),
    "big": Work(asked=127, answered=127, wall_ms=around(31.0), cpu_ms=around(58.0)),
}
ANSWERED = {"difference": 198, "little": 148, "big": 127, "source": 4}


def pipeline(cpu: float | Spread = 0.20, f1: float | None = 0.93, **parts: Any) -> CandidateResult:
    parts = {"cost": cost(cpu, stages=STAGES), "by": ANSWERED, "what": "difference > little > big", **parts}
    return candidate("pipeline", "pair", cpu, f1, **parts)


def big(cpu: float | Spread = 0.60, f1: float | None = 1.0, **parts: Any) -> CandidateResult:
    return candidate("big", "big every frame", cpu, f1, **parts)


def static(cpu: float | Spread = 0.40, f1: float | None = 0.94, **parts: Any) -> CandidateResult:
    return candidate("static", "static", cpu, f1, **{"what": "big 864x480, every 2nd frame, held", **parts})


GRID = [
    Choice(model=model, size=size, stride=stride, cpu=cost / stride + 0.01, f1=f1 - 0.02 * (stride - 1), moving_f1=None)
    for model, size, cost, f1 in (
        ("little", (256, 256), 0.11, 0.86),
        ("big", (480, 864), 0.58, 0.99),
        ("big", (240, 432), 0.2, 0.92),
    )
    for stride in (1, 2, 3, 5, 8)
]

COVERAGE = Coverage(
    stage="difference", audited=12, rate=1 / 12, low=0.015, high=0.354, answered=198, missed=9, covered=True
)


def clip(*candidates: CandidateResult, **parts: Any) -> ClipFigures:
    """One whose last 60 % are scored, 47.7 s of 10 frames a second."""
    return ClipFigures(
        **{
            "clip": "street",
            "width": 160,
            "height": 120,
            "frames": 795,
            "fps": 10.0,
            "fitted": Part(start=0, stop=318, start_s=0.0, end_s=31.8),
            "scored": Part(start=318, stop=795, start_s=31.8, end_s=79.5),
            "reference": ReferenceFigures(what="big at 864x480", looked=477, cached=318, labels=None),
            "candidates": list(candidates) or [pipeline(), big(), static()],
            "grid": GRID,
            "coverage": [COVERAGE],
            "notes": [],
            "warnings": [],
            **parts,
        }
    )


def bench(*clips: ClipFigures, **parts: Any) -> Bench:
    return Bench(
        **{
            "pipeline": "pair",
            "command": "vidpipe bench pair.yaml --source street=street.mp4",
            "made_at": "2025-01-02T03:04:05+00:00",
            "engine": "inline",
            "repeats": 3,
            "machine": Machine(
                processor="A processor",
                cores=2,
                memory_gb=8.0,
                system="Linux 6.1",
                python="3.11.2",
                versions={"numpy": "2.1.0", "openvino": "2025.1"},
            ),
            "clips": list(clips) or [clip()],
            **parts,
        }
    )
