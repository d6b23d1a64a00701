"""vidpipe looks for nobody whom the user did not name, and leaves nothing in the user's home but its own cache.

Commands run with an empty home, where the system lets us in a network of their own in which nobody else is, and with a
`sitecustomize` that notes whom each process, actors and trainings included, tries to reach.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import clips
from tests.cli.conftest import PAIR, RAY
from tests.models.networks import constant_network, frozen_graph, random_yolo, ssd_table

ROOT = Path(__file__).parents[2]

NOTES = """
import ipaddress
import os
import socket
import sys


def ours(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in (None, "", "localhost", socket.gethostname(), b"localhost")


def note(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
        foreign = not ours(host) and not str(host).replace(".", "").isdigit()
    elif event in ("socket.connect", "socket.sendto"):
        made, address = arguments
        # A datagram socket that is connected sends nothing: Ray asks the kernel so which address is its own.
        sends = event == "socket.sendto" or made.type & socket.SOCK_STREAM
        foreign = sends and isinstance(address, tuple) and not ours(address[0]) and address[0] not in OWN
    else:
        return
    if foreign:
        with open(os.environ["LOOKED_FOR"], "a") as file:
            file.write(f"{event} {arguments[-1] if event != 'socket.getaddrinfo' else arguments[0]} {sys.argv}\\n")


try:
    OWN = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None)}
except OSError:
    OWN = set()
sys.addaudithook(note)
"""

CONVERSIONS = """
import sys
from pathlib import Path

import numpy as np

from vidpipe.stages.gate.network import SIZES, GateNet, to_openvino
from vidpipe.models.stores import pypi, ultralytics

model, sha256 = sys.argv[1:]
print(pypi.fetch(pypi.parse(model), sha256))  # as `vidpipe demo` has its model
xml, _ = to_openvino(GateNet(SIZES[0], np.zeros((30, 40), np.float32)), (90, 120))  # as a training ends
print(len(xml))
print(ultralytics.exported(Path("mine.pt"), (64, 64)))
"""


class Home:
    """A user's home, and what is run in it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.work, self._notes = folder / "home", folder / "work", folder / "notes"
        for made in (self.home, self.work, self._notes):
            made.mkdir()
        (self._notes / "sitecustomize.py").write_text(NOTES)
        self._alone = _alone()

    def run(self, *command: object, **environment: str) -> str:
        """Run Python with these arguments in a folder of its own; gives what it prints."""
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("VIDPIPE_", "XDG_", "ORT_"))
        }
        inherited.pop("CI", None)  # where it is set, libraries are more discreet than at a user's
        done = subprocess.run(
            [*self._alone, sys.executable, *map(str, command)],
            cwd=self.work,
            env=inherited
            | {"HOME": str(self.home), "LOOKED_FOR": str(self._notes / "looked-for")}
            # Without what this machine has besides: pip asks a Rust that it finds for its version, and that one writes.
            | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])}
            | {"PYTHONPATH": os.pathsep.join([str(self._notes), str(ROOT)])}
            | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def looked_for(self) -> str:
        file = self._notes / "looked-for"
        return file.read_text() if file.exists() else ""

    @property
    def left(self) -> set[str]:
        """What lies in the home now, but for vidpipe's cache."""
        files = {str(file.relative_to(self.home)) for file in self.home.rglob("*") if not file.is_dir()}
        return {file for file in files if not file.startswith(".cache/vidpipe/")}


def _alone() -> list[str]:
    """What puts a command into a network in which nobody else is; nothing where that is not allowed."""
    command = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "-"]
    if not (shutil.which("unshare") and shutil.which("ip")):
        return []
    return command if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0 else []


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_the_notes_tell_of_who_is_looked_for(home):
    looks = "import socket\ntry: socket.create_connection(('vidpipe.invalid', 80), 1)\nexcept OSError: pass"
    home.run("-c", looks)
    assert "vidpipe.invalid" in home.looked_for


def test_onnx_runtime(home):
    constant_network(home.work / "net.onnx", {"out": ssd_table([(20, 20, 30, 30, 0, 0.9)])})
    looks = "from vidpipe.models.runtimes.onnxruntime import OnnxNetwork; import pathlib"
    home.run("-c", f"{looks}; OnnxNetwork(pathlib.Path('net.onnx'), None, 1)")
    assert home.looked_for == ""
    assert home.left == set()


@pytest.mark.long
def test_conversions(home, monkeypatch, tmp_path):
    wheel = home.work / "street_net-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(frozen_graph(tmp_path / "net.pb"), "street_net/net.pb")
        archive.writestr("street_net-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: street-net\nVersion: 1.0\n")
        archive.writestr(
            "street_net-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("street_net-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("VIDPIPE_CACHE", str(tmp_path / "cache"))
    random_yolo(home.work / "mine.pt")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(home.work), "PIP_NO_CACHE_DIR": "1"}
    said = home.run("-c", CONVERSIONS, "pypi:street-net==1.0/street_net/net.pb", sha256, **pip)
    assert len(said.splitlines()) == 3
    assert home.looked_for == ""
    assert home.left == set()


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", RAY])
def test_a_run(home, engine):
    for name in ("little", "big"):
        constant_network(home.work / f"{name}.onnx", {"out": ssd_table([(20, 20, 30, 30, 0, 0.9)])})
    (home.work / "pair.yaml").write_text(PAIR)
    clips.encode(home.work / "good.mp4")
    home.run(
        "-m", "vidpipe.cli.main", "run", "pair.yaml", "--source", "good.mp4", "--engine", engine, "--video", "v.mp4"
    )
    assert home.looked_for == ""
    assert home.left == set()
