"""`vidpipe compress`: a smaller model that says nearly the same on a clip, and what speaks for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from vidpipe.accuracy.reference.model import folders
from vidpipe.cli.seconds import seconds
from vidpipe.cli.terminal.steps import Steps
from vidpipe.core.errors import ConfigError
from vidpipe.core.files import check_writable
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import fetch
from vidpipe.models.metadata.model_metadata import MadeFrom, metadata_of
from vidpipe.models.runtimes import openvino
from vidpipe.models.shrink import describe, place
from vidpipe.models.stores.int8 import digest_of
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.base import StreamSpec
from vidpipe.tuning.compress import Compressed, CompressOptions, Row, compress


@dataclass(frozen=True, slots=True)
class CompressArguments:
    """What the user asked for."""

    model: str
    on: Path
    pipeline: str | None
    floor: float
    for_: str | None
    bf16: bool
    mixed: bool
    out: Path | None


def run_compress(arguments: CompressArguments) -> int:
    """Print the frontier, and write what was chosen; 2 where nothing holds the floor.

    Raises:
        ConfigError: the model or the clip is nothing to work with, or `--out` cannot be written; says why.
    """
    spec, classes, paths = _model(arguments)
    if not arguments.on.is_file():
        raise ConfigError(f"--on {arguments.on.name}: no such recording")
    if arguments.out is not None:
        if arguments.out.suffix != ".xml":
            raise ConfigError(f"--out {arguments.out}: a smaller model is written for OpenVINO: name an .xml")
        check_writable(arguments.out, "model")
        if arguments.out.exists():
            raise ConfigError(f"--out {arguments.out}: is there already: name another file")
    clip = StreamSpec(url=str(arguments.on), end_s=seconds("--for", arguments.for_))
    options = CompressOptions(arguments.floor, classes, arguments.bf16, arguments.mixed)
    with TemporaryDirectory(prefix="vidpipe-compress-") as folder:
        with Steps() as steps:
            made = compress(spec, clip, options, Path(folder), steps, paths)
        console = Console(highlight=False, markup=False, soft_wrap=True)
        _print(made, console)
        if made.chosen is None:
            console.print(f"refused: {made.refused}")
            return 2
        console.print(f"chosen: {made.chosen.says}: {made.own.cpu_ms / made.chosen.cpu_ms:.2f} times less CPU a look")
        if arguments.out is not None:
            _write(made, made.chosen, fetch(spec, paths), arguments, console)
    return 0


def _model(arguments: CompressArguments) -> tuple[ModelSpec, Classes, list[Path]]:
    """The model, the classes that are asked of it, and where its file may lie."""
    if arguments.pipeline is None:
        return ModelSpec(path=arguments.model), Classes({}), []
    pipeline = load(arguments.pipeline)
    if arguments.model not in pipeline.models:
        raise ConfigError(
            f"model {arguments.model}: pipeline {pipeline.name} has no such model; it has {', '.join(pipeline.models)}"
        )
    return pipeline.models[arguments.model], pipeline.classes, folders(pipeline)


def _print(made: Compressed, console: Console) -> None:
    table = Table("", "CPU ms", "memory MB", "file MB", "F1 chosen on", "F1 later", "", box=None, pad_edge=False)
    for row in made.rows:
        figures = (f"{row.cpu_ms:.1f}", f"{row.memory_mb:.0f}", f"{row.file_mb:.1f}")
        table.add_row(row.says, *figures, f"{row.chosen_f1:.3f}", f"{row.f1:.3f}", "best" if made.is_best(row) else "")
    console.print(table)
    console.print(
        "CPU time of a look on one thread, median of looks in turns; F1 against the model itself in f32; best: none "
        "has less of both time and memory at that F1."
    )
    for line in made.left_out:
        console.print(f"not used: {line}")


def _write(made: Compressed, chosen: Row, original: Path, arguments: CompressArguments, console: Console) -> None:
    out = arguments.out
    if out is None:
        return
    file = Path(chosen.spec.path)
    known = metadata_of(chosen.spec.path, file)
    origin = MadeFrom(
        model=str(original),
        sha256=digest_of(original, None),
        variant=chosen.says,
        on=arguments.on.name,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        floor=arguments.floor,
        f1=round(chosen.f1, 4),
        cpu_ms=round(chosen.cpu_ms, 2),
        was_cpu_ms=round(made.own.cpu_ms, 2),
    )
    describe(out, known.model_copy(update={"made_from": origin}))
    place(file, out)
    precision = "" if chosen.spec.precision == openvino.usual() else f", precision: {chosen.spec.precision}"
    console.print(f"written: {out}   in a pipeline: {{path: {out}{precision}}}")
