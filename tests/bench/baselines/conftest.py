"""A small clip, a tiny YOLO, and pipelines made of networks that say what they are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import clips
from tests.lines import answers
from tests.models.networks import constant_network, random_yolo, yolo_columns
from vidpipe.bench.cost.job import PipelineJob
from vidpipe.cascade import AuditSpec
from vidpipe.engine.pipeline import LinkSpec, Pipeline, PlacedStage, Stream, Tier
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.sources.base import StreamSpec
from vidpipe.stages.detect import Detect, DetectConfig
from vidpipe.stages.difference import Difference, DifferenceConfig


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Thirty pictures at 25 a second."""
    return clips.encode(tmp_path / "clip.mp4", b_frames=2)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_yolo(tmp_path_factory.mktemp("checkpoint") / "mine.pt")


@pytest.fixture
def pipeline(clip: Path, tmp_path: Path) -> Pipeline:
    """A filter, a little model on the edge and a big one in the cloud, with all that a user may set set."""
    models = {}
    for name, score in (("little", 0.6), ("big", 0.9)):
        boxes = yolo_columns([(30, 30, 20, 20, 0, score)], 3)
        file = constant_network(tmp_path / f"{name}.onnx", {"out": boxes})
        models[name] = ModelSpec(path=str(file), family="yolo", names=["a", "b", "c"])
    jpeg, raw = LinkSpec(codec="jpeg", quality=60), LinkSpec(credit_frames=4)
    return Pipeline(
        name="mine",
        classes=Classes({"thing": ["a"]}),
        models=models,
        stages=(
            PlacedStage("difference", Difference, DifferenceConfig(threshold=5)),
            PlacedStage("unsure", Detect, DetectConfig(model="little", accept=0.8), Tier.EDGE),
            PlacedStage("sure", Detect, DetectConfig(model="big"), Tier.CLOUD),
        ),
        streams={"cam": Stream(StreamSpec(url=str(clip)), {"difference": DifferenceConfig(threshold=9)})},
        audit=AuditSpec(rate=0.5),
        links={"device-edge": raw, "edge-cloud": jpeg},
        ahead=3,
        late="wait",
        search_paths=(str(tmp_path),),
    )


def ran(pipeline: Pipeline, tmp_path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The lines of its results and its report, from this process."""
    results = tmp_path / "results.jsonl"
    report = PipelineJob(pipeline, "inline").run(results)
    return answers(results), report


def only(pipeline: Pipeline, *stages: str) -> Pipeline:
    """The pipeline with these of its stages."""
    return replace(pipeline, stages=tuple(stage for stage in pipeline.stages if stage.id in stages))
