"""What figures were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import psutil

from vidpipe.bench.figures import Machine

_LIBRARIES = (
    "vidpipe",
    "av",
    "numpy",
    "opencv-python",
    "openvino",
    "onnxruntime",
    "torch",
    "ultralytics",
    "ray",
)
_CPUINFO = Path("/proc/cpuinfo")


def machine() -> Machine:
    """This machine, and the versions of what decodes and computes on it."""
    return Machine(
        processor=processor(_CPUINFO),
        cores=os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        system=platform.platform(),
        python=platform.python_version(),
        versions=versions(_LIBRARIES),
    )


def processor(cpuinfo: Path) -> str:
    """The processor's name as Linux has it; where it does not say (ARM, other systems), what Python knows."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Versions of those that are installed, without importing them."""
    found = {}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
