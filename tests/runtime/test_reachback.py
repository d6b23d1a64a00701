"""Reachback, on every engine. What must hold:

- a class that comes or goes while a filter answers is found at the frame at which it did, with every answer as it was
  published, and rules put the start of what they tell back;
- a recording is corrected the same each time, on each engine, over each link;
- who is asked too much, or does not answer, costs the search and no frame.
"""

from __future__ import annotations

import json

import pytest

from tests import clips
from tests.lines import answers
from tests.runtime.conftest import BY_INLINE
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.events import as_json
from vidpipe.results.replay import ResultsReplay
from vidpipe.results.sinks.events import EventsFile
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run

FRAMES = 100
FIRST, LAST = 37, 61  # frames between which there is something
SHOWS = f'''

class Shows(Read):
    """Finds something in some frames of the recording, as its picture says which frame that is."""

    stateless = True

    def answer(self, frames):
        return [self.said(frame) for frame in frames]

    def said(self, frame):
        if not {FIRST} <= number(frame) < {LAST}:
            return Answer(sv.Detections.empty(), How.MEASURED, self.id, frame.seq)
        boxes = sv.Detections(
            xyxy=np.array([[0, 0, 10, 10]], np.float32), confidence=np.array([0.5]),
            class_id=np.array([0]), data={{"class_name": np.array(["even"])}},
        )
        return Answer(boxes, How.MEASURED, self.id, frame.seq)


class Tenth(Stage):
    """Passes on one frame of ten, and repeats what it has learnt on all others."""

    known = None

    def answer(self, frames):
        (frame,) = frames
        if frame.seq % 10 == 0:
            return [None]
        return [Answer(self.known.detections, How.REUSED, self.id, self.known.as_of)]

    def learn(self, frame, answer):
        self.known = answer
'''
PIPELINE = """
classes: {even: even, odd: odd}
audit: {rate: 0, max_unchecked_s: null}
stages:
  - {id: tenth, type: mystages:Tenth}
  - {id: shows, type: mystages:Shows, on: edge}
"""
BACK = "reachback: {seconds: 5}\n"
RULES = """
rules:
  - {id: there, kind: presence, class: even, confirm_s: 0, grace_s: 0}
  - {id: away, kind: absence, class: even, for_s: 0, confirm_s: 0}
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("back") / "clip.mp4", frames=FRAMES)


@pytest.fixture
def back(runner):
    """Runs a pipeline with these stages on the engine under test."""
    stages = runner.folder / "mystages.py"
    stages.write_text(stages.read_text() + SHOWS)
    return runner


def corrections_of(lines):
    return {line["seq"]: line["corrections"] for line in lines if "corrections" in line}


def changes(lines):
    """Frames at which what was published begins to be otherwise."""
    there = [bool(line["detections"]) for line in lines]
    return [seq for seq in range(1, len(there)) if there[seq] != there[seq - 1]]


CAME = {"class": "even", "appeared": True, "seq": FIRST, "within": 1, "look": 40, "frames": 3, "asked": 4}
WENT = {"class": "even", "appeared": False, "seq": LAST, "within": 1, "look": 70, "frames": 9, "asked": 4}


@pytest.mark.parametrize("links", ["", "links: {device-edge: {codec: jpeg, quality: 95}}\n"])
def test_of_a_recording_the_moments_come_with_the_looks_that_differ(back, clip, links):
    ran = back(PIPELINE + BACK + links, {"a": clip})
    lines = ran.of("a")
    assert [line["seq"] for line in lines] == list(range(FRAMES))
    assert changes(lines) == [40, 70]  # what was published stays
    told = corrections_of(lines)
    assert told.keys() == {40, 70}
    for (seq, (found,)), expected in zip(told.items(), (CAME, WENT), strict=True):
        assert found == expected | {"pts": lines[found["seq"]]["pts"], "captured_at": None}, seq
    assert ran.report["streams"]["a"]["reachback"] == {"searches": 2, "asked": 8, "corrections": 2, "frames": 12}
    assert ran.report["stages"]["shows"]["asked"] == FRAMES // 10 + 8
    assert not ran.outcome.errors


@BY_INLINE
def test_nobody_is_asked_again_unless_that_is_wanted(back, clip):
    ran = back(PIPELINE, {"a": clip})
    assert not corrections_of(ran.of("a"))
    assert "reachback" not in ran.report["streams"]["a"]
    assert ran.report["stages"]["shows"]["asked"] == FRAMES // 10


@pytest.mark.long
@BY_INLINE
def test_rules_put_back_when_what_they_tell_began_and_ended_live_and_replayed(back, clip):
    file, results, events = (back.folder / name for name in ("pipeline.yaml", "results.jsonl", "events.jsonl"))
    for text, expected in ((PIPELINE, (40, 69)), (PIPELINE + BACK, (FIRST, LAST))):
        file.write_text(text + RULES)
        run(load(file, sources={"a": str(clip)}), sinks=[ResultsFile(results), EventsFile(events)])
        told = [json.loads(line) for line in events.read_text().splitlines()]
        spans = {(event["kind"], event["phase"]): event for event in told if event["seq"] >= 40}
        began, ended = spans["presence", "begin"], spans["presence", "end"]
        assert began["started_pts"] == pytest.approx(expected[0] / clips.FPS)
        assert ended["ended_pts"] == pytest.approx(expected[1] / clips.FPS)
        assert spans["absence", "begin"]["started_pts"] == pytest.approx(min(expected[1], 70) / clips.FPS, abs=0.041)
        replay = ResultsReplay(results)
        assert [as_json(event, replay.head["start"]) for event in replay.events()] == told


@pytest.mark.long
def test_of_a_camera_the_moments_come_later_and_nobody_waits(back, live, clip):
    """The look is late: what the filter learns of it is published first, and the event is put back then."""
    file = back.folder / "pipeline.yaml"
    file.write_text(PIPELINE + BACK + RULES)
    events = back.folder / "events.jsonl"
    pipeline = load(file, sources={"a": f"live+file:{clip}"})
    results = back.folder / "live.jsonl"
    sinks = [ResultsFile(results), EventsFile(events)]
    outcome = run(pipeline, engine=back.engine, address=back.address, sinks=sinks, **live.turned())
    lines = answers(results)
    assert [line["seq"] for line in lines] == list(range(FRAMES))
    found = [each for line in lines for each in line.get("corrections", ())]
    assert [(each["appeared"], each["seq"], each["within"], each["look"]) for each in found] == [
        (True, FIRST, 1, 40),
        (False, LAST, 1, 70),
    ]
    assert outcome.report["streams"]["a"]["reachback"]["corrections"] == 2
    told = [json.loads(line) for line in events.read_text().splitlines()]
    (last,) = [each for each in told if each["kind"] == "presence" and each["phase"] != "end"][-1:]
    assert last["started_pts"] == pytest.approx(FIRST / clips.FPS, abs=0.001)


@BY_INLINE
def test_a_last_stage_that_knows_more_than_the_frame_cannot_be_asked_again(back, clip):
    text = PIPELINE.replace("mystages:Shows", "mystages:Read") + BACK
    with pytest.raises(ConfigError, match="stage 'shows' would be asked of earlier frames"):
        back(text, {"a": clip})
