"""`python -m benchmarks compress`: what `vidpipe compress` makes of two models on each clip, without bf16 and with it.

Each clip has three parts: calibrated on the first, chosen on the second, scored on the last. The floor is the same for
all. Costs are CPU time of looks on one thread, all variants of a clip in turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.footage import ASSETS
from vidpipe.core.errors import ConfigError
from vidpipe.core.progress import Silent
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.sources.base import StreamSpec
from vidpipe.tuning.compress import Compressed, CompressOptions, compress

MODELS = ("yolox_nano.onnx", "person-vehicle-bike-detection-2003.xml")
CLASSES = Classes({"person": ["person"], "vehicle": ["vehicle", "car", "truck", "bus"]})
FLOOR = 0.99
BF16 = {"off": False, "on": True}


def report(names: Sequence[str], _: Path) -> Iterator[str]:
    """The table, line by line.

    Args:
        names: of clips and models, `off` or `on` for bf16, and `mixed` for layers that go back to float, which takes
            minutes for each network; none: all clips, both, without.
    """
    clips = [each for each in sorted((ASSETS / "videos").iterdir()) if {each.name, each.stem} & set(names)]
    models = [each for each in MODELS if Path(each).stem in names] or MODELS
    ways = [way for way in BF16 if way in names] or list(BF16)
    yield "| clip | model | bf16 | cheapest at the floor | times faster | F1 | best int8: times faster | F1 |"
    yield "|---|---|---|---|---:|---:|---:|---:|"
    for clip in clips or sorted((ASSETS / "videos").iterdir()):
        for model in models:
            for way in ways:
                options = CompressOptions(FLOOR, CLASSES, BF16[way], mixed="mixed" in names)
                yield f"| {clip.stem} | {Path(model).stem} | {way} | {_tells(model, clip, options)} |"


def _tells(model: str, clip: Path, options: CompressOptions) -> str:
    spec = ModelSpec(path=str(ASSETS / "models" / model))
    with TemporaryDirectory() as folder:
        try:
            made = compress(spec, StreamSpec(url=str(clip)), options, Path(folder), Silent())
        except ConfigError as error:
            return f"{str(error).split(': ', 1)[1]} | - | - | - | -"
    return f"{_choice(made)} | {_int8(made)}"


def _choice(made: Compressed) -> str:
    if made.chosen is None:
        return "none holds it later, too | 1.00 | 1.000" if "last one" in made.refused else "none | 1.00 | 1.000"
    return f"{made.chosen.says} | {made.own.cpu_ms / made.chosen.cpu_ms:.2f} | {made.chosen.f1:.3f}"


def _int8(made: Compressed) -> str:
    """The most accurate of those with int8 in them, whether it holds the floor or not."""
    best = max((row for row in made.rows if "int8" in row.says), key=lambda row: row.chosen_f1, default=None)
    return "- | -" if best is None else f"{made.own.cpu_ms / best.cpu_ms:.2f} | {best.f1:.3f}"
