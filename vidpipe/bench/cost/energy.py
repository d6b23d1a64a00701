"""Energy that the processors took, where Linux and its rights let it be read (RAPL)."""

from __future__ import annotations

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Joules since it was made, all processor packages together.

    A counter starts anew at its range, within the hour at full load: call `joules` more often than that.

    Args:
        root: folder of the counters.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self._counters = [_Counter(zone) for zone in sorted(root.glob("intel-rapl:*")) if _is_package(zone)]
        self._readable = bool(self._counters)
        self._uj = 0
        self.joules()

    def joules(self) -> float | None:
        """None where there is no counter, or it may not be read."""
        try:
            self._uj += sum(counter.since() for counter in self._counters)
        except (OSError, ValueError):
            self._readable = False
        return self._uj / 1e6 if self._readable else None


class _Counter:
    """One package's."""

    def __init__(self, zone: Path) -> None:
        self._zone = zone
        self._last: int | None = None

    def since(self) -> int:
        """Microjoules since this was last asked; 0 at first."""
        now = _number(self._zone / "energy_uj")
        last, self._last = self._last, now
        if last is None:
            return 0
        if now < last:
            return now - last + _number(self._zone / "max_energy_range_uj")
        return now - last


def _is_package(zone: Path) -> bool:
    """Not a part of one (cores, memory), nor the whole board, which holds the packages too."""
    try:
        return (zone / "name").read_text().startswith("package")
    except OSError:
        return False


def _number(path: Path) -> int:
    return int(path.read_text())
