"""Costs out of the report of a former run: shares and times as means over its streams, and nothing on memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpipe.core.errors import ConfigError
from vidpipe.models.library import threads_of_a_look
from vidpipe.pipeline.plan import Plan
from vidpipe.tuning.planner.costs import Costs, StageCost, StreamCost


def costs_of_report(report: Mapping[str, Any], laid: Plan, *, processor: str, cores: int) -> Costs:
    """What the streams of a plan take, by a report of a run with the same stages.

    The report tells how often stages were asked by all streams together, so each stream gets the mean share. A stream
    that the run did not have is taken for one that is like all of them.

    Args:
        processor, cores: of the machine that is planned for: a report does not name its own.

    Raises:
        ConfigError: it is no report, the run came to no frame, or had other stages.
    """
    try:
        return _read(report, laid, processor, cores)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ConfigError("--report: this is no report of a run, as `vidpipe run --report` writes it") from None


def _read(report: Mapping[str, Any], laid: Plan, processor: str, cores: int) -> Costs:
    ran, streams, stages = report["run"]["streams"], report["streams"], report["stages"]
    lacking = [stage.id for stage in laid.pipeline.stages if stage.id not in stages]
    if lacking:
        raise ConfigError(f"--report: the run had no stage {lacking[0]}: it was of another pipeline")
    frames = sum(int(stream["frames_in"]) for stream in streams.values())
    video_s = sum(float(stream["video_s"]) for stream in streams.values())
    if not frames or not video_s:
        raise ConfigError("--report: that run came to no frame, so it tells nothing")
    audited = {
        stage: sum(stream["audits"].get(stage, {}).get("audited", 0) for stream in streams.values()) for stage in stages
    }
    work = {
        stage.id: StageCost(
            asked=stages[stage.id]["asked"] / frames,
            audited=audited[stage.id] / frames,
            cpu_ms=stages[stage.id]["cpu_ms"],
            wall_ms=stages[stage.id]["wall_ms"],
        )
        for stage in laid.pipeline.stages
    }
    spent = sum(each.asked * each.cpu_ms for each in work.values())
    other_ms = max(0.0, 1000 * float(report["cpu_s"]) / frames - spent)
    sizes = [tuple(stream["size"]) for stream in ran.values() if stream.get("size")]
    largest = max(sizes, key=lambda size: size[0] * size[1])
    found: dict[str, StreamCost] = {}
    for name in laid.pipeline.streams:
        own = streams.get(name)
        known = own is not None and own["frames_in"] and own["video_s"]
        width, height = (known and ran.get(name, {}).get("size")) or largest
        accuracy = own["accuracy"] if known else {"f1": None, "low": None}
        found[name] = StreamCost(
            fps=own["frames_in"] / own["video_s"] if known else frames / video_s,
            width=width,
            height=height,
            frames=frames,
            threads=threads_of_a_look(len(streams), cores),
            other_ms=other_ms,
            stages=work,
            f1=accuracy["f1"],
            low=accuracy["low"],
        )
    return Costs(pipeline=laid.pipeline.name, processor=processor, cores=cores, engine="ray", streams=found)
