"""Energy counters of a machine, as Linux lays them out in files."""

from pathlib import Path

import pytest

from vidpipe.bench.cost.machine import EnergyMeter


def zone(root: Path, name: str, called: str, uj: int | None, most: int = 1000) -> None:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(f"{called}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    if uj is not None:
        (folder / "energy_uj").write_text(f"{uj}\n")


@pytest.mark.parametrize(
    ("readings", "uj"),
    [
        ([[100], [400]], 300),
        ([[100], [400], [900]], 800),
        ([[900], [100]], 200),  # 100 to its range of 1000, and 100 from 0
        ([[900], [100], [50]], 1150),
        ([[100, 0], [400, 70]], 370),
        ([[100, 990], [400, 10]], 320),
    ],
)
def test_energy_of_all_packages(tmp_path, readings, uj):
    for reading in readings:
        for package, value in enumerate(reading):
            zone(tmp_path, f"intel-rapl:{package}", f"package-{package}", value)
            zone(tmp_path, f"intel-rapl:{package}:0", "core", 7 * value)  # part of it
        zone(tmp_path, "intel-rapl:9", "psys", 5 * reading[0])  # holds it
        if reading is readings[0]:
            meter = EnergyMeter(tmp_path)
        else:
            joules = meter.joules()
    assert joules == pytest.approx(uj / 1e6)


def test_energy_that_cannot_be_read(tmp_path):
    assert EnergyMeter(tmp_path / "nowhere").joules() is None
    zone(tmp_path, "intel-rapl:0", "package-0", None)
    (tmp_path / "intel-rapl:0" / "energy_uj").mkdir()
    assert EnergyMeter(tmp_path).joules() is None
