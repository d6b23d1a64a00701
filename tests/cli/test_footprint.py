"""What a run on Ray takes of a small machine, with a real network."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Command

DETECT = """
classes: {person: person, vehicle: vehicle, bike: bike}
models: {only: {path: MODEL, threshold: 0.4}}
stages:
  - {id: difference, type: difference, on: device, threshold: 0}
  - {id: find, type: detect, on: edge, model: only}
"""
MOST_PSS_BYTES = 1.5e9


def pss_bytes(process: int) -> int:
    """Memory of a process, what it shares with others counted in parts; 0 for one that has ended."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def maps(process: int, library: str) -> bool:
    try:
        return library in Path(f"/proc/{process}/maps").read_text()
    except OSError:
        return False


def look(command: Command) -> tuple[int, dict[str, int]]:
    """Memory of all processes of a run, and how many of them have loaded which library."""
    processes = command.processes()
    loaded = {name: sum(maps(process, name) for process in processes) for name in ("libtorch", "libopenvino.so")}
    return sum(map(pss_bytes, processes)), loaded


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.footage
def test_memory_and_libraries(shell, assets):
    """The network runs in one process; torch, which half of the libraries can work with, in none."""
    model = assets / "models" / "person-vehicle-bike-detection-2000.xml"
    pipeline, clip = DETECT.replace("MODEL", str(model)), assets / "videos" / "vtest.avi"
    command = shell.begin(pipeline, clip, engine="ray", fresh=True)
    command.wait_for_lines(200)
    used, loaded = look(command)
    assert command.process.poll() is None, "it was over before anybody looked"
    assert loaded == {"libtorch": 0, "libopenvino.so": 1}
    assert used < MOST_PSS_BYTES
    command.send(signal.SIGINT, to_group=True)
    assert command.end().status == 130
