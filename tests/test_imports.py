"""What is not needed is not loaded: on small machines the heavy libraries cost seconds and hundreds of megabytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("cv2", "openvino", "ray", "supervision", "torch")

SOUND = """
name: pair
classes: {person: person}
models: {little: {path: yolo11n}, big: {path: yolo11m}}
stages:
  - {id: difference, type: difference, on: device}
  - {id: little, type: detect, on: edge, model: little, accept: 0.5}
  - {id: big, type: detect, on: cloud, model: big}
"""

CASES = [
    ("import vidpipe", 0.3),
    ("import vidpipe.cli.main as cli; sys.argv[1:] = ['check', 'sound.yaml']; cli.main()", 1.5),
]


@pytest.mark.long
@pytest.mark.parametrize(("code", "most_s"), CASES)
def test_start_is_quick(tmp_path: Path, code: str, most_s: float) -> None:
    """In CPU time, the best of three, for others may share the machine."""
    (tmp_path / "sound.yaml").write_text(SOUND)
    command = [sys.executable, "-c", f"import sys; {code}"]
    times = []
    for _ in range(3):
        before = _of_children_s()
        subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
        times.append(_of_children_s() - before)
    assert min(times) < most_s


def _of_children_s() -> float:
    """CPU time of the processes that this one has started and that have ended."""
    used = os.times()
    return used.children_user + used.children_system


@pytest.mark.parametrize(
    "code",
    [
        *(code for code, _ in CASES),
        "import vidpipe.cli.commands.specialize",  # to go back to an earlier profile trains nothing
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r}); import benchmarks.promises",
    ],
)
def test_nothing_heavy_is_loaded(tmp_path: Path, code: str) -> None:
    (tmp_path / "sound.yaml").write_text(SOUND)
    report = (
        f"import atexit, sys; atexit.register(lambda: print(sorted(set(sys.modules) & set({HEAVY})), file=sys.stderr))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"{report}; {code}"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert ran.stderr == "[]\n"
