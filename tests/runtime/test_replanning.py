"""A plan that is kept to while a pipeline runs, on both engines. What must hold:

- of two streams one ends: the other one gets what is left over, in one epoch that says why;
- each frame has one answer, under the settings before or behind that.
"""

from __future__ import annotations

import pytest

from tests import clips
from tests.runtime.conftest import LIVE_FPS
from tests.runtime.test_session import SAYS

PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: says, type: mystages:Says, word: little}
  - {id: read, type: mystages:Read, on: edge}
tuner:
  type: planned
  every_s: 0.1
  elsewhere: true
  limits: {CPU of here: 2, thread of edge: 1}
  streams:
    short: {options: [{f1: 0.5, takes: {thread of edge: 0.5}, looks_on: edge, stages: {says: {word: little}}}]}
    long:
      options:
        - {f1: 0.5, takes: {thread of edge: 0.5}, looks_on: edge, stages: {says: {word: little}}}
        - {f1: 0.9, takes: {thread of edge: 0.9}, looks_on: edge, says: much, stages: {says: {word: much}}}
"""


@pytest.mark.long
def test_what_a_stream_leaves_that_ends_another_gets_in_one_epoch(runner):
    stages = runner.folder / "mystages.py"
    stages.write_text(stages.read_text() + SAYS)
    short = clips.encode(runner.folder / "short.mp4", frames=LIVE_FPS)
    long = clips.encode(runner.folder / "long.mp4", frames=5 * LIVE_FPS)
    ran = runner(PIPELINE, {"short": f"live+file:{short}", "long": f"live+file:{long}"}, sets=["late=wait"])
    assert not ran.outcome.errors
    assert ran.report["streams"]["short"]["settings"] == []
    (epoch,) = ran.report["streams"]["long"]["settings"]
    assert (epoch["by"], epoch["changes"]) == ("tuner", {"says": {"word": "much"}})
    assert epoch["reason"].startswith("a stream has ended")
    words = [line["reason"] for line in ran.of("long") if line["reason"] in ("little", "much")]
    assert words == sorted(words)
    assert set(words) == {"little", "much"}
    assert [line["seq"] for line in ran.of("long")] == list(range(5 * LIVE_FPS))
