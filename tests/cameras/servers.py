"""Cameras for tests: clips encoded beforehand, and RTSP servers as processes that can be killed and paused."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av

from tests import clips

PYTHON = "/usr/bin/python3"
PACKAGES = "gir1.2-gst-rtsp-server-1.0 python3-gst-1.0 gstreamer1.0-plugins-good glib-networking"
_START = b"\0\0\0\1"
SCRIPT = Path(__file__).with_name("server.py")
_TRY = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@cache
def available() -> bool:
    """Whether GStreamer's RTSP server and its bindings are installed."""
    if not Path(PYTHON).exists():
        return False
    return subprocess.run([PYTHON, "-c", _TRY], capture_output=True, timeout=30).returncode == 0


def free_port() -> int:
    """One that no connection is given while its server is away: below those that the kernel hands out.

    Nor is it given to a server of another worker of pytest-xdist: each has a thousand of its own.
    """
    first = 20_000 + 1000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 12)
    while True:
        port = random.randrange(first, first + 1000)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def encode(
    path: Path,
    *,
    frames: int = 50,
    fps: int = 25,
    gop: int = 10,
    size: tuple[int, int] = (160, 120),
    picture: Callable[..., av.VideoFrame] = clips.picture,
    options: dict[str, str] | None = None,
    codec: str = "h264",
    b_frames: int = 0,
) -> dict[str, Any]:
    """Access units of a clip whose loop begins with a key frame, and how a server is told to play them."""
    context = av.CodecContext.create({"h264": "libx264", "h265": "libx265"}[codec], "w")
    context.width, context.height, context.pix_fmt = *size, "yuv420p"
    context.time_base, context.framerate = Fraction(1, fps), Fraction(fps)
    context.gop_size, context.max_b_frames, context.thread_count = gop, b_frames, 1
    quick = {"preset": "veryfast", "crf": "23"} | ({} if b_frames else {"tune": "zerolatency"})
    quick |= {"sc_threshold": "0"} if codec == "h264" else {"x265-params": "log-level=none:scenecut=0:bframes=0"}
    context.options = quick | (options or {})
    packets = []
    for number in range(frames):
        frame = picture(number, *size)
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    path.write_bytes(pickle.dumps([bytes(packet) for packet in packets]))
    order = [packet.pts for packet in packets]
    return {"units": str(path), "order": order, "codec": codec, "fps": fps, "width": size[0], "height": size[1]}


class Server:
    """One RTSP server; the same port again after `start` on a killed one.

    Args:
        mounts: by path, as `encode` gives them.
        settings: user, password, cert, transports: see the script.
    """

    def __init__(self, mounts: dict[str, dict[str, Any]], **settings: Any) -> None:
        self.mounts = mounts
        self.settings = settings
        self.port = settings.pop("port", None) or free_port()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Server:
        process = subprocess.Popen(
            [PYTHON, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"port": self.port, "mounts": self.mounts, **self.settings}) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"{self.port}\n", "the server did not start"
        self._process = process
        return self

    def url(self, path: str = "/a", *, user: str = "", scheme: str = "rtsp") -> str:
        return f"{scheme}://{user}{'@' if user else ''}127.0.0.1:{self.port}{path}"

    @property
    def runs(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.communicate()
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def units_of(spec: dict[str, Any]) -> list[bytes]:
    """The access units of a clip."""
    units: list[bytes] = pickle.loads(Path(spec["units"]).read_bytes())
    return units


def truncated(spec: dict[str, Any], path: Path, *, every: int) -> dict[str, Any]:
    """The clip with every so many access units cut off in the middle; key frames stay whole."""
    units = units_of(spec)
    longest = sorted(map(len, units))[len(units) // 2]
    cut = [
        unit[: len(unit) // 2] if number % every == every - 1 and len(unit) < 4 * longest else unit
        for number, unit in enumerate(units)
    ]
    path.write_bytes(pickle.dumps(cut))
    return spec | {"units": str(path)}


def stretched(spec: dict[str, Any], path: Path, to: int) -> dict[str, Any]:
    """The H.264 clip with every slice that can be brought to this length in bytes by CABAC's zero words, brought there.

    Decoders pass over them (ITU-T H.264, 7.4.2.10).
    """
    units = []
    for unit in units_of(spec):
        nals = [nal for nal in unit.replace(_START, _START[1:]).split(_START[1:]) if nal]
        units.append(b"".join(_START + _stretched(nal, to) for nal in nals))
    path.write_bytes(pickle.dumps(units))
    return spec | {"units": str(path)}


def _stretched(nal: bytes, to: int) -> bytes:
    words, rest = divmod(to - len(nal), 3)
    return nal + b"\0\0\3" * words if nal[0] & 31 == 1 and words > 0 and not rest else nal
