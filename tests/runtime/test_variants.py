"""Another model or input size while a run goes on, on both engines. What must hold:

- it is loaded beside the one in use, which answers until the frame at which the new one takes over: no frame is lost;
- what does not load is said, and the one in use goes on;
- each variant is metered by itself.
"""

from __future__ import annotations

import pytest

from tests import clips
from tests.models.networks import constant_network, yolo_columns
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.session import Run

PIPELINE = """
classes: {thing: thing}
models:
  one: {path: one.onnx, family: yolo, names: [thing]}
  two: {path: two.onnx, family: yolo, names: [thing]}
  bad: {path: bad.onnx, family: yolo, names: [thing]}
stages:
  - {id: finds, type: detect, model: one, on: edge}
late: wait
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("variants") / "clip.mp4", frames=120)


@pytest.fixture
def loaded(runner, clip):
    folder = runner.folder
    spots = [(16, 16, 8, 8, 0, 0.9), (48, 48, 8, 8, 0, 0.9)]
    for name, count in (("one", 1), ("two", 2)):
        constant_network(folder / f"{name}.onnx", {"out": yolo_columns(spots[:count], 1)})
    (folder / "bad.onnx").write_bytes(b"no network")
    (folder / "pipeline.yaml").write_text(PIPELINE)
    return load(folder / "pipeline.yaml", sources={"cam": f"live+file:{clip}"})


@pytest.mark.long
@pytest.mark.timed  # no live frame may be dropped, which is a matter of who else is at work
def test_another_model_takes_over_between_two_frames(runner, loaded):
    with Run(loaded, engine=runner.engine, address=runner.address) as run:
        results = []
        for result in run:
            results.append(result)
            if result.seq == 20:
                with pytest.raises(ConfigError, match=r"bad\.onnx"):
                    run.apply(stages={"finds": {"model": "bad"}})
                run.apply(stages={"finds": {"model": "two"}}, reason="more")
        report = run.join().report
    assert [result.seq for result in results] == list(range(120))
    measured = [result for result in results if result.how == "measured"]
    assert {result.epoch for result in measured} == {0, 1}
    assert all(len(result.detections) == 1 + result.epoch for result in measured)
    assert report["streams"]["cam"]["how"].get("dropped", 0) == 0
    assert report["models"]["two"]["calls"] > 0
    assert report["streams"]["cam"]["settings"][0]["changes"] == {"finds": {"model": "two"}}
