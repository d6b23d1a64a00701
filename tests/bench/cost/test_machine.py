"""The machine is named without loading what it is asked about."""

import platform
import subprocess
import sys

import numpy as np
import pytest

from vidpipe.bench.cost.machine import machine, processor
from vidpipe.core.versions import versions


@pytest.mark.parametrize(
    ("cpuinfo", "named"),
    [
        (
            "processor\t: 0\nmodel name\t: Xeon(R) @ 2.2GHz: v3\nprocessor\t: 1\nmodel name\t: other\n",
            "Xeon(R) @ 2.2GHz: v3",
        ),
        ("processor\t: 0\nBogoMIPS\t: 50.00\n", platform.processor() or platform.machine()),
        (None, platform.processor() or platform.machine()),
    ],
)
def test_the_processor(tmp_path, cpuinfo, named):
    file = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        file.write_text(cpuinfo)
    assert processor(file) == named


def test_versions_are_those_that_are_installed():
    assert versions(["numpy", "no-such-distribution"]) == {"numpy": np.__version__}


def test_this_machine():
    found = machine()
    assert found.processor
    assert found.cores >= 1
    assert found.memory_gb > 0.1
    assert found.python == platform.python_version()
    assert {"vidpipe", "av", "openvino", "ray"} <= found.versions.keys()


def test_nothing_heavy_is_imported():
    program = (
        "import sys; from vidpipe.bench.cost.machine import machine; machine(); "
        "print([name for name in ('torch', 'ray', 'openvino', 'onnxruntime', 'ultralytics') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
