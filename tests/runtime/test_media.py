"""Pictures and clips of events, on both engines: where events say, of the frames that they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests import clips
from tests.media import clip as clip_of
from tests.media import squares
from vidpipe.results.sinks.events import EventsFile
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run

FRAMES = 200


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the pipeline on a clip; gives what it tells."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def run_it(path: Path, *, sets: tuple[str, ...] = (), **options: Any) -> squares.Told:
        sinks = [ResultsFile(tmp_path / "r.jsonl"), EventsFile(tmp_path / "e.jsonl")]
        outcome = run(squares.pipeline(tmp_path, path, sets), sinks=sinks, **options)
        assert not outcome.errors
        return squares.told(tmp_path, outcome.report)

    return run_it


@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
@pytest.mark.parametrize("ending", ["mp4", "ts"])
def test_boxes_of_results_lie_on_what_a_clip_shows(made, tmp_path, request, engine, ending):
    path = clips.encode(tmp_path / f"whole.{ending}", frames=FRAMES, gop=20, b_frames=2)
    options = {"address": request.getfixturevalue("cluster")} if engine == "ray" else {}
    events, results, report = made(path, engine=engine, **options)
    assert [(event["kind"], event["track_id"]) for event in events] == [
        ("zone.enter", 1),
        ("zone.exit", 1),
        ("zone.enter", 2),
        ("zone.exit", 2),
    ]
    assert report["cam"]["clips"] == {"made": 2, "written": 2, "waiting": 0, "dropped": {}, "short": 0}
    assert report["cam"]["pictures"]["dropped"] == {}
    for event in events:
        clip = Path(event["clip"])
        begin = clip_of.comment(clip)["pts"]
        assert begin <= event["started_pts"] - 0.5
        ended = next(each for each in events if each["id"] == event["id"] and "ended_pts" in each)
        assert begin + clip_of.shown(clip)[-1][0] >= ended["ended_pts"] + 0.3 - 1 / clips.FPS
        assert squares.boxes_on(clip, results) == {1: 50, 2: 20}[event["track_id"]]


def test_a_picture_is_of_the_frame_that_its_box_belongs_to(made, tmp_path):
    events, _, _ = made(clips.encode(tmp_path / "whole.mp4", frames=FRAMES), engine="inline")
    for event in events:
        grey = cv2.imread(event["snapshot"], cv2.IMREAD_GRAYSCALE)
        assert grey.shape == (clips.HEIGHT, clips.WIDTH)
        number = clips.number(grey)
        assert (30 <= number < 80) if event["track_id"] == 1 else (150 <= number < 170)
        bright = np.flatnonzero(grey[clips.HEIGHT // 2 + 4] > 200)
        assert abs(bright[0] - (8 + number * 3 % (clips.WIDTH - 40))) <= 1


def test_a_mask_holds_for_pictures_and_keeps_clips_away(made, tmp_path):
    path = clips.encode(tmp_path / "whole.mp4", frames=FRAMES)
    mask = "streams.cam.mask=[[[0, 0.8], [1, 0.8], [1, 1], [0, 1]]]"
    events, _, report = made(path, engine="inline", sets=(mask,))
    assert {event["clip"] for event in events} == {None}
    assert report["cam"]["clips"]["made"] == 0
    for event in events:
        grey = cv2.imread(event["snapshot"], cv2.IMREAD_GRAYSCALE)
        assert grey[int(0.85 * clips.HEIGHT) :].max() < 25
        assert grey[: int(0.7 * clips.HEIGHT)].max() > 100
    events, _, report = made(path, engine="inline", sets=(mask, "streams.cam.clips=true"))
    assert report["cam"]["clips"]["written"] == 2


def test_without_media_events_are_those_of_before(made, tmp_path):
    path = clips.encode(tmp_path / "whole.mp4", frames=FRAMES)
    events, _, report = made(path, engine="inline", sets=("media=null",))
    assert {(event["snapshot"], event["clip"]) for event in events} == {(None, None)}
    assert report == {}
    assert not (tmp_path / "media").exists()
