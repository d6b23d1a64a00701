"""From footage to a profile that a run goes by; and what cannot be learnt from, with the reason."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests import lines
from tests.cameras.servers import free_port
from tests.tuning.footage import clip
from vidpipe.accuracy.reference.model import choose_reference
from vidpipe.cascade.audit import AuditSpec
from vidpipe.core.errors import ConfigError
from vidpipe.core.progress import Silent
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.sources.own import PictureSource, Shot
from vidpipe.tuning import live
from vidpipe.tuning.labels import labelled, refuse
from vidpipe.tuning.optimiser import Budget
from vidpipe.tuning.profile import apply, read
from vidpipe.tuning.specialize import SpecializeOptions, specialize


def learn(pipeline, tmp_path, **options):
    options = SpecializeOptions(Budget(0.02, 0.02), tmp_path / "profiles", gates=False, **options)
    return specialize(pipeline, "yard", options, Silent())


def answers(pipeline, tmp_path):
    file = tmp_path / "results.jsonl"
    outcome = run(pipeline, engine="inline", sinks=[ResultsFile(file)])
    assert outcome.exit_status == 0, outcome.errors
    return lines.answers(file)


@pytest.mark.long
def test_a_run_with_the_profile_looks_where_something_is(yard, tmp_path):
    """Fitted on one clip, run on another of the yard: things are found as before, and the rest is not looked at."""
    learnt = learn(yard(clip(tmp_path / "fit.mp4", seconds=60, visits=6)), tmp_path)
    assert learnt.verdict.choice.detects
    other = replace(
        yard(clip(tmp_path / "other.mp4", seconds=40, visits=3)), audit=AuditSpec(rate=0, max_unchecked_s=None)
    )
    truth = answers(other, tmp_path)
    found = answers(apply(other, tmp_path / "profiles", look=True).pipeline, tmp_path)
    there = [bool(answer["detections"]) for answer in truth]
    assert sum(there) > 40
    assert [bool(answer["detections"]) for answer in found] == there
    looked = sum(answer["by"] == "find" for answer in found)
    assert looked < 1.3 * sum(there)
    assert all(answer["how"] == "empty" for answer in found if answer["by"] == "difference")


def test_the_profile_holds_the_evidence(yard, tmp_path):
    learnt = learn(yard(clip(tmp_path / "fit.mp4", seconds=60, visits=6)), tmp_path)
    version = read(tmp_path / "profiles", "yard").version(1)
    evidence = version.evidence
    assert version == learnt.version
    assert evidence["frames"] == 600
    assert evidence["visits"] == 6
    assert 300 < evidence["pictures"] <= 600  # little noise: the encoder makes some of them copies
    assert evidence["budget"] == {"miss": 0.02, "false": 0.02}
    assert evidence["chosen"]["cpu_ms"] < evidence["without"]["cpu_ms"]
    assert evidence["cost"]["labels_cpu_s"] > 0
    assert evidence["visits_missed_at_most"] == pytest.approx(0.31, abs=0.01)  # Wilson, none of six


@pytest.mark.long
def test_a_camera_is_watched_once(yard, tmp_path):
    """A recording played at its own speed: labels and previews come in one go."""
    pipeline = yard(f"live+file:{clip(tmp_path / 'fit.mp4', seconds=13, visits=2)}")
    footage, examples, look_ms = labelled(pipeline, "yard", choose_reference(pipeline, None, "big"), 12.0, Silent())
    assert 110 <= footage.frames <= 125
    assert footage.visits == footage.seen_visits == 2
    assert footage.known.mean() > 0.5
    assert look_ms > 0
    assert len(examples) > 50
    # How many pictures a busy machine sees of a camera is chance.
    too_few = r"^stream yard: (too few visits of things: 2 in 12 s|\d+ different pictures are too few)"
    with pytest.raises(ConfigError, match=too_few):
        refuse(footage, "yard")


def test_a_camera_that_never_answers(yard, tmp_path, monkeypatch):
    """It once hung for ever: a run waits for a camera to come back, but here somebody sits and waits."""
    monkeypatch.setattr(live, "FIRST_S", 1.0)
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"^stream yard: never seen: .*refused.*, for 1 s \(`vidpipe probe`"):
        learn(yard(f"rtsp://127.0.0.1:{free_port()}/yard"), tmp_path, for_s=1200.0)
    assert time.monotonic() - began < 10


class FallsSilent(PictureSource):
    """Pictures, and then nothing for ever."""

    live = True

    def __init__(self):
        self.closed = threading.Event()

    def pictures(self):
        for seq in range(3):
            yield Shot(seq / 10, np.zeros((96, 128, 3), np.uint8))
        self.closed.wait()

    def close(self):
        self.closed.set()


def test_a_camera_that_falls_silent_has_shown_what_it_has_shown(yard):
    pipeline = yard(f"{__name__}:FallsSilent")
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"^stream yard: 3 pictures are too few"):
        labelled(pipeline, "yard", choose_reference(pipeline, None, "big"), 1.0, Silent())
    assert 1 <= time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"seconds": 8, "visits": 1}, r"80 pictures are too few to learn from: give footage with 100 at least"),
        ({"seconds": 30, "visits": 2, "fps": Fraction(1, 5), "lasts": 1}, r"6 pictures are too few to learn from"),
        ({"seconds": 30, "visits": 4, "copies": 9}, r"\d\d different pictures are too few to learn from"),
        ({"seconds": 20, "visits": 0}, r"the last stage found no thing in 200 frames, 20 s: without an example"),
        ({"seconds": 15, "everywhere": True}, r"the last stage found thing in every one of 150 frames"),
        ({"seconds": 20, "visits": 1}, r"too few visits of things: 1 in 20 s, of which 1 seen in 3 .* give .* 3 more"),
        ({"seconds": 30, "visits": 3}, r"too few visits of things: 3 in 30 s, of which 3 seen in 3 .* give .* 1 more"),
        ({"seconds": 30, "visits": 3, "pan": 4}, r"the camera moves: by 2\.\d % of the picture's width"),
    ],
)
def test_what_cannot_be_learnt_from_is_told(yard, tmp_path, made, message):
    pipeline = yard(clip(tmp_path / "fit.mp4", **made))
    with pytest.raises(ConfigError, match="^stream yard: " + message.replace(" %", "%")):
        learn(pipeline, tmp_path)
    assert read(tmp_path / "profiles", "yard") is None


def test_only_the_first_part_of_a_recording(yard, tmp_path):
    learnt = learn(yard(clip(tmp_path / "fit.mp4", seconds=60, visits=9)), tmp_path, for_s=30.0)
    assert learnt.footage.frames in (300, 301)


def test_a_recording_of_another_camera_runs_without_the_profile(yard, tmp_path):
    learn(yard(clip(tmp_path / "fit.mp4", seconds=60, visits=6)), tmp_path)
    elsewhere = yard(clip(tmp_path / "elsewhere.mp4", seconds=2, visits=0, seed=3))
    applied = apply(elsewhere, tmp_path / "profiles", look=True)
    assert applied.pipeline == elsewhere
    (line,) = applied.lines
    assert line.startswith("profile of stream yard is of another camera: another view: ")
    assert line.endswith("stream yard runs without it")
