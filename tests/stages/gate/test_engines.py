"""A gate in a run: on both engines it answers the same, and one that passes everything changes nothing."""

from __future__ import annotations

import sys
from collections import Counter

import av
import numpy as np
import pytest

from tests.runtime.conftest import Runner, inline, on_ray, runner
from tests.stages.gate import yard
from vidpipe.stages.gate.versions import Versions, with_thresholds

__all__ = ["inline", "on_ray", "runner"]

STAGES = '''
from tests.stages.gate import yard
from vidpipe.core.answer import Answer, How
from vidpipe.cascade.stage import Stage


class Eyes(Stage):
    """Knows the truth."""

    shared = True

    def answer(self, frames):
        return [Answer(yard.seen(yard.picture(frame.seq)[1]), How.MEASURED, self.id, frame.seq) for frame in frames]
'''

PLAIN = """
classes: {person: person, vehicle: vehicle}
stages:
  - {id: eyes, type: "eyes:Eyes"}
audit: {rate: 0.05, max_unchecked_s: 30}
"""


def _gated(settings: str) -> str:
    return PLAIN.replace("stages:\n", f"stages:\n  - {{id: gate, type: gate{settings}}}\n")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("yard") / "yard.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", yard.FPS, {"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = yard.WIDTH, yard.HEIGHT, "yuv420p"
        for seq in range(240):
            picture = np.dstack([yard.picture(seq)[0]] * 3)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    return {"yard": path}


@pytest.fixture(autouse=True)
def _eyes(tmp_path, monkeypatch):
    """The user's stage, from this folder and no other test's."""
    monkeypatch.delitem(sys.modules, "eyes", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "eyes.py").write_text(STAGES)


def test_a_gate_that_passes_all_changes_nothing(inline: Runner, clip):
    assert inline(_gated(""), clip).comparable() == inline(PLAIN, clip).comparable()


def test_a_gate_answers_what_is_empty(runner: Runner, clip, trained):
    Versions(runner.folder / "gates").add(with_thresholds(trained.gate, 0.3, 0.9), "specialised")
    ran = runner(_gated(f", weights: {runner.folder / 'gates'}, learn: true, max_miss: 0.2"), clip)
    by = Counter(line["by"] for line in ran.lines)
    assert not ran.outcome.errors
    assert len(ran.lines) == 240
    assert by["gate"] > 120
    there = [line for line in ran.lines if yard.picture(line["seq"])[1]]
    assert sum(line["by"] == "eyes" for line in there) > 0.8 * len(there)
    audits = ran.report["streams"]["yard"]["audits"]["gate"]
    assert audits["audited"] > 2
    assert (runner.folder / "gates" / "examples.npz").exists()
