"""Pictures that may not leave their device. What must hold, whatever a pipeline was made by:

- no stage elsewhere gets one, and nothing is read where one would;
- no result and no state brings one to a driver on another machine.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import clips
from tests.runtime.conftest import Runner
from vidpipe import Run
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.records import Batch, Position, Snapshot
from vidpipe.runtime.driver.run import run
from vidpipe.runtime.ray.actors import DeviceActor
from vidpipe.runtime.ray.packing import pack_arguments
from vidpipe.runtime.stream_pool import StreamPool

PIPELINE = """
classes: {{even: even, odd: odd}}
stages:
  - {{id: difference, type: difference, on: device, threshold: 0}}
  - {{id: read, type: mystages:Read, on: {tier}}}
"""


@pytest.fixture
def make(tmp_path):
    runner = Runner(tmp_path, "inline", None)
    clip = str(clips.encode(tmp_path / "clip.mp4", frames=20))

    def pipeline(tier, leaves="never"):
        (runner.folder / "pipeline.yaml").write_text(PIPELINE.format(tier=tier))
        loaded = load(runner.folder / "pipeline.yaml", sources={"cam": clip})
        stream = loaded.streams["cam"]
        spec = stream.spec.model_copy(update={"leaves_device": leaves})
        return replace(loaded, streams={"cam": replace(stream, spec=spec)})

    return pipeline


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
@pytest.mark.parametrize("tier", ["edge", "cloud"])
def test_no_stage_elsewhere_gets_one(make, engine, tier):
    with pytest.raises(
        ConfigError, match=f"cam says leaves_device: never, but stage read on {tier} is sent its pictures"
    ):
        run(make(tier), engine=engine)


def test_on_the_device_it_is_answered(make):
    outcome = run(make("device"), engine="inline")
    assert outcome.report["streams"]["cam"]["frames_in"] == 20
    assert outcome.report["links"] == {}


@pytest.mark.ray
def test_results_bring_none_to_another_machine(make, cluster):
    with pytest.raises(ConfigError, match="cam says leaves_device: never, and results with pictures would bring them"):
        Run(make("device"), engine="ray", address=cluster, pictures=True).start()
    assert run(make("device"), engine="ray", address=cluster).exit_status == 0


@pytest.mark.parametrize(("apart", "leaves", "kept"), [(True, "never", 0), (False, "never", 1), (True, "frames", 1)])
def test_no_state_is_brought_to_another_machine(make, monkeypatch, apart, leaves, kept):
    """What the difference detector has learnt holds the empty scene, as a picture."""
    laid = plan(make("device", leaves))
    actor = DeviceActor(pack_arguments((), (), apart, laid, range(1), None))
    actor.open({"cam": Position()})
    batch = Batch(snapshots=[Snapshot("cam", {"difference": b"scene"}, 1)])
    monkeypatch.setattr(StreamPool, "take", lambda *_, **__: batch)
    assert len(actor.take(0.1).snapshots) == kept
    batch.snapshots = [Snapshot("removed", {"difference": b"scene"}, 1)]
    assert len(actor.take(0.1).snapshots) == (0 if apart else 1)  # the pipeline says no more whether it stays
    actor.close(5)
