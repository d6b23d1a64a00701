"""`vidpipe models`: which models there are, and what a look of each costs on this machine, by precision."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from rich.console import Console
from rich.table import Table

from vidpipe.core.errors import ModelError
from vidpipe.core.extras import how_to_install, is_installed
from vidpipe.models.base import Classes, ModelSpec, Precision
from vidpipe.models.load import load_detector
from vidpipe.models.precisions import look_ms, others
from vidpipe.models.resolve import ResolvedModel, resolve
from vidpipe.models.runtimes import nncf, openvino
from vidpipe.models.stores.pinned import STORES
from vidpipe.pipeline.yaml.load import load, shipped
from vidpipe.sources.open import expand
from vidpipe.tuning.paths import int8_of, profiles_dir

_LOOKS = 12  # that are timed
_WIDE = 200  # characters of a line that goes into a file
_PICTURE = (720, 1280, 3)
_PRECISIONS: tuple[Precision, ...] = get_args(Precision)


class _Row(NamedTuple):
    """A model as a pipeline has it; `int8`: folders in which its int8 networks may lie."""

    name: str
    spec: ModelSpec
    search_paths: Sequence[Path]
    int8: Sequence[Path]


def show_models(
    pipeline: str | None,
    config: Path | None,
    sources: Sequence[str],
    sets: Sequence[str],
    profiles: Path | None,
    *,
    timing: bool,
) -> None:
    """Print the models of a pipeline, or of all that come with vidpipe; nothing is downloaded.

    Args:
        profiles: folder of what was tuned, where the int8 networks of the pipeline's streams lie; None: the usual one.
        timing: whether looks are timed.

    Raises:
        ConfigError: the pipeline cannot be loaded, or one of its models.
    """
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    if pipeline is None:
        rows = list(_shipped())
    else:
        rows = list(_of(pipeline, config, expand(*sources), sets, profiles or profiles_dir()))
    head = ("model", "path", "licence", "size", "classes")
    table = Table(*head, *(f"{each} ms" for each in _PRECISIONS if timing), box=None, pad_edge=False)
    for row in rows:
        known = resolve(row.spec, row.search_paths)
        size = f"{known.size[1]}x{known.size[0]}" if known.size else ""
        classes = str(len(known.names)) if known.names else ""
        times: list[str] = []
        if timing and known.family != "embedder":
            size, classes, times = _measured(row, known, size, classes)
        table.add_row(row.name, row.spec.path, known.licence or "", size, classes, *times)
    console.print(table)
    if timing:
        console.print(
            f"CPU time of a look at a picture of {_PICTURE[1]}x{_PICTURE[0]}, the median of {_LOOKS} in turns."
        )
        if is_installed("openvino"):
            console.print(f"On this machine auto is {openvino.usual()} in OpenVINO.")
        installed = "" if nncf.is_installed() else f" (it takes `{how_to_install('compress')}`)"
        console.print(f"int8 networks are made for a stream, by `vidpipe tune`{installed}.")


def _of(
    pipeline: str, config: Path | None, sources: Mapping[str, str], sets: Sequence[str], profiles: Path
) -> Iterator[_Row]:
    loaded = load(pipeline, config=config, sources=sources, sets=sets)
    int8 = [int8_of(profiles, stream) for stream in loaded.streams]
    for name, spec in loaded.models.items():
        yield _Row(name, spec, [Path(path) for path in loaded.search_paths], int8)


def _shipped() -> Iterator[_Row]:
    """The models of vidpipe's own pipelines, each once, and the others that it knows where to get."""
    paths: set[str] = set()
    for file in sorted(shipped().glob("*.yaml")):
        loaded = load(file)
        for name, spec in loaded.models.items():
            if spec.path not in paths:
                paths.add(spec.path)
                yield _Row(f"{loaded.name}: {name}", spec, [Path(path) for path in loaded.search_paths], ())
    for path in (f"{store.prefix}{name}" for store in STORES for name in store.names()):
        if path not in paths:
            yield _Row("", ModelSpec(path=path), (), ())


def _measured(row: _Row, known: ResolvedModel, size: str, classes: str) -> tuple[str, str, list[str]]:
    """Size and number of classes as the loaded model has them, and milliseconds in each precision."""
    if known.file is None and known.origin != "python":
        return size, classes, ["not here yet"]
    own = load_detector(row.spec, Classes({}), search_paths=row.search_paths)
    detectors = {row.spec.precision: own}
    for precision in others(row.spec, row.search_paths):
        specs = [row.spec.varied(precision=precision)]
        if precision == "int8":
            specs = [row.spec.varied(precision=precision, calibrated=str(folder)) for folder in row.int8]
        for spec in specs:
            try:
                detectors[precision] = load_detector(spec, Classes({}), search_paths=row.search_paths)
                break
            except ModelError:  # this stream has none
                continue
    took = look_ms(detectors, [np.full(_PICTURE, 128, np.uint8)], _LOOKS)
    height, width = own.traits.size
    times = [f"{took[each]:.1f}" if each in took else "" for each in _PRECISIONS]
    return f"{width}x{height}", str(len(own.traits.names)), times
