"""Drawn video: every answer is one picture, at its own time, in a file that outlives its process."""

import pickle
import shutil
from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import supervision as sv

from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.frame import Frame, Image, Missing
from vidpipe.core.picture import BgrPicture, YuvPicture
from vidpipe.results.sinks.overlay import Moment, Overlay
from vidpipe.results.sinks.video import VideoFrameSink, VideoWriter
from vidpipe.sources.base import StreamInfo

GREY = np.full((96, 128, 3), 90, np.uint8)
LEDGER = {"difference": 6, "gate": 3, "big": 1}


def info(name: str = "cam", width: int = 128, height: int = 96, fps: float | None = 10) -> StreamInfo:
    return StreamInfo(name, width, height, fps, None)


def frame(seq: int, pts: float | None = None, picture: Image = GREY) -> Frame:
    pts = seq / 10 if pts is None else pts
    return Frame("cam", seq, pts, BgrPicture(picture), picture.shape[1], picture.shape[0])


def boxes(*xyxy: tuple[float, float, float, float]) -> sv.Detections:
    count = len(xyxy)
    return sv.Detections(
        np.array(xyxy, np.float32),
        confidence=np.full(count, 0.9, np.float32),
        class_id=np.zeros(count, int),
        tracker_id=np.arange(count),
        data={"class_name": np.array(["person"] * count)},
    )


def answer(how: How = How.MEASURED, detections: sv.Detections | None = None, reason: str = "") -> Answer:
    return Answer(nothing() if detections is None else detections, how, "big", 0, reason)


def shown(path: Path) -> list[tuple[float, Image]]:
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert stream.codec.name in ("h264", "mpeg4")
        assert stream.pix_fmt == "yuv420p"
        return [(float(frame.time), frame.to_ndarray(format="bgr24")) for frame in video.decode(stream)]


def times(path: Path) -> list[float]:
    return [round(time, 4) for time, _ in shown(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "drawn.mp4"


def missing(seq: int, pts: float | None = None) -> Missing:
    return Missing("cam", seq, seq / 10 if pts is None else pts, How.DROPPED, "damaged")


def draw(path: Path, frames: Iterable[Frame | Missing], stream: StreamInfo | None = None) -> VideoWriter:
    writer = VideoFrameSink(str(path)).open(stream or info())
    for item in frames:
        writer.write(item, answer(), LEDGER)
    writer.close()
    return writer


# The file


def test_every_answer_is_a_picture_at_its_own_time(path: Path) -> None:
    pts = [5.0, 5.1, 5.13, 5.9, 9.0]
    draw(path, [frame(seq, at) for seq, at in enumerate(pts)])
    assert times(path) == [0.0, 0.1, 0.13, 0.9, 4.0]


def test_the_picture_is_shown_as_it_is(path: Path) -> None:
    colours = np.zeros((96, 128, 3), np.uint8)
    colours[:48, :, 2], colours[48:, :, 0] = 200, 200
    draw(path, [frame(0, picture=colours)])
    ((_, drawn),) = shown(path)
    top = Overlay(128, 96).top
    assert np.abs(drawn[top : top + 96, :128].astype(int) - colours).mean() < 8


def test_a_frame_without_a_picture_repeats_the_one_before(path: Path) -> None:
    bright = np.full_like(GREY, 220)
    draw(path, [missing(0), frame(1, 0.1, bright), missing(2), missing(3), frame(4, 0.4)])
    pictures = shown(path)
    assert [round(time, 2) for time, _ in pictures] == [0.0, 0.1, 0.2, 0.3, 0.4]
    middles = [float(picture[40:80, 20:100].mean()) for _, picture in pictures]
    assert middles == pytest.approx([0, 220, 220, 220, 90], abs=6)


def test_a_frame_without_a_picture_has_its_own_time(path: Path) -> None:
    """A camera that rests gives no picture for a while, and then at another pace than was announced."""
    draw(path, [frame(0), missing(1, 0.1), missing(2, 3.0), missing(3, 3.04), frame(4, 9.5)])
    assert times(path) == [0.0, 0.1, 3.0, 3.04, 9.5]


def test_nothing_is_made_or_replaced_before_the_first_picture(path: Path) -> None:
    """The run may still be refused when writers are open."""
    VideoFrameSink(str(path)).open(info()).close()
    assert not path.exists()
    path.write_text("an earlier video")
    writer = VideoFrameSink(str(path)).open(info())
    assert path.read_text() == "an earlier video"
    writer.write(frame(0), answer(), LEDGER)
    writer.close()
    assert times(path) == [0.0]


def test_what_is_replaced_stays_under_its_other_names(path: Path) -> None:
    path.write_text("an earlier video")
    (path.parent / "kept.mp4").hardlink_to(path)
    draw(path, [frame(0)])
    assert times(path) == [0.0]
    assert (path.parent / "kept.mp4").read_text() == "an earlier video"


def test_a_file_that_another_run_draws_into_is_refused(path: Path) -> None:
    first = VideoFrameSink(str(path)).open(info())
    first.write(frame(0), answer(), LEDGER)
    with pytest.raises(ConfigError, match="is being written by another run"):
        VideoFrameSink(str(path)).open(info())
    first.close()
    draw(path, [frame(0), frame(1)])
    assert times(path) == [0.0, 0.1]


def test_times_that_stand_still_or_go_back_do_not_stop_it(path: Path) -> None:
    draw(path, [frame(0, 1.0), frame(1, 1.0), frame(2, 0.5), frame(3, 1.2)])
    written = times(path)
    assert len(written) == 4
    assert written == sorted(written)
    assert written[-1] == 0.2
    assert len({time for time, _ in shown(path)}) == 4


@pytest.mark.parametrize(("width", "height"), [(128, 96), (127, 95), (130, 97), (33, 41), (640, 358)])
def test_any_size(path: Path, width: int, height: int) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, width // 2 :, 2] = 220
    draw(path, [frame(0, picture=picture)], info(width=width, height=height))
    ((_, drawn),) = shown(path)
    row = drawn[drawn.shape[0] // 2].astype(int)
    assert row[width // 4].max() < 40
    assert row[width * 3 // 4, 2] > 180
    assert row[width * 3 // 4, :2].max() < 50


def test_a_camera_that_changes_its_size_keeps_its_file(path: Path) -> None:
    draw(path, [frame(0), frame(1, picture=np.full((240, 320, 3), 90, np.uint8)), frame(2)])
    assert len({picture.shape for _, picture in shown(path)}) == 1
    assert len(times(path)) == 3


def test_a_size_that_is_not_known_before_the_first_picture(path: Path) -> None:
    draw(path, [missing(0), frame(1), frame(2)], info(width=0, height=0, fps=None))
    assert times(path) == [0.0, 0.1]


@pytest.mark.parametrize("noise", [0, 255])
def test_a_killed_process_leaves_a_file_that_can_be_read(path: Path, tmp_path: Path, noise: int) -> None:
    """A still picture's minute fits FFmpeg's write buffer: unflushed, a killed process left an empty file."""
    writer = VideoFrameSink(str(path)).open(info())
    rng = np.random.default_rng(0)
    for seq in range(100):
        writer.write(
            frame(seq, picture=rng.integers(0, 1 + noise, (96, 128, 3), np.int64).astype(np.uint8)), answer(), LEDGER
        )
    left = Path(shutil.copy(path, tmp_path / "left.mp4"))
    writer.close()
    read = []
    with av.open(str(left)) as video, suppress(av.error.InvalidDataError):  # the fragment that was being written
        for decoded in video.decode(video=0):
            read.append(round(float(decoded.time), 4))
    assert 80 <= len(read) < 100
    assert read == times(path)[: len(read)]


def test_several_streams_have_a_file_each(tmp_path: Path) -> None:
    frame_sink = pickle.loads(pickle.dumps(VideoFrameSink(str(tmp_path / "out.mp4"), many=True)))
    for name in ("gate 7", "a/b"):
        writer = frame_sink.open(info(name))
        writer.write(frame(0), answer(), LEDGER)
        writer.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out-a%2Fb.mp4", "out-gate 7.mp4"]


def test_a_restart_goes_on_in_another_file(path: Path) -> None:
    draw(path, [frame(0), frame(1)])
    before = path.read_bytes()
    for _ in range(2):
        writer = VideoFrameSink(str(path)).open(info(), resumed=True)
        writer.write(frame(2), answer(), LEDGER)
        writer.close()
    assert path.read_bytes() == before
    assert times(path.with_name("drawn.2.mp4")) == times(path.with_name("drawn.3.mp4")) == [0.0]


@pytest.mark.parametrize(
    ("name", "says"),
    [("no/folder/drawn.mp4", "No such file or directory"), ("drawn.xyz", r"\.xyz is no kind of video; take \.mp4")],
)
def test_what_cannot_be_written_is_said_at_once(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        VideoFrameSink(str(tmp_path / name)).open(info())
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_full_disk_ends_the_run_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "drawn.mp4").symlink_to("/dev/full")
    rng = np.random.default_rng(0)

    def run() -> None:
        writer = VideoFrameSink(str(tmp_path / "drawn.mp4")).open(info())
        for seq in range(200):
            writer.write(frame(seq, picture=rng.integers(0, 255, (96, 128, 3), np.uint8)), answer(), LEDGER)

    with pytest.raises((RunError, ConfigError), match=r"drawn\.mp4 cannot be written.*No space left"):
        run()


# What is drawn

WHOLE = (20, 30, 100, 80)


def overlay(how: How, detections: sv.Detections, reason: str = "", ledger: dict[str, int] = LEDGER) -> Image:
    drawn = Overlay(128, 96).draw(GREY, answer(how, detections, reason), Moment("cam", 3, 0.3, 3), ledger)
    return drawn.copy()


def edge(how: How) -> float:
    """How much of the lower side of a box is drawn."""
    canvas = Overlay(128, 96)
    drawn = overlay(how, boxes(WHOLE))[canvas.top : canvas.top + 96]
    side = drawn[78:83, 20:100].astype(int) - 90
    return float((np.abs(side).max(axis=(0, 2)) > 30).mean())


def test_a_measured_box_is_whole_and_a_carried_one_is_not() -> None:
    assert edge(How.MEASURED) > 0.95
    assert edge(How.TRACKED) > 0.95
    for how in (How.REUSED, How.SKIPPED, How.DROPPED, How.FAILED):
        assert 0.05 < edge(how) < 0.6


def test_each_how_has_a_chip_of_its_own() -> None:
    bars = {how: overlay(how, nothing())[:20, :40].tobytes() for how in How}
    assert len(set(bars.values())) == len(How)


def test_the_strip_shows_the_shares() -> None:
    canvas = Overlay(768, 64)
    picture = np.zeros((64, 768, 3), np.uint8)
    drawn = canvas.draw(picture, answer(), Moment("cam", 0, 0.0, 0), {"difference": 3, "big": 1})
    row = drawn[canvas.top + 64 + 10, 8:-8]
    colours, counts = np.unique(row, axis=0, return_counts=True)
    assert len(colours) == 2
    assert sorted(counts / counts.sum()) == pytest.approx([0.25, 0.75], abs=0.01)


def test_a_stage_keeps_its_colour_while_others_come() -> None:
    canvas = Overlay(768, 64)
    picture = np.zeros((64, 768, 3), np.uint8)
    rows = [
        canvas.draw(picture, answer(), Moment("cam", 0, 0.0, 0), ledger)[canvas.top + 64 + 10, 8].tolist()
        for ledger in ({"big": 1}, {"big": 5, "gate": 9})
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("width", [16, 128, 768, 3840])
def test_long_words_stay_inside(width: int) -> None:
    """A reason is an exception's text: any length, and in any letters."""
    picture = np.zeros((48, width, 3), np.uint8)
    canvas = Overlay(width, 48)
    said = answer(How.FAILED, reason="Überlauf: " + "far too long " * 40)
    drawn = canvas.draw(picture, said, Moment("cam" * 20, 10**9, 1e6, 3), {f"stage{i}": i for i in range(30)})
    assert drawn.shape[:2] == canvas.size[::-1]
    assert not drawn[canvas.top : canvas.top + 48, :width].any()


@pytest.mark.footage
def test_real_pictures_with_their_own_times(assets: Path, path: Path) -> None:
    writer = VideoFrameSink(str(path)).open(info(width=768, height=576))
    with av.open(str(assets / "videos" / "vtest.avi")) as clip:
        for seq, decoded in zip(range(30), clip.decode(video=0), strict=False):
            writer.write(
                Frame("cam", seq, seq / 10, YuvPicture(decoded), 768, 576), answer(detections=boxes(WHOLE)), LEDGER
            )
    writer.close()
    assert times(path) == [float(Fraction(seq, 10)) for seq in range(30)]
