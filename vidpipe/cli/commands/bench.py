"""`vidpipe bench`: options to a bench; then what it found, on the terminal, as JSON and as a page."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console

from vidpipe.bench.bench import Options, bench
from vidpipe.bench.candidates import BASELINES
from vidpipe.bench.figures import Kind
from vidpipe.bench.profile import write as write_profile
from vidpipe.bench.report.html.page import page
from vidpipe.cli.profiles import with_profiles
from vidpipe.cli.terminal.bench_table import print_bench
from vidpipe.cli.terminal.steps import Steps
from vidpipe.core.errors import ConfigError
from vidpipe.core.files import check_writable, make_folder, write_whole
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.address import is_camera
from vidpipe.sources.base import StreamSpec, Want
from vidpipe.sources.open import expand


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What the user asked for."""

    pipeline: str
    config: Path | None
    sources: Sequence[str]
    sets: Sequence[str]
    reference: str | None
    truth: Sequence[str]
    truth_class: str | None
    fit: float
    fit_on: str | None
    floor: float | None
    want: Want
    baselines: str
    repeats: int
    engine: Literal["ray", "inline"]
    profile: Path | None
    profiles: Path | None
    out: Path


def run_bench(options: BenchOptions) -> None:
    """Measure, and leave what was found in the folder. Raises ConfigError where it cannot begin."""
    loaded = load(options.pipeline, config=options.config, sources=expand(*options.sources), sets=options.sets)
    pipeline = loaded.without_outputs
    if not pipeline.streams:
        raise ConfigError("nothing to measure on: give a clip with --source")
    for name, stream in pipeline.streams.items():
        if is_camera(stream.spec.url):
            raise ConfigError(f"stream {name} is a camera: bench looks at a clip several times, so record one first")
    pipeline = with_profiles(pipeline, options.profiles, tuned=False)  # `tuned` is chosen on the fitted part
    asked = Options(
        folder=make_folder(options.out),
        command=shlex.join(["vidpipe", *sys.argv[1:]]),
        reference=options.reference,
        labels=_labels(options.truth, pipeline),
        label_class=_known_class(options.truth_class, pipeline),
        fit=options.fit,
        fit_on=_other_clip(options.fit_on, pipeline),
        baselines=_baselines(options.baselines),
        repeats=options.repeats,
        engine=options.engine,
        floor=options.floor,
        want=options.want,
    )
    if options.profile is not None:
        check_writable(options.profile, "profile")
    with Steps() as steps:
        found = bench(pipeline, asked, steps)
        steps.step("drawing the report")
        write_whole(asked.folder / "bench.json", found.figures.model_dump_json(indent=2) + "\n", "figures")
        write_whole(asked.folder / "bench.html", page(found.figures, found.evidence), "report")
    if options.profile is not None:
        write_profile(options.profile, found.profiles)
    print_bench(found.figures)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"report   {asked.folder / 'bench.html'}   to look at and to pass on")
    console.print(f"figures  {asked.folder / 'bench.json'}   and every answer, by clip and candidate, beside it")
    if options.profile is not None:
        console.print(f"profile  {options.profile}   cost and accuracy of each model, size and stage")


def _labels(arguments: Sequence[str], pipeline: Pipeline) -> dict[str, Path]:
    """Files by stream: the one that is named, else the one whose name is the file's, else the only one."""
    labels: dict[str, Path] = {}
    streams = list(pipeline.streams)
    for argument in arguments:
        name, equals, place = argument.partition("=")
        if not equals or name not in streams:
            name, place = "", argument
        path = Path(place).expanduser()
        if not path.is_file():
            raise ConfigError(f"--truth {argument}: no file {path}")
        name = name or (path.stem if path.stem in streams else "")
        if not name and len(streams) == 1:
            name = streams[0]
        if not name:
            raise ConfigError(f"--truth {argument}: for which of {', '.join(streams)}? Write --truth NAME={place}")
        if name in labels:
            raise ConfigError(f"--truth {argument}: stream {name} has labels already, {labels[name]}")
        labels[name] = path
    return labels


def _known_class(name: str | None, pipeline: Pipeline) -> str | None:
    if name is not None and name not in pipeline.classes.names:
        raise ConfigError(f"--truth-class {name}: the pipeline's classes are {', '.join(pipeline.classes.names)}")
    return name


def _other_clip(argument: str | None, pipeline: Pipeline) -> tuple[str, Stream] | None:
    if argument is None:
        return None
    found = expand(argument)
    if len(found) > 1:
        raise ConfigError(f"--fit-on {argument}: stands for {len(found)} clips; one is fitted on")
    ((name, url),) = found.items()
    while name in pipeline.streams:
        name += "-fit"
    return name, Stream(StreamSpec(url=url))


def _baselines(text: str) -> frozenset[Kind]:
    if text in ("all", "none"):
        return frozenset(BASELINES if text == "all" else ())
    asked = [name.strip() for name in text.split(",") if name.strip()]
    for name in asked:
        if name not in BASELINES:
            raise ConfigError(f"--baselines {name}: there are {', '.join(BASELINES)}, all and none")
    return frozenset(kind for kind in BASELINES if kind in asked)
