"""What plans expect of runs, and what came: measured on the first part of a clip, and held against the rest of it.

Both are runs in processes of their own. The one that is held against runs from the beginning, like a camera that has
been on for a while; of it counts what lies behind the part that was measured. CPU is CPU time, of all processes, so
that it says little of what others take of the machine. Recordings are answered as fast as they can be; with `live` they
come at their own speed, which tells latency, and on a busy machine drops pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.footage import ASSETS, joined
from vidpipe.bench.cost.measure import measure
from vidpipe.bench.cost.planning import measure_costs
from vidpipe.bench.cost.stream_job import StreamJob
from vidpipe.bench.figures import Engine
from vidpipe.pipeline.plan import Plan, plan
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.tuning.planner.costs import Costs
from vidpipe.tuning.planner.expect import expect
from vidpipe.tuning.planner.nodes import one_machine

CLIPS = {"vtest.avi": 1, "car-detection.mp4": 3, "junction.mp4": 9, "street_parked_cars.mp4": 1} | {
    "urban_road_overpass.mp4": 2
}
"""Each clip so many times in a row."""

PIPELINES = ("follow", "pair")
ENGINES: tuple[Engine, ...] = ("inline", "ray")
FIRST_S, REST_S = 35.0, 30.0
HEAD = """| clip | pipeline | engine | cameras | steady | CPU, cores | traffic, mbps | latency, ms |
|---|---|---|---|---|---|---|---|"""


def predicted(arguments: Sequence[str]) -> Iterator[str]:
    """A row for each clip, pipeline and engine; of those that are named, with a number for that many cameras."""
    prefix = "live+file:" if "live" in arguments else ""
    os.chdir(ASSETS / "models")
    cameras = next((int(each) for each in arguments if each.isdigit()), 1)
    chosen = [[name for name in of if name in arguments] or list(of) for of in (CLIPS, PIPELINES, ENGINES)]
    yield HEAD
    with TemporaryDirectory() as folder:
        for engine, pipeline, clip in product(*reversed(chosen)):
            yield _row(clip, pipeline, engine, cameras, prefix, Path(folder))


def _row(clip: str, name: str, engine: Engine, cameras: int, prefix: str, folder: Path) -> str:
    source = ASSETS / "videos" / clip
    if CLIPS[clip] > 1:
        source = folder / clip
        if not source.exists():
            joined(ASSETS / "videos" / clip, CLIPS[clip], source)
    whole = load(name, sources={"cam": f"{prefix}{source}"})
    costs = measure_costs(whole, FIRST_S, engine, cameras, lambda _: None)
    run_of = _several(whole, cameras)
    costs = costs.model_copy(update={"streams": dict.fromkeys(run_of.streams, costs.streams["cam"])})
    laid = plan(run_of)
    said = expect(laid, costs, one_machine(costs.cores, 1.0))
    ran = measure(StreamJob(run_of, engine, FIRST_S + REST_S, FIRST_S), folder / "unused").report
    cpu = cameras * ran["part"]["cpu_ms"] * ran["fps"] / 1000
    figures = [
        (said.cpu, cpu),
        (sum(each.mbps for each in said.traffic), cameras * _mbps(laid, costs, ran["part"])),
        (said.cameras[0].latency_ms, ran["part"]["latency_ms"]),
    ]
    told = " | ".join(f"{a:.3g} for {b:.3g} ({a / b - 1:+.0%})" if a and b else "" for a, b in figures)
    steady = "yes" if costs.streams[next(iter(run_of.streams))].steady else "no"
    return f"| {clip} | {name} | {engine} | {cameras} | {steady} | {told} |"


def _several(pipeline: Pipeline, cameras: int) -> Pipeline:
    """So many cameras that show the same."""
    (stream,) = pipeline.streams.values()
    spec = stream.spec.model_copy(update={"end_s": FIRST_S + REST_S})
    copies = {f"cam{number}": replace(stream, spec=spec) for number in range(cameras)}
    return replace(pipeline, streams=copies)


def _mbps(laid: Plan, costs: Costs, part: dict[str, dict[str, float]]) -> float:
    """What crosses all links, by how often stages were asked."""
    cost = next(iter(costs.streams.values()))
    stages = {
        name: each.model_copy(update={"asked": part["asked"][name], "audited": part["audited"].get(name, 0.0)})
        for name, each in cost.stages.items()
    }
    asked = cost.model_copy(update={"stages": stages})
    below = [
        [stage.id for segment in laid.segments[at:] for stage in segment.stages] for at in range(1, len(laid.segments))
    ]
    return sum(
        cost.fps * asked.crossing(each) * cost.picture(link).bytes * 8e-6
        for each, link in zip(below, laid.links, strict=True)
    )
