"""The unit for systemd: systemd understands it, and what it starts is reached by its name and ends well."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from tests import clips
from tests.samples.conftest import SAMPLES
from tests.waiting import until

UNIT = SAMPLES / "service" / "vidpipe@.service"
PIPELINE = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
"""


def test_systemd_understands_it(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "vidpipe@yard.service"
    text = UNIT.read_text().replace("/opt/vidpipe/bin/vidpipe", sys.executable).replace("User=vidpipe", "User=root")
    unit.write_text(text)
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert "vidpipe@" not in verified.stderr, verified.stderr


def test_what_it_starts_is_reached_and_ends_well(shell, tmp_path):
    clip = clips.encode(tmp_path / "slow.mp4", frames=800, fps=8)
    shell.write("yard.yaml", f"streams: {{yard: {{url: 'live+file:{clip}'}}}}\n")
    pipeline = shell.write("pipeline.yaml", PIPELINE)
    (line,) = [line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart=")]
    places = {"${PIPELINE}": str(pipeline), "/etc/vidpipe/": f"{tmp_path}/", "/var/lib/vidpipe/": f"{tmp_path}/"}
    for there, here in {**places, "%i": "yard", "9100": "0"}.items():
        line = line.replace(there, here)
    program, *arguments = shlex.split(line.removeprefix("ExecStart="))
    assert program.endswith("/vidpipe")
    command = shell.start(*arguments, "--engine", "inline")
    until(lambda: "yard: running" in shell.vidpipe("status", "yard").out, 40)
    command.send(signal.SIGTERM, to_group=False)
    ended = command.end(20)
    assert (ended.status, "Traceback" in ended.err) == (0, False)
    assert (tmp_path / "yard.db").exists()
