"""The vectors of a codec as velocities. What must hold, whatever the encoder chose to refer to:

- where a thing moves over still ground, the field says how fast, and that the ground stands still;
- the field lies as the picture does: upright, and without what is hidden;
- where nobody asks, or the codec cannot tell, there is none.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests import clips
from tests.stages.track.conftest import texture
from vidpipe.core.frame import Frame
from vidpipe.core.motion import CELL
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import LIVE_FILE, StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.tuning.floor.export import WANTED, export_ms

WIDTH, HEIGHT, FRAMES, FPS, SIDE = 328, 248, 40, 25, 72  # no whole cells
STEP = np.array([3, 1])  # pixels a picture
GROUND = texture(0, WIDTH, HEIGHT) // 4 + 60
THING = texture(1, SIDE, SIDE) // 4 + 190  # brighter than any ground: that is how it is found again

ENCODERS = {
    "H.264": ("a.mp4", {}),
    "H.264, B-frames": ("a.mp4", {"b_frames": 2}),
    "H.264, B-frames that others build on": ("a.mkv", {"b_frames": 3, "options": {"b-pyramid": "normal"}}),
    "H.264 with start codes, B-frames": ("a.ts", {"b_frames": 3}),
    "H.264, several references": ("a.mp4", {"options": {"refs": "5"}}),
    "H.264, open groups": ("a.mp4", {"b_frames": 2, "options": {"x264-params": "open-gop=1:b-adapt=0"}}),
    "MPEG-4": ("a.mp4", {"codec": "mpeg4"}),
    "MPEG-4, B-frames": ("a.mp4", {"codec": "mpeg4", "b_frames": 2}),
    "MPEG-4 without presentation stamps": ("a.avi", {"codec": "mpeg4", "b_frames": 2}),
    "MPEG-2, B-frames": ("a.mpg", {"codec": "mpeg2video", "b_frames": 2, "options": {"qscale": "2"}}),
}


def picture(number, width=WIDTH, height=HEIGHT):
    luma = GROUND.copy()
    x, y = np.array([30, 60]) + STEP * number
    luma[y : y + SIDE, x : x + SIDE] = THING
    return clips.of_luma(luma.astype(np.uint8))


def encode(path, **options):
    return clips.encode(path, size=(WIDTH, HEIGHT), frames=FRAMES, fps=FPS, picture=picture, **options)


def frames_of(path, knobs=WANTED, **spec):
    source = open_source("cam", StreamSpec(url=str(path), **spec), knobs=knobs)
    return [item for item in source if isinstance(item, Frame)]


def box_of(frame):
    """Where the thing is in the picture: xyxy."""
    rows, columns = np.nonzero(frame.luma() > 175)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def inner_velocity(frame):
    """Median velocity of the cells in the middle of the thing, and the share of them that are known."""
    x0, y0, x1, y1 = box_of(frame)
    x, y = np.meshgrid(np.arange(x0 + CELL, x1 - CELL, 4), np.arange(y0 + CELL, y1 - CELL, 4))
    velocity, known = frame.motion().at(np.stack([x, y]))
    return (np.median(velocity[:, known], axis=1) if known.any() else None), known.mean()


def checked(frames, least=0.8, few=0.2):
    """In nearly every picture but key frames the field says what is seen to happen."""
    right = of_all = unknown = 0
    for before, frame in pairwise(frames):
        velocity, known = inner_velocity(frame)
        if velocity is None:
            unknown += 1
            continue
        of_all += 1
        middle = [(box_of(each)[:2] + box_of(each)[2:]) / 2 for each in (before, frame)]
        seen = (middle[1] - middle[0]) / (frame.pts - before.pts)
        right += known > 0.5 and np.abs(velocity - seen).max() < 20
        ground = frame.motion().velocity[-2:]
        assert np.median(np.abs(ground)) < 2
    assert unknown <= few * len(frames)
    assert right > least * of_all


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_thing_over_still_ground(tmp_path, encoder):
    name, options = ENCODERS[encoder]
    lacks_b = options.get("codec") == "mpeg4" and "b_frames" in options  # FFmpeg tells nothing of those
    checked(frames_of(encode(tmp_path / name, **options)), few=0.75 if lacks_b else 0.2)


@pytest.mark.parametrize(("rotation", "hflip"), [(90, False), (180, False), (-90, False), (0, True), (90, True)])
def test_the_field_is_upright_as_the_picture_is(tmp_path, rotation, hflip):
    frames = frames_of(encode(tmp_path / "a.mp4", rotation=rotation, hflip=hflip))
    assert (frames[0].width == HEIGHT) == (rotation % 180 != 0)
    checked(frames)


def test_of_hidden_parts_nothing_is_known(tmp_path):
    path = encode(tmp_path / "a.mp4")
    mask = [[(0, 0), (0.5, 0), (0.5, 1), (0, 1)]]
    motion, whole = (frames_of(path, **spec)[5].motion() for spec in ({"mask": mask}, {}))
    half = round(0.5 * WIDTH / CELL)
    assert not motion.known[:, :half].any()
    assert np.array_equal(motion.known[:, half:], whole.known[:, half:])
    assert motion.known[:, half:].all()


def test_a_key_frame_says_nothing_of_motion_and_the_picture_behind_it_does(tmp_path):
    frames = frames_of(encode(tmp_path / "a.mp4", gop=10))
    assert not frames[10].motion().known.any()
    assert frames[11].motion().known.mean() > 0.8
    assert frames[11].motion().reach_s == pytest.approx(1 / FPS, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("a.mp4", {"codec": "libx265"}),
        ("a.mp4", {"gop": 1}),
    ],
)
def test_where_there_are_no_vectors_there_is_no_field(tmp_path, name, options):
    path = encode(tmp_path / name, **options)
    assert all(frame.motion() is None for frame in frames_of(path)[3:])
    assert export_ms("cam", StreamSpec(url=str(path))) is None or options == {"gop": 1}


def test_where_nobody_asks_nothing_is_exported(tmp_path):
    frames = frames_of(encode(tmp_path / "a.mp4"), Knobs())
    assert all(frame.motion() is None for frame in frames)
    assert not any("MOTION_VECTORS" in str(kind) for frame in frames for kind in frame.picture.frame.side_data)


def test_a_recording_that_is_sought_has_the_same_field(tmp_path):
    path = encode(tmp_path / "a.mp4", b_frames=2)
    whole, part = frames_of(path), frames_of(path, start_s=1.2)
    for one, other in zip(whole[-len(part) :], part, strict=True):
        assert np.array_equal(one.motion().velocity, other.motion().velocity)
        assert one.motion().reach_s == pytest.approx(other.motion().reach_s)


def test_a_recording_that_is_played_as_a_camera(tmp_path):
    path = encode(tmp_path / "a.mp4")
    checked(frames_of(f"{LIVE_FILE}{path}"))


def test_a_price_is_known_of_what_can_be_told(tmp_path):
    price = export_ms("cam", StreamSpec(url=str(encode(tmp_path / "a.mp4"))))
    assert price is not None
    assert 0 <= price < 5
