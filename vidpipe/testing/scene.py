"""A generated street scene with exact truth: real picture content, moving; any length, any size, from a seed.

    python -m vidpipe.testing.scene street.mp4 --seconds 60 --seed 1

writes the video and, beside it, `street.txt`: one box a line in the form of the MOT Challenge, `frame, id, x, y, w, h,
counts, class, visibility`: frames from 1, x and y of the upper left corner in pixels from 0, class 1 person, 2 vehicle,
3 bike. A box spans what of the thing lies inside the picture, also where a nearer thing hides it. Visibility is the
share of all its pixels that can be seen; below 0.25 `counts` is 0, as MOT marks a box that an evaluation leaves out.
As MOT's own class numbers mean other things, `street.labels.txt` names these, one a line, in the way of CVAT: without
it beside them, the boxes are read as MOT16's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidpipe.bench.labels.mot import names_path
from vidpipe.core.errors import ConfigError, RunError, VidpipeError
from vidpipe.core.frame import Image
from vidpipe.testing.render import Actor, Box, Canvas, Exposure
from vidpipe.testing.schedule import plan
from vidpipe.testing.spec import CLASSES, SceneSpec
from vidpipe.testing.street import backdrop

__all__ = ["CLASSES", "COUNTS_FROM", "Box", "Scene", "SceneFiles", "SceneSpec", "write"]

COUNTS_FROM = 0.25  # visibility from which a box counts


class Scene:
    """The pictures of a scene and their truth, made one at a time: memory does not grow with the length.

    Iterating gives `(bgr, boxes)` for every picture: uint8 [height, width, 3], and a `Box` for everything that reaches
    into it, far things first. Each iteration begins anew and gives the same.

    Attributes:
        street: the empty street, without light drift and noise; uint8 [height, width, 3].
        crossings: who comes, when and which way.
    """

    def __init__(self, spec: SceneSpec) -> None:
        self.spec = spec
        self.crossings = plan(spec)
        rng = np.random.default_rng([spec.seed, 2])
        start, mirrored = float(rng.random()), bool(rng.integers(2))
        self.street = backdrop(spec.width, spec.height, start, {"a": False, "b": True}.get(spec.cast, mirrored))

    def __len__(self) -> int:
        return self.spec.frames

    def __iter__(self) -> Iterator[tuple[Image, list[Box]]]:
        canvas, exposure = Canvas(self.street, self.spec.shadows), Exposure(self.spec)
        waiting = iter(self.crossings)
        coming = next(waiting, None)
        actors: list[Actor] = []
        for index in range(self.spec.frames):
            time_s = index / self.spec.fps
            while coming is not None and coming.start_s <= time_s:
                actors.append(Actor.of(coming, self.spec))
                coming = next(waiting, None)
            actors = [actor for actor in actors if actor.crossing.end_s >= time_s]
            picture, boxes = canvas.paint(actors, time_s, exposure.shade(time_s))
            yield exposure.expose(picture, index), boxes


class SceneFiles(NamedTuple):
    """What `write` made."""

    video: Path
    truth: Path
    names: Path


def write(spec: SceneSpec, path: Path, crf: int = 23) -> SceneFiles:
    """Write a scene as H.264 video, a key picture every 50, with its truth and its classes' names beside it.

    Args:
        crf: how hard to compress: 18 looks like the original, 30 like a cheap camera.

    Raises:
        ConfigError: `path` cannot be written.
        RunError: writing failed on the way: the disk is full.
    """
    import av

    truth = path.with_suffix(".txt")
    names = names_path(truth)
    rate = Fraction(spec.fps).limit_denominator(1001)
    try:
        names.write_text("".join(f"{name}\n" for name in CLASSES), encoding="ascii")
        lines = truth.open("w", encoding="ascii")
        container = av.open(str(path), "w")
    except (OSError, ValueError) as error:
        raise ConfigError(f"scene: cannot write {path}: {error}") from error
    try:
        with lines, container:
            stream = container.add_stream("libx264", rate, {"crf": str(crf), "preset": "veryfast", "threads": "1"})
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = spec.width, spec.height, "yuv420p", 50
            for number, (picture, boxes) in enumerate(Scene(spec), 1):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
                lines.writelines(_mot(number, box) for box in boxes)
            container.mux(stream.encode())
    except OSError as error:
        raise RunError(f"scene: writing {path} failed: {error}") from error
    return SceneFiles(path, truth, names)


def _mot(number: int, box: Box) -> str:
    x0, y0, x1, y1 = box.xyxy
    counts = int(box.visibility >= COUNTS_FROM)
    kind = CLASSES.index(box.kind) + 1
    return f"{number},{box.id},{x0},{y0},{x1 - x0},{y1 - y0},{counts},{kind},{box.visibility:.3f}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a scene from the command line; returns the exit status."""
    default = SceneSpec()
    parser = argparse.ArgumentParser(
        prog="python -m vidpipe.testing.scene", description="Generate a street with truth."
    )
    parser.add_argument("path", type=Path, help="the video to write; its truth goes beside it as .txt")
    parser.add_argument("--seconds", type=float, default=default.duration_s, help="length (default: %(default)s)")
    parser.add_argument(
        "--size", default=f"{default.width}x{default.height}", help="of the picture (default: %(default)s)"
    )
    parser.add_argument("--fps", type=float, default=default.fps, help="pictures a second (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=default.seed, help="another seed, another scene (default: %(default)s)"
    )
    parser.add_argument(
        "--arrivals", type=float, default=default.arrivals_per_minute, help="a minute (default: %(default)s)"
    )
    parser.add_argument(
        "--quiet", type=float, default=default.quiet_share, help="share of empty time (default: %(default)s)"
    )
    parser.add_argument("--cast", choices=("all", "a", "b", "halves"), default=default.cast, help="who may appear")
    parser.add_argument("--night", type=float, nargs=2, metavar=("FROM", "TO"), help="the dark part of the scene, 0..1")
    parser.add_argument(
        "--folder", type=Path, action="append", default=[], help="person/, vehicle/ or bike/ with cut-outs"
    )
    given = parser.parse_args(arguments)
    try:
        width, height = (int(side) for side in given.size.split("x"))
    except ValueError:
        parser.error(f"--size is {given.size}, not WIDTHxHEIGHT")
    try:
        spec = SceneSpec(
            width=width,
            height=height,
            fps=given.fps,
            duration_s=given.seconds,
            seed=given.seed,
            arrivals_per_minute=given.arrivals,
            quiet_share=given.quiet,
            cast=given.cast,
            night=tuple(given.night) if given.night else None,
            folders=tuple(given.folder),
        )
        files = write(spec, given.path)
    except VidpipeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    sys.stdout.write(f"{files.video} and {files.truth}: {spec.frames} pictures\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
