"""Models that run on a server. What must hold:

- settings of a run take force there at the frame that names their epoch; what does not load there is said, and changes
  nothing;
- shadow asks are answered there;
- both sides have the same model, where both have it; a site loads none of those that run elsewhere.
"""

from __future__ import annotations

import pytest

from tests import clips
from tests.models.networks import constant_network, yolo_columns
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.shadow.ask import Variant
from vidpipe.testing.clock import HandClock

FRAMES, FPS = 16, 10
PIPELINE = """
classes: {thing: thing}
models:
  one: {path: one.onnx, family: yolo, names: [thing]}
  two: {path: two.onnx, family: yolo, names: [thing]}
  bad: {path: bad.onnx, family: yolo, names: [thing]}
stages:
  - {id: finds, type: detect, model: one, on: cloud}
links: {device-cloud: {codec: jpeg}}
late: wait
"""


def written(folder, boxes_of_one: int = 1):
    folder.mkdir()
    spots = [(16, 16, 8, 8, 0, 0.9), (48, 48, 8, 8, 0, 0.9)]
    for name, count in (("one", boxes_of_one), ("two", 2)):
        constant_network(folder / f"{name}.onnx", {"out": yolo_columns(spots[:count], 1)})
    (folder / "bad.onnx").write_bytes(b"no network")
    clip = clips.encode(folder / "clip.mp4", frames=FRAMES, fps=FPS)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    return load(folder / "pipeline.yaml", sources={"cam": f"live+file:{clip}"})


@pytest.mark.long
def test_settings_and_shadow_asks_reach_the_server(serve, reaching, tmp_path):
    """The site loads no model: here it has lost their files."""
    server = serve(written(tmp_path / "server"))
    site = written(tmp_path / "site")
    for file in (tmp_path / "site").glob("*.onnx"):
        file.unlink()
    clock, asked = HandClock(), None
    with Run(reaching(site, server.port), engine="inline", clock=clock) as run:
        results = []
        for result in run:
            results.append(result)
            if result.seq == 5:
                asked = run.ask("cam", [Variant("finds", {"model": "two"})])
                with pytest.raises(ConfigError, match=r"bad\.onnx"):
                    run.apply(stages={"finds": {"model": "bad"}})
                run.apply(stages={"finds": {"model": "two"}})
            elif result.seq == 7:
                shadow = asked.result(30)
            clock.turn(1 / FPS)
        report = run.join().report
    assert [result.seq for result in results] == list(range(FRAMES))
    assert {result.epoch for result in results} == {0, 1}
    assert all(len(result.detections) == 1 + result.epoch for result in results)
    assert [len(answer.detections) for answer in shadow.answers] == [2]
    looks = {name: model["calls"] for name, model in report["models"].items()}
    assert looks["one"] + looks["two"] == FRAMES
    assert report["links"].keys() == {"device-cloud", "device-cloud (shadow)"}


def test_another_file_of_a_model_is_refused(serve, reaching, tmp_path):
    server = serve(written(tmp_path / "server", boxes_of_one=2))
    with (
        pytest.raises(ConfigError, match="have different files of model one"),
        Run(reaching(written(tmp_path / "site"), server.port), engine="inline") as run,
    ):
        run.join()
