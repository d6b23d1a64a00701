"""How many cameras this machine holds: `python -m benchmarks cameras [WAY ...] [COUNT ...]`.

Each camera is a mount of a GStreamer RTSP server on this machine: 704x576, ten pictures a second, encoded beforehand,
a key frame every two to five seconds, in motion for 6 s of every minute, no two at the same time. The server's cost is
on the bill. Ways to answer them, all with the same little model:

- `cascade`: difference detector and model, on the inline engine; `cascade-ray`: the same on Ray;
- `gate`: every picture decoded, and looked at where a motion gate of the Frigate kind, five times a second, says so;
- `loop`: Ultralytics' own stream loader, and the model on every picture that it gives.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import av
import cv2
import numpy as np

from benchmarks.footage import clip, model
from tests.cameras import servers
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.ledger import StreamLedger
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.results.usage import tree_cpu_s
from vidpipe.runtime.driver.run import run

FPS, SIZE = 10, (704, 576)
MINUTE_S, MOVING_S = 60, 6
GROUPS = (20, 30, 40, 50)  # pictures from key frame to key frame
WARM_S, MEASURED_S = 25.0, 40.0
COUNTS = (20, 40, 60, 80, 100)
WAYS = ("cascade", "cascade-ray", "gate", "loop")
MODELS = f'models: {{little: {{path: "{model("person-vehicle-bike-detection-2000.xml")}"}}}}\n'
LITTLE = "{id: little, type: detect, model: little}"
SAMPLE = "{id: sample, type: sample, fps: 5}"
GATE = "{id: gate, type: vidpipe.bench.baselines.motion_gate:MotionGate}"
PIPELINES = {
    "cascade": f"{MODELS}stages: [{{id: difference, type: difference}}, {LITTLE}]\n",
    "gate": f"{MODELS}stages: [{SAMPLE}, {GATE}, {LITTLE}]\naudit: {{rate: 0, max_unchecked_s: null}}\n",
}


class Held(NamedTuple):
    """What came of one way with so many cameras, between the warm-up and the end.

    Attributes:
        sent: pictures that the cameras made in that time.
        answered: of these, given an answer.
        lost: dropped, or not looked at although a stage had asked for it, by reason.
        p50_ms, p95_ms: from capture to result.
        cores: busy on the average, those of server and driver included.
    """

    way: str
    cameras: int
    sent: int
    answered: int
    lost: dict[str, int]
    how: dict[str, int]
    p50_ms: float
    p95_ms: float
    cores: float
    server_cores: float

    @property
    def holds(self) -> bool:
        """Whether no picture was lost; at the edges of the time measured one of a camera may be missing."""
        return not self.lost and self.answered >= self.sent - 2 * self.cameras

    def __str__(self) -> str:
        lost = ", ".join(f"{count} {reason}" for reason, count in self.lost.items()) or "none"
        return (
            f"{self.way:12} {self.cameras:4} cameras: {self.answered} of {self.sent} answered, lost: {lost}; "
            f"median {self.p50_ms:.0f} ms, p95 {self.p95_ms:.0f} ms; {self.cores:.2f} cores, "
            f"{self.server_cores:.2f} of them the server; {self.how}"
        )


def encode_all(folder: Path) -> list[dict[str, Any]]:
    """A minute for each length of a group of pictures: real people for 6 s, then the scene with a sensor's noise."""
    frames = _real_frames(MOVING_S * FPS, folder)
    noise = np.random.default_rng(0)

    def picture(number: int, *_: int) -> av.VideoFrame:
        shown = frames[min(number, len(frames) - 1)].astype(np.int16)
        shown += noise.normal(0, 1.5, shown.shape).astype(np.int16)
        made = av.VideoFrame.from_ndarray(np.clip(shown, 0, 255).astype(np.uint8), format="bgr24")
        return made.reformat(format="yuv420p")

    return [
        servers.encode(
            folder / f"group{group}.units",
            frames=MINUTE_S * FPS,
            fps=FPS,
            gop=group,
            size=SIZE,
            picture=picture,
        )
        for group in GROUPS
    ]


def _real_frames(count: int, folder: Path) -> list[np.ndarray]:
    with av.open(str(clip("vtest.avi", folder))) as container:
        decoded = (frame.to_ndarray(format="bgr24") for frame in container.decode(video=0))
        return [cv2.resize(next(decoded), SIZE) for _ in range(count)]


def measure(way: str, cameras: int, clips: Sequence[dict[str, Any]]) -> Held:
    """One way with so many cameras, in a process of its own."""
    mounts = {
        f"/cam{n}": clips[n % len(clips)] | {"ahead_s": MINUTE_S * n / cameras, "at_key": True} for n in range(cameras)
    }
    server = servers.Server(mounts, transports=["tcp"]).start()
    try:
        urls = [server.url(path) for path in mounts]
        job = json.dumps({"way": way, "urls": urls, "server": server.pid})
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.cameras"], input=job, stdout=subprocess.PIPE, text=True, check=True
        )
        return Held(**json.loads(done.stdout.splitlines()[-1]))
    finally:
        server.kill()


class Window(Sink):
    """Counts what is published between the warm-up and the end; ends the run then. A sink."""

    def __init__(self, server: int) -> None:
        self._server = server
        self.ledger = StreamLedger()
        self.ages: list[float] = []
        self.open = False

    def warm_up(self) -> None:
        """Everything is being connected, or is: the warm-up begins."""
        threading.Thread(target=self._time, daemon=True).start()

    def write(self, results: Sequence[Result], published_at: float) -> None:
        if not self.open:
            return
        for record in results:
            self.ledger.count(record)
            if record.captured_at is not None:
                self.ages.append(published_at - record.captured_at)

    def close(self) -> None:
        pass

    def _time(self) -> None:
        time.sleep(WARM_S)
        before = tree_cpu_s(), tree_cpu_s(self._server)
        self.open, began = True, time.monotonic()
        time.sleep(MEASURED_S)
        self.open, self.seconds = False, time.monotonic() - began
        self.server_cores = (tree_cpu_s(self._server) - before[1]) / self.seconds
        self.cores = (tree_cpu_s() - before[0]) / self.seconds + self.server_cores
        os.kill(os.getpid(), signal.SIGINT)

    def held(self, way: str, cameras: int) -> Held:
        ages = np.quantile(self.ages, (0.5, 0.95)) * 1000 if self.ages else (0.0, 0.0)
        sent = round(cameras * FPS * self.seconds)
        return Held(
            way,
            cameras,
            sent,
            self.ledger.frames_in,
            dict(self.ledger.dropped),
            dict(self.ledger.how),
            float(ages[0]),
            float(ages[1]),
            self.cores,
            self.server_cores,
        )


def _cascade(way: str, urls: Sequence[str], window: Window) -> None:
    kind, _, engine = way.partition("-")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(PIPELINES[kind])
        sources = {f"cam{n}": url for n, url in enumerate(urls)}
        sets = [f"streams.{name}.max_blind_s=0" for name in sources] if kind == "gate" else []
        window.warm_up()
        run(load(file, sources=sources, sets=sets), engine=engine or "inline", sinks=[window])  # type: ignore[arg-type]


def _loop(urls: Sequence[str], window: Window) -> None:
    """Ultralytics' loader keeps a thread and the newest picture for each camera; all are looked at in turn."""
    from ultralytics.data.loaders import LoadStreams

    from vidpipe.core.answer import Answer, How
    from vidpipe.models.base import Classes, ModelSpec
    from vidpipe.models.library import Library

    spec = ModelSpec(path=str(model("person-vehicle-bike-detection-2000.xml")))
    detector = Library({"little": spec}, Classes({}), threads=os.cpu_count()).detector("little")
    with TemporaryDirectory() as folder:
        listed = Path(folder) / "cameras.streams"
        listed.write_text("\n".join(urls))
        # It connects one camera after another; and without a buffer it takes every second picture, however idle it is.
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp|analyzeduration;500000"
        loader = LoadStreams(str(listed), buffer=True)
        window.warm_up()
        with suppress(KeyboardInterrupt):
            for seq, (_, pictures, _) in enumerate(loader):
                for name, picture in enumerate(pictures):
                    (boxes,) = detector.detect([picture])
                    answer = Answer(boxes, How.MEASURED, "loop", seq)
                    # When a picture was taken this loader does not tell.
                    window.write([Result(str(name), seq, 0.0, None, 0.0, 0, answer)], time.time())


def main() -> None:
    """Of the process that answers: a job on stdin, what was held on stdout."""
    job = json.loads(sys.stdin.read())
    window = Window(job["server"])
    if job["way"] == "loop":
        _loop(job["urls"], window)
    else:
        _cascade(job["way"], job["urls"], window)
    print(json.dumps(window.held(job["way"], len(job["urls"]))._asdict()), flush=True)  # noqa: T201
    os._exit(0)  # OpenCV's readers are still at work, and abort an orderly end


def report(arguments: Sequence[str], _: Path) -> Iterator[str]:
    """Each way with more and more cameras, until pictures are lost."""
    ways = [argument for argument in arguments if not argument.isdigit()] or list(WAYS)
    counts = [int(argument) for argument in arguments if argument.isdigit()] or list(COUNTS)
    if unknown := set(ways) - set(WAYS):
        sys.exit(f"no way {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    with TemporaryDirectory() as folder:
        clips = encode_all(Path(folder))
        for way in ways:
            for cameras in counts:
                held = measure(way, cameras, clips)
                yield str(held)
                if not held.holds:
                    break


if __name__ == "__main__":
    main()
