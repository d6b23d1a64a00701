"""A camera's events, from the wire to pictures and clips: in time, and with boxes that lie on what a clip shows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cameras import servers
from tests.media import clip as clip_of
from tests.media import squares
from vidpipe.results.sinks.events import EventsFile
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.session import Run


def watched(folder, url, seconds, sets=(), **options):
    """What a run of so many seconds tells."""
    sinks = [ResultsFile(folder / "r.jsonl"), EventsFile(folder / "e.jsonl")]
    pipeline = squares.pipeline(folder, url, ["streams.cam.max_blind_s=0", *sets])
    with Run(pipeline, sinks=sinks, results=False, **options) as run:
        time.sleep(seconds)
        run.stop()
        outcome = run.join()
    return squares.told(folder, outcome.report)


@pytest.mark.long
@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_clips_are_there_in_time_with_boxes_on_their_objects(serve, clip, tmp_path, monkeypatch, engine):
    monkeypatch.syspath_prepend(str(tmp_path))
    told = watched(tmp_path, serve({"/a": clip}).url(), 9, engine=engine)
    ended = {event["id"]: event for event in told.events if event["phase"] == "end"}
    assert len(ended) >= 2
    assert told.media["cam"]["clips"]["dropped"] == told.media["cam"]["pictures"]["dropped"] == {}
    boxes = 0
    for event in list(ended.values())[:-1]:  # the last one may end with the run
        path = Path(event["clip"])
        assert path.stat().st_mtime - (event["ended_at"] + 0.3) < 2.0
        begin = clip_of.comment(path)["pts"]
        assert begin <= event["started_pts"] - 0.5 or begin < 1.0
        boxes += squares.boxes_on(path, told.results)
        assert Path(event["snapshot"]).exists()
    assert boxes >= 20


@pytest.mark.long
def test_where_record_url_is_away_events_go_on(serve, clip, tmp_path, monkeypatch, caplog):
    monkeypatch.syspath_prepend(str(tmp_path))
    away = f"rtsp://joe:s3cret@127.0.0.1:{servers.free_port()}/top-s3cret"
    told = watched(tmp_path, serve({"/a": clip}).url(), 6, [f"streams.cam.record_url={away}"], engine="inline")
    assert len(told.events) >= 2
    clips = told.media["cam"]["clips"]
    assert clips["made"] >= 1
    assert clips["dropped"] == {"record_url is away": clips["made"]}
    everything = caplog.text + "".join(path.read_text() for path in tmp_path.glob("*.jsonl"))
    assert "s3cret" not in everything
