"""Archives of recordings: as one run would answer them, whatever ends in between."""

import json
import os
import threading
from dataclasses import replace

import av
import pytest

from tests import clips
from tests.archive.conftest import CHUNKS, FRAMES, READ, THIRD
from vidpipe.archive import answering
from vidpipe.archive.answering import ChunkTask, IndexTask
from vidpipe.archive.run import Options
from vidpipe.core.errors import ConfigError
from vidpipe.results.sinks.events import EventsFile
from vidpipe.results.store.queries import Store
from vidpipe.runtime.driver.run import run


def test_results_are_those_of_one_run(archiver):
    recordings = {"clip": archiver.clip(), "other": archiver.clip("other", frames=35, b_frames=2)}
    outcome = archiver(READ, recordings)
    assert outcome.exit_status == 0
    expected = archiver.one_run(READ, recordings)
    assert archiver.lines() == expected["clip"]
    assert archiver.lines("other") == expected["other"]
    told = archiver.report()["archive"]
    assert (told["recordings"], told["joined"], told["chunks"], told["joints"]) == (2, 2, 6, 4)
    assert told["f1_at_joint"] == told["f1_warm_up"] == 1.0


@pytest.mark.parametrize("file", ["clip.ts", "clip.avi", "clip.mkv"])
def test_of_each_container_too(archiver, file):
    clip = archiver.clip().with_name(file)
    codec = "mpeg4" if file.endswith("avi") else "libx264"
    clips.encode(clip, frames=FRAMES, gop=10, codec=codec, b_frames=0 if codec == "mpeg4" else 2)
    assert archiver(READ, {"clip": clip}).exit_status == 0
    assert archiver.lines() == archiver.one_run(READ, {"clip": clip})["clip"]
    assert archiver.report()["archive"]["chunks"] > 1


def test_stages_with_a_memory_are_warmed_up(archiver):
    recordings = {"clip": archiver.clip()}
    outcome = archiver(THIRD, recordings)
    assert archiver.lines() == archiver.one_run(THIRD, recordings)["clip"]
    clip = outcome.report["streams"]["clip"]
    assert clip["frames_in"] == FRAMES
    assert clip["joints"]["asked_twice"] == 4 * 5
    assert outcome.report["stages"]["third"]["asked"] == FRAMES + 4 * 5
    assert clip["audits"]["third"]["audited"] > 0


def test_without_a_warm_up_the_report_tells_of_it_by_the_counts(archiver):
    archiver(THIRD, {"clip": archiver.clip()}, Options(chunk_s=0.75, warm_up_s=0))
    told = archiver.report()["archive"]
    assert told["asked_twice"] == 0
    assert told["f1_at_joint"] is None


def test_a_second_start_does_nothing_twice_and_gives_the_same_bytes(archiver):
    recordings = {"clip": archiver.clip()}
    archiver(THIRD, recordings)
    before = (archiver.folder / "out" / "clip.jsonl").read_bytes()
    archiver(THIRD, recordings)
    assert archiver.here.done == []
    assert (archiver.folder / "out" / "clip.jsonl").read_bytes() == before


def test_another_start_gives_the_same_bytes_below_the_first_line(archiver):
    recordings = {"clip": archiver.clip()}
    for out in ("one", "other"):
        archiver(THIRD, recordings, out=out)
    one, other = ((archiver.folder / out / "clip.jsonl").read_bytes().split(b"\n", 1)[1] for out in ("one", "other"))
    assert one == other


def test_more_recordings_may_come(archiver):
    archiver(READ, {"clip": archiver.clip()})
    archiver(READ, {"clip": archiver.folder / "clip.mp4", "more": archiver.clip("more", frames=20)})
    assert {task.name for task in archiver.here.done} == {"more"}
    assert archiver.report()["archive"]["joined"] == 2


def test_a_recording_that_has_changed_is_answered_anew(archiver):
    archiver(READ, {"clip": archiver.clip()})
    archiver(READ, {"clip": archiver.clip(frames=60)})
    assert [type(task) for task in archiver.here.done] == [IndexTask, ChunkTask, ChunkTask, ChunkTask]
    assert [line["seq"] for line in archiver.lines()] == list(range(60))


def test_a_chunk_that_kills_its_worker_is_failed_in_order(archiver):
    archiver.dies = lambda task: "killed by SIGKILL" if isinstance(task, ChunkTask) and task.chunk.begin == 20 else ""
    outcome = archiver(READ, {"clip": archiver.clip()})
    lines = archiver.lines()
    assert [line["seq"] for line in lines] == list(range(FRAMES))
    failed = [line for line in lines if line["how"] == "failed"]
    assert [line["seq"] for line in failed] == list(range(20, 40))
    assert {line["reason"] for line in failed} == {"killed by SIGKILL, 3 times"}
    assert {line["as_of"] for line in failed} == {19}
    expected = archiver.one_run(READ, {"clip": archiver.folder / "clip.mp4"})["clip"]
    assert [line["pts"] for line in lines] == [line["pts"] for line in expected]
    assert outcome.exit_status == 1
    assert "frames 20 to 39" in outcome.errors[0]
    assert str(archiver.folder / "out" / "work") in outcome.errors[0]


def test_a_worker_that_dies_once_costs_nothing(archiver):
    deaths = iter(["killed by SIGKILL", "ended with status 1"])
    archiver.dies = lambda task: next(deaths, "") if isinstance(task, ChunkTask) else ""
    assert archiver(READ, {"clip": archiver.clip()}).exit_status == 0
    assert archiver.lines() == archiver.one_run(READ, {"clip": archiver.folder / "clip.mp4"})["clip"]


def test_what_is_no_recording_is_told_by_name_and_left_out(archiver):
    (archiver.folder / "empty.mp4").touch()
    (archiver.folder / "text.mp4").write_text("no video at all")
    recordings = {name: archiver.folder / f"{name}.mp4" for name in ("empty", "text", "gone")}
    (archiver.folder / "gone.mp4").touch()
    archiver.load(READ, recordings)
    (archiver.folder / "gone.mp4").unlink()
    (archiver.folder / "folder.mp4").mkdir()
    os.mkfifo(archiver.folder / "pipe.mp4")
    clips.cut(archiver.clip("whole"), archiver.folder / "unfinished.mp4", 0.6)
    recordings |= {name: archiver.folder / f"{name}.mp4" for name in ("folder", "pipe", "unfinished")}
    outcome = archiver(READ, {**recordings, "clip": archiver.clip()})
    assert outcome.exit_status == 1
    left_out = {
        name: why.removeprefix(str(recordings[name])) for name, why in outcome.report["archive"]["left_out"].items()
    }
    assert left_out.pop("unfinished").startswith(" has no index (moov): the recording was cut off")
    assert left_out == {
        "empty": " is empty",
        "text": " is not a video file; give one that ffprobe can read",
        "gone": ": No such file or directory",
        "folder": " is no file: an archive is made of recordings that lie on a disk",
        "pipe": " is no file: an archive is made of recordings that lie on a disk",
    }
    assert {error.split()[0] for error in outcome.errors} == set(recordings)
    assert len(archiver.lines()) == FRAMES


def test_a_recording_that_nobody_here_may_read_is_told_by_name_and_left_out(archiver, monkeypatch):
    """Of root, who may read all, the refusal is put in FFmpeg's place."""
    locked, opened = archiver.clip("locked"), av.open
    locked.chmod(0)

    def refused(file, *args, **how):
        if "locked" in str(file):
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, *args, **how)

    monkeypatch.setattr(av, "open", refused)
    outcome = archiver(READ, {"locked": locked, "clip": archiver.clip()})
    assert outcome.report["archive"]["left_out"] == {
        "locked": f"{locked} may not be read by this user; change its permissions"
    }
    assert outcome.exit_status == 1
    assert len(archiver.lines()) == FRAMES


def test_a_recording_that_is_damaged_inside_is_answered_as_by_a_run(archiver):
    damaged = clips.scribble(archiver.clip("whole"), archiver.folder / "clip.mp4", [33, 34, 50, 71])
    outcome = archiver(READ, {"clip": damaged})
    assert archiver.lines() == archiver.one_run(READ, {"clip": damaged})["clip"]
    assert [line["seq"] for line in archiver.lines()] == list(range(FRAMES))
    dropped = [line for line in archiver.lines() if line["how"] == "dropped"]
    assert dropped
    assert all(line["reason"].startswith("damaged: ") for line in dropped)
    assert any("damaged picture" in note for note in outcome.report["streams"]["clip"]["notes"])


def test_a_recording_that_is_cut_short_is_answered_as_far_as_it_goes(archiver):
    whole = archiver.clip("whole", mux={"movflags": "frag_keyframe"})
    short = clips.cut(whole, archiver.folder / "clip.mp4", 0.6)
    archiver(READ, {"clip": short})
    expected = archiver.one_run(READ, {"clip": short})["clip"]
    assert archiver.lines() == expected
    assert 20 < len(expected) < FRAMES


def test_a_file_that_grows_is_left_out(archiver):
    clip, growing = archiver.clip(), archiver.clip("growing")

    def grow(seconds):
        with growing.open("ab") as file:
            file.write(b"more")

    outcome = archiver(READ, {"clip": clip, "growing": growing}, wait=grow)
    assert outcome.report["archive"]["left_out"] == {"growing": f"{growing} is still being written"}
    assert len(archiver.lines()) == FRAMES


def test_a_file_that_changes_meanwhile_is_left_out(archiver):
    clip = archiver.clip()

    def touched(task):
        if isinstance(task, ChunkTask) and task.chunk.begin == 40:
            with clip.open("ab") as file:
                file.write(b"more")
        return ""

    archiver.dies = touched
    outcome = archiver(READ, {"clip": clip})
    assert "has changed since" in outcome.report["archive"]["left_out"]["clip"]
    assert outcome.exit_status == 1


def test_pictures_that_do_not_lie_where_the_index_says_are_answered_in_one_go(archiver, monkeypatch):
    real = answering.index

    def wrong(spec, beat):
        made = real(spec, beat)
        return replace(made, times_us=made.times_us[1:], keys=made.keys[1:] - 1)

    monkeypatch.setattr(answering, "index", wrong)
    outcome = archiver(READ, {"clip": archiver.clip()})
    assert outcome.report["archive"]["chunks"] == 1
    assert archiver.lines() == archiver.one_run(READ, {"clip": archiver.folder / "clip.mp4"})["clip"]


RULES = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
rules:
  - {id: there, kind: occupancy, zone: left, at_least: 1}
  - {id: beyond, kind: occupancy, zone: right, at_least: 1}
streams:
  clip: {zones: {left: [[0, 0], [0.4, 0], [0.4, 1], [0, 1]], right: [[0.4, 0], [1, 0], [1, 1], [0.4, 1]]}}
"""


def test_events_are_those_of_one_run(archiver):
    clip = archiver.clip()
    archiver(RULES, {"clip": clip}, Options(chunk_s=0.75, store=archiver.folder / "store.db"))
    file = archiver.folder / "events.jsonl"
    run(archiver.load(RULES, {"clip": clip}), engine="inline", sinks=[EventsFile(file)])
    told, expected = (
        [
            {**event, "run": "", "id": event["id"].split("/", 1)[1]}
            for event in map(json.loads, path.read_text().splitlines())
        ]
        for path in (archiver.folder / "out" / "events.jsonl", file)
    )
    assert told == expected
    assert len(told) > 2
    with Store(archiver.folder / "store.db") as store:
        assert len(list(store.events())) == len({event["id"] for event in told})


def test_other_settings_are_refused_with_what_differs(archiver):
    recordings = {"clip": archiver.clip()}
    archiver(THIRD, recordings)
    with pytest.raises(ConfigError, match=r"audit.rate was 0.2 and is 0.3.*warm_up_s was 0.19 and is 0.4"):
        archiver(THIRD, recordings, Options(chunk_s=0.75, warm_up_s=0.4), sets=("audit.rate=0.3",))


def test_a_folder_of_others_is_left_alone(archiver):
    (archiver.folder / "out").mkdir()
    (archiver.folder / "out" / "clip.jsonl").write_text("mine")
    with pytest.raises(ConfigError, match="holds other things and no archive"):
        archiver(READ, {"clip": archiver.clip()})
    assert (archiver.folder / "out" / "clip.jsonl").read_text() == "mine"


@pytest.mark.parametrize(
    ("recordings", "more", "says"),
    [
        ({}, "", "nothing to answer"),
        ({"cam": "rtsp://user:secret@10.0.0.1/s"}, "", "stream cam is no recording"),
        ({"clip": "clip.mp4"}, "tuner: {type: floor}", "follows a stream from its beginning"),
        ({"events": "clip.mp4"}, "rules: [{id: r, kind: presence, class: even}]", "stream events: .*another name"),
    ],
)
def test_what_cannot_be_an_archive_is_refused(archiver, recordings, more, says):
    clip = archiver.clip()
    given = {name: clip if url == "clip.mp4" else url for name, url in recordings.items()}
    with pytest.raises(ConfigError, match=says) as raised:
        archiver(READ + more, given)
    assert "secret" not in str(raised.value)


def test_stopped_it_tells_of_what_is_joined_alone(archiver):
    stop = threading.Event()

    def stopped(task):
        if task.name == "other":
            stop.set()
        return ""

    archiver.dies = stopped
    recordings = {"clip": archiver.clip(), "other": archiver.clip("other")}
    outcome = archiver(READ, recordings, stop=stop)
    assert outcome.exit_status == 130
    report = archiver.report()
    assert report["finished"] is False
    assert set(report["streams"]) <= {"clip"}
    assert archiver(READ, recordings).exit_status == 0
    assert set(archiver.report()["streams"]) == {"clip", "other"}


def test_another_stage_of_one_s_own_is_other_settings(archiver):
    recordings = {"clip": archiver.clip()}
    archiver(READ, recordings)
    with (archiver.folder / "mystages.py").open("a") as stages:
        stages.write("# another version")
    with pytest.raises(ConfigError, match=r"own\.mystages\.py was"):
        archiver(READ, recordings)


def test_the_times_of_few_recordings_are_in_memory(archiver, monkeypatch):
    """One that is done waits until it is joined before more are looked into."""
    monkeypatch.setattr("vidpipe.archive.archive.MOST_PICTURES", 1)
    recordings = {f"clip{number}": archiver.clip(f"clip{number}", frames=20) for number in range(4)}
    for _ in range(2):
        assert archiver(READ, recordings).report["archive"]["joined"] == 4


def test_parquet(archiver):
    import pyarrow.parquet as pq

    archiver(READ, {"clip": archiver.clip()}, Options(chunk_s=0.75, parquet=True))
    assert pq.read_table(archiver.folder / "out" / "clip.parquet").num_rows == FRAMES


def test_the_progress_adds_up(archiver):
    class Watcher:
        def look(self, progress):
            assert 0 <= progress.done <= progress.chunks
            assert progress.left_s > -1e-6
            self.last = progress

    watcher = Watcher()
    archiver(READ, {"clip": archiver.clip(), "bad": archiver.folder / "mystages.py"}, CHUNKS, watchers=[watcher])
    last = watcher.last
    assert (last.joined, last.left_out, last.chunks, last.done, last.at_work) == (1, 1, 5, 5, 0)
    assert last.media_s == pytest.approx(FRAMES / 25, abs=0.05)
    assert last.left_s == pytest.approx(0, abs=1e-6)
