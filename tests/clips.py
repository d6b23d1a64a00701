"""Builders of small encoded clips: a square moves over a texture, and each picture carries its own number.

The number stands in the top row as eight blocks, bright for 1 and dark for 0, most significant bit left; `number` reads
it back after any codec. So tests can tell which picture of the clip they hold without trusting a timestamp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

WIDTH, HEIGHT, FRAMES, FPS = 160, 120, 30, 25
_BLOCK = 16
_TICKS = 90_000  # a second

_QUIET = {"libx265": {"x265-params": "log-level=none"}}
_QUICK = {
    "libx264": {"preset": "veryfast", "crf": "18"},
    "libx265": {"preset": "ultrafast", "crf": "18"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "20"},
    "mpeg4": {"qscale": "2"},
}


def scene(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """The luma of picture `number`, uint8 [height, width]: texture, a moving bright square, the number in blocks."""
    y, x = np.mgrid[:height, :width]
    luma = (110 + 30 * np.sin(x / 7) + 30 * np.cos(y / 9)).astype(np.uint8)
    left = 8 + number * 3 % (width - 40)
    luma[height // 2 : height // 2 + 24, left : left + 24] = 225
    for bit in range(8):
        luma[:_BLOCK, bit * _BLOCK : (bit + 1) * _BLOCK] = 220 if number >> (7 - bit) & 1 else 30
    return luma


def number(luma: NDArray[np.uint8]) -> int:
    """The number that a picture of a clip carries, read from its luma."""
    inner = luma[4 : _BLOCK - 4, : 8 * _BLOCK].reshape(_BLOCK - 8, 8, _BLOCK)[:, :, 4:-4]
    bits = inner.mean(axis=(0, 2)) > 125
    return int(np.packbits(bits)[0])


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> av.VideoFrame:
    """Picture `number` as a yuv420p frame."""
    return of_luma(scene(number, width, height))


def of_luma(luma: NDArray[np.uint8]) -> av.VideoFrame:
    """A yuv420p frame of that luma; chroma is a slow gradient, so that it is not grey."""
    height, width = luma.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    y, x = np.mgrid[:rows, :columns]
    frame = av.VideoFrame(width, height, "yuv420p")
    planes = (luma, 90 + x * 60 // columns, 100 + y * 60 // rows)
    for plane, values in zip(frame.planes, planes, strict=True):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = values
        plane.update(padded)
    return frame


def _once(write: Callable[..., Path]) -> Callable[..., Path]:
    """Have it write what is made in the same way but once; the next are copies of the first."""
    made: dict[tuple[str, str], bytes] = {}

    @wraps(write)
    def written(path: Path, **how: Any) -> Path:
        if "picture" in how:  # a function says nothing of what it draws
            return write(path, **how)
        key = path.suffix, repr(sorted(how.items()))
        if key in made:
            path.write_bytes(made[key])
        else:
            made[key] = write(path, **how).read_bytes()
        return path

    return written


@_once
def encode(
    path: Path,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    frames: int = FRAMES,
    fps: float = FPS,
    period: int | None = None,
    times: Sequence[float] | None = None,
    gop: int = 12,
    b_frames: int = 0,
    rotation: int = 0,
    hflip: bool = False,
    options: dict[str, str] | None = None,
    mux: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    sound: bool = False,
    picture: Callable[..., av.VideoFrame] = picture,
) -> Path:
    """Write a clip and return its path.

    Args:
        path: the extension chooses the container.
        times: media seconds of each picture, for a variable frame rate; else `frames` pictures at `fps`.
        period: pictures after which all come again.
        gop, b_frames: pictures from key frame to key frame; how many B-frames in a row.
        rotation, hflip: written to the container as a display matrix, degrees counter-clockwise.
        options, mux: of the encoder and of the container, as FFmpeg calls them.
        sound: a tone as long as the pictures, in a stream before them.
        picture: what to show, by number, width and height.
    """
    with av.open(str(path), "w", options=mux or {}) as out:
        out.metadata.update(metadata or {})
        voice = _voice(out) if sound else None
        stream = out.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.gop_size, stream.max_b_frames = gop, b_frames
        stream.thread_count = 1
        stream.options = {**_QUICK.get(codec, {}), **_QUIET.get(codec, {}), **_bf(codec, b_frames), **(options or {})}
        if times is not None:
            stream.codec_context.time_base = Fraction(1, _TICKS)
        if rotation or hflip:
            stream.set_display_rotation(rotation, hflip=hflip)
        base = stream.codec_context.time_base or 1 / stream.codec_context.framerate
        for i in range(frames if times is None else len(times)):
            frame = picture(i % period if period else i, *size)
            frame.pts = i if times is None else round(times[i] * _TICKS)
            frame.time_base = base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if voice:
            _sing(out, voice, frames / fps)
    return path


def _bf(codec: str, b_frames: int) -> dict[str, str]:
    if codec == "libx264":
        return {"bf": str(b_frames), "sc_threshold": "0", "x264-params": "b-adapt=0"}
    if codec == "libx265":
        return {"x265-params": f"log-level=none:bframes={b_frames}:scenecut=0:b-adapt=0"}
    return {}


def tone(path: Path, seconds: float = 0.5) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as out:
        _sing(out, _voice(out), seconds)
    return path


def _voice(out: OutputContainer) -> AudioStream:
    return out.add_stream("aac", rate=16_000, layout="mono")


def _sing(out: OutputContainer, voice: AudioStream, seconds: float) -> None:
    for start in range(0, int(seconds * 16_000), 1024):
        samples = np.sin(np.arange(start, start + 1024) / 10, dtype=np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16_000, start
        out.mux(voice.encode(frame))
    out.mux(voice.encode(None))


def cut(source: Path, path: Path, share: float) -> Path:
    """The first `share` of a file's bytes: a recording that broke off, a download that stopped."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def scribble(source: Path, path: Path, picks: Iterable[int], seed: int = 0) -> Path:
    """The file with the bodies of some video packets (by number, in file order) overwritten by noise."""
    data = bytearray(source.read_bytes())
    rng = np.random.default_rng(seed)
    with av.open(str(source)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    for pick in picks:
        start, size = packets[pick]
        data[start + size // 8 : start + size] = rng.bytes(size - size // 8)
    path.write_bytes(data)
    return path
