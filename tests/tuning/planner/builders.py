"""A pipeline of three tiers, and what it takes, in round numbers."""

from __future__ import annotations

from vidpipe.models.base import Classes, ModelSpec
from vidpipe.pipeline.plan import Plan, plan
from vidpipe.pipeline.spec import LinkSpec, Pipeline, PlacedStage, Stream, Tier
from vidpipe.sources.base import StreamSpec
from vidpipe.stages.detect.detect import Detect, DetectConfig
from vidpipe.stages.track.track import Track, TrackConfig
from vidpipe.tuning.planner.costs import Costs, LookCost, MemoryCost, ModelCost, PictureCost, StageCost, StreamCost
from vidpipe.tuning.planner.nodes import Nodes

FPS = 10.0
PICTURE = 125_000.0  # bytes: one megabit


def laid(*streams: str, tiers: tuple[Tier, Tier, Tier] = tuple(Tier), late: str | None = "wait") -> Plan:
    """A tracker, a little model and a big one, each on its tier; the streams are live."""
    track, little, big = tiers
    stages = (
        PlacedStage("track", Track, TrackConfig(), track),
        PlacedStage("little", Detect, DetectConfig(model="little"), little),
        PlacedStage("big", Detect, DetectConfig(model="big"), big),
    )
    models = {name: ModelSpec(path=f"{name}.onnx") for name in ("little", "big")}
    named = {name: Stream(StreamSpec(url=f"live+file:{name}.mp4")) for name in streams or ("a",)}
    return plan(Pipeline("p", Classes({}), models, stages, named, late=late))


def stream(*, little: float = 0.5, big: float = 0.2, other_wall_ms: float | None = 5.0, **fields: object) -> StreamCost:
    """10 pictures a second; 1 ms for each beside stages, 2 to track, 10 for the little model, 50 for the big one."""
    stages = {
        "track": StageCost(asked=1, cpu_ms=2, wall_ms=2),
        "little": StageCost(asked=little, cpu_ms=10, wall_ms=10),
        "big": StageCost(asked=big, cpu_ms=50, wall_ms=50),
    }
    picture = {LinkSpec().setting: PictureCost(bytes=PICTURE, pack_ms=0, unpack_ms=0)}
    size = {"fps": FPS, "width": 640, "height": 360, "frames": 100, "other_ms": 1.0, "other_wall_ms": other_wall_ms}
    return StreamCost(**(size | {"stages": stages, "pictures": picture} | fields))


def costs(**streams: StreamCost) -> Costs:
    """Of these streams, by default of one that is called a; the big model takes twice as much on two cores."""
    looks = {1: LookCost(cpu_ms=50, wall_ms=50), 2: LookCost(cpu_ms=100, wall_ms=60)}
    return Costs(
        pipeline="p",
        processor="some",
        cores=2,
        engine="inline",
        memory=MemoryCost(run_mb=200, process_mb=100, stream_mb=10),
        models={
            "big": ModelCost(memory_mb=80, looks=looks),
            "little": ModelCost(memory_mb=20, looks={1: LookCost(cpu_ms=10, wall_ms=10)}),
        },
        streams=streams or {"a": stream()},
    )


def nodes(*, cpus: float = 8, memory_gb: float = 8, **links: dict[str, object]) -> Nodes:
    """A machine for each tier."""
    machines = {f"n-{tier}": {"tier": tier, "cpus": cpus, "memory_gb": memory_gb} for tier in Tier}
    return Nodes.model_validate(
        {"nodes": machines, "links": {name.replace("_", "-"): of for name, of in links.items()}}
    )
