"""What figures were measured on: the machine, and the energy that it took where Linux lets that be read (RAPL)."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

import psutil

from vidpipe.bench.figures import Machine
from vidpipe.core.versions import versions

POWERCAP = Path("/sys/class/powercap")
_CPUINFO = Path("/proc/cpuinfo")
_LIBRARIES = ("vidpipe", "av", "numpy", "opencv-python", "openvino", "onnxruntime", "torch", "ultralytics", "ray")


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
    with suppress(OSError):
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


class EnergyMeter:
    """Joules since it was made, all processor packages together.

    A counter starts anew at its range, within the hour at full load: call `joules` more often than that.

    Args:
        root: folder of the counters.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        # Parts of a package (cores, memory) and the whole board, which holds the packages, have counters too.
        zones = sorted(root.glob("intel-rapl:*"))
        self._packages = [zone for zone in zones if _text(zone / "name").startswith("package")]
        self._readable = bool(self._packages)
        self._last: dict[Path, int] = {}
        self._uj = 0
        self.joules()

    def joules(self) -> float | None:
        """None where there is no counter, or it may not be read."""
        try:
            for package in self._packages:
                now = int(_text(package / "energy_uj"))
                since = now - self._last.get(package, now)
                self._uj += since if since >= 0 else since + int(_text(package / "max_energy_range_uj"))
                self._last[package] = now
        except ValueError:
            self._readable = False
        return self._uj / 1e6 if self._readable else None


def _text(file: Path) -> str:
    """What stands in a file; nothing where it cannot be read."""
    try:
        return file.read_text()
    except OSError:
        return ""
