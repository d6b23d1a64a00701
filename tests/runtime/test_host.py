"""What a process holds. What must hold: of a stream that has ended its counts are left, and nothing else."""

from __future__ import annotations

import gc
import threading

import pytest

from tests import clips
from tests.runtime.test_parity import pipeline, placed
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.records import Position
from vidpipe.runtime.inline import InlineEngine


def stages_in_memory():
    gc.collect()
    return sum(type(thing).__name__ == "Recording" for thing in gc.get_objects())


def run_to_the_end(engine, streams):
    left = set(streams)
    while left:
        for batch in engine.take(1.0):
            left -= {end.stream for end in batch.ended}


@pytest.mark.long
def test_streams_that_come_and_go_leave_only_their_counts(inline, tmp_path):
    clip = clips.encode(tmp_path / "clip.mp4", frames=8)
    stages = [placed("own", "Recording", "device"), placed("last", "Last", "device")]
    file = inline.folder / "pipeline.yaml"
    file.write_text(pipeline(inline, stages, {"a": (clip, {}), "b": (clip, {})}))
    engine = InlineEngine(plan(load(file)))
    try:
        engine.open(threading.Event())
        assert stages_in_memory() == 2
        engine.start()
        run_to_the_end(engine, "ab")
        for turn in range(2, 5):
            assert stages_in_memory() == 0
            own = engine.counts().stages["own"]
            assert (own.asked, own.counts["learnt"]) == (turn * 8, turn * 8)
            engine.add({"a": Position()})
            run_to_the_end(engine, "a")
    finally:
        engine.close(10)
    assert engine.counts().stages["last"].asked == 5 * 8
