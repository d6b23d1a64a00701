"""The models of a pipeline by themselves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from vidpipe.bench.cost.measure import pss_mb
from vidpipe.core.names import references
from vidpipe.models.detectors.detector import LoadedDetector
from vidpipe.models.load import load_detector
from vidpipe.models.meter import Meter
from vidpipe.pipeline.spec import Pipeline
from vidpipe.tuning.planner.costs import (
    LookCost,
)

_PICTURE = (720, 1280)  # height and width of what models look at
_LOOKS = 12  # that are timed, on each number of threads


@dataclass(frozen=True, slots=True)
class ModelsJob:
    """Loads each detector of a pipeline by itself: memory, and looks on each number of threads."""

    pipeline: Pipeline
    threads: int

    @property
    def search_paths(self) -> tuple[str, ...]:
        return self.pipeline.search_paths

    def run(self, results: Path) -> dict[str, Any]:
        """See `Job.run`."""
        import openvino  # noqa: F401 - part of every process, not of the first model

        paths = [Path(path) for path in self.pipeline.search_paths]
        used = sorted({name for stage in self.pipeline.stages for _, name in references(stage.config, "detector")})

        def loaded(name: str, threads: int | None) -> LoadedDetector:
            model = load_detector(
                self.pipeline.models[name], self.pipeline.classes, search_paths=paths, threads=threads
            )
            model.detect([picture])
            return model

        me = psutil.Process()
        picture = np.full((*_PICTURE, 3), 128, np.uint8)
        for name in used[:1]:
            loaded(name, 1)  # and let go: what a runtime takes is part of every process, not of the first model
        process_mb, kept = pss_mb(me), []
        found: dict[str, Any] = {}
        for name in used:
            spec, looks, before = self.pipeline.models[name], {}, pss_mb(me)
            kept.append(loaded(name, self.threads))
            memory_mb = max(0.0, pss_mb(me) - before)
            every = [spec.threads] if spec.threads else sorted({1, self.threads, os.cpu_count() or 1})
            for threads in every:
                model = loaded(name, threads)
                meters = [Meter() for _ in range(_LOOKS)]
                for meter in meters:
                    with meter.measure(1):
                        model.detect([picture])
                # The least: what is more is what others took of the machine meanwhile.
                cpu_ns, wall_ns = (min(getattr(each, of) for each in meters) for of in ("cpu_ns", "wall_ns"))
                looks[threads] = LookCost(cpu_ms=cpu_ns / 1e6, wall_ms=wall_ns / 1e6).model_dump()
            found[name] = {"memory_mb": memory_mb, "looks": looks}
        return {"models": found, "process_mb": process_mb}
