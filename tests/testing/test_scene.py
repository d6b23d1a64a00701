"""The generated scene: exactly repeatable, honest truth, and plausible to a real detector."""

from itertools import combinations, pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Image
from vidpipe.testing import street
from vidpipe.testing.cutout import read_folder
from vidpipe.testing.scene import CLASSES, COUNTS_FROM, Box, Scene, SceneSpec, main, write
from vidpipe.testing.schedule import busy_spells, plan

BUSY = SceneSpec(width=384, height=288, duration_s=4, quiet_share=0, bus_every_s=8, arrivals_per_minute=40)
CLEAN = SceneSpec(**{**vars(BUSY), "noise_sigma": 0, "light_drift": 0, "shadows": False})


def spec(base: SceneSpec = BUSY, **changes: object) -> SceneSpec:
    return SceneSpec(**{**vars(base), **changes})  # type: ignore[arg-type]


def pictures(scene: SceneSpec) -> list[Image]:
    return [picture for picture, _ in Scene(scene)]


def noise(seed: int) -> list[np.ndarray]:
    """What the sensor's noise adds to the pictures of a scene."""
    noisy, clean = (spec(seed=seed, noise_sigma=sigma, duration_s=1) for sigma in (3, 0))
    return [a.astype(np.float32) - b for a, b in zip(pictures(noisy), pictures(clean), strict=True)]


# Repeatability


def test_equal_specs_give_equal_files(tmp_path: Path) -> None:
    one, other = (write(BUSY, tmp_path / name) for name in ("one.mp4", "other.mp4"))
    assert one.video.read_bytes() == other.video.read_bytes()
    assert one.truth.read_bytes() == other.truth.read_bytes()


def test_a_scene_can_be_gone_through_again() -> None:
    scene = Scene(spec(duration_s=1))
    for (first, boxes), (second, again) in zip(scene, scene, strict=True):
        assert np.array_equal(first, second)
        assert boxes == again


def test_another_seed_is_another_scene() -> None:
    one, other = (Scene(spec(seed=seed)) for seed in (1, 2))
    assert not np.array_equal(one.street, other.street)
    assert [c.start_s for c in one.crossings] != [c.start_s for c in other.crossings]


def test_no_two_pictures_share_noise() -> None:
    """A loop of a few noise tiles lets a difference detector learn the tiles: it then fails on every real camera."""
    drawn = [picture for seed in (1, 2) for picture in noise(seed)]
    assert all(2.5 < picture.std() < 3.5 for picture in drawn)
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in combinations(drawn, 2)]
    assert np.abs(correlations).max() < 0.01


# Truth


def changed(picture: Image, empty: Image) -> np.ndarray:
    return np.abs(picture.astype(np.int16) - empty).max(axis=2) > 24


def test_what_differs_from_the_empty_street_lies_in_a_box() -> None:
    scene = Scene(CLEAN)
    for picture, boxes in scene:
        outside = changed(picture, scene.street)
        outside[:, :2] = outside[:, -2:] = False  # the soft edge of what is about to come in
        for box in boxes:
            x0, y0, x1, y1 = box.xyxy
            outside[max(0, y0 - 2) : y1 + 2, max(0, x0 - 2) : x1 + 2] = False
        assert not outside.any()


def test_what_differs_from_the_empty_street_fills_its_box() -> None:
    scene = Scene(spec(CLEAN, arrivals_per_minute=8, bus_every_s=None, duration_s=20))
    alone = [(picture, boxes[0]) for picture, boxes in scene if len(boxes) == 1 and boxes[0].visibility > 0.2]
    assert len(alone) > 20
    for picture, box in alone:
        x, y, w, h = cv2.boundingRect(changed(picture, scene.street).astype(np.uint8))
        assert np.allclose(box.xyxy, (x, y, x + w, y + h), atol=4)


def test_boxes_lie_in_the_picture_and_name_one_thing_each() -> None:
    for _, boxes in Scene(BUSY):
        assert len({box.id for box in boxes}) == len(boxes)
        for box in boxes:
            x0, y0, x1, y1 = box.xyxy
            assert 0 <= x0 < x1 <= BUSY.width
            assert 0 <= y0 < y1 <= BUSY.height
            assert 0 <= box.visibility <= 1
            assert box.kind in CLASSES


def test_a_thing_keeps_its_id_and_moves_evenly() -> None:
    places: dict[int, list[Box]] = {}
    for _, boxes in Scene(spec(duration_s=8)):
        for box in boxes:
            places.setdefault(box.id, []).append(box)
    assert len(places) > 3
    for boxes in places.values():
        whole = [box for box in boxes if box.xyxy[0] > 0 and box.xyxy[2] < BUSY.width]
        steps = [abs(sum(b.xyxy[::2]) - sum(a.xyxy[::2])) / 2 for a, b in pairwise(whole)]
        assert len({box.kind for box in boxes}) == 1
        assert not steps or max(steps) < (40 if boxes[0].kind == "vehicle" else 16)


def test_visibility_falls_where_a_nearer_thing_hides_a_farther_one() -> None:
    hidden = [
        (far, near)
        for _, boxes in Scene(spec(duration_s=10))
        for far, near in combinations(boxes, 2)
        if far.xyxy[0] > near.xyxy[0] > 0 and far.xyxy[2] < near.xyxy[2] < BUSY.width
    ]
    assert hidden
    for far, near in hidden:
        assert far.visibility < 1
        assert near.xyxy[3] > far.xyxy[3] - 3


def test_the_truth_file_is_mot_and_tells_what_the_scene_told(tmp_path: Path) -> None:
    files = write(BUSY, tmp_path / "scene.mp4")
    rows = [line.split(",") for line in files.truth.read_text().splitlines()]
    told = [(number, box) for number, (_, boxes) in enumerate(Scene(BUSY), 1) for box in boxes]
    assert len(rows) == len(told) > 0
    for row, (number, box) in zip(rows, told, strict=True):
        x, y, w, h = map(int, row[2:6])
        assert (int(row[0]), int(row[1]), (x, y, x + w, y + h)) == (number, box.id, box.xyxy)
        assert row[6] == str(int(box.visibility >= COUNTS_FROM))
        assert CLASSES[int(row[7]) - 1] == box.kind
    assert files.names.read_text().split() == list(CLASSES)
    with av.open(str(files.video)) as video:
        stream = video.streams.video[0]
        times = [frame.time for frame in video.decode(stream)]
    assert stream.codec.name == "h264"
    assert times == pytest.approx([index / BUSY.fps for index in range(BUSY.frames)])


# Who comes when


def test_arrivals_are_poisson() -> None:
    """Mean and variance of the count agree: neither a metronome nor bursts."""
    counts = [
        sum(0 <= crossing.start_s < 60 for crossing in plan(SceneSpec(seed=seed, quiet_share=0, bus_every_s=None)))
        for seed in range(150)
    ]
    assert np.mean(counts) == pytest.approx(20, abs=1.5)
    assert 0.7 < np.var(counts) / np.mean(counts) < 1.3


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_quiet_spells_fill_their_share_and_are_empty(share: float) -> None:
    scene = SceneSpec(width=96, height=64, fps=4, duration_s=200, quiet_share=share, seed=3)
    spells = busy_spells(scene, np.random.default_rng(0))
    assert sum(end - start for start, end in spells) == pytest.approx(200 * (1 - share))
    empty = np.mean([not boxes for _, boxes in Scene(scene)])
    assert share - 0.01 <= empty < 1
    clean = Scene(spec(scene, noise_sigma=0, light_drift=0))
    for index, picture in enumerate(pictures(clean.spec)):
        if not any(crossing.start_s <= index / 4 <= crossing.end_s for crossing in clean.crossings):
            assert np.array_equal(picture, clean.street)


def test_a_rare_event_scene_of_two_hours_is_planned_at_once() -> None:
    crossings = plan(SceneSpec(duration_s=7200, quiet_share=0.97))
    times = np.arange(0, 7200, 0.1)
    occupied = np.zeros(times.shape, bool)
    for crossing in crossings:
        occupied |= (times >= crossing.start_s) & (times <= crossing.end_s)
    assert 0.01 < occupied.mean() <= 0.03


def test_a_pause_may_fill_a_spell_to_its_last_bit() -> None:
    """Of 15 s with a fifth of them quiet; less a pause of all that was left, the spell ended before it began."""
    assert all(crossing.start_s <= crossing.end_s for crossing in plan(SceneSpec(duration_s=15, quiet_share=0.2)))


def test_nobody_comes_where_all_is_quiet() -> None:
    assert plan(SceneSpec(quiet_share=1)) == []


# Casts, light, folders


def test_casts_share_no_person_and_no_colours() -> None:
    a, b = (plan(SceneSpec(duration_s=300, cast=cast)) for cast in ("a", "b"))
    for one, other in ((a, b), (b, a)):
        people = {c.look.cutout.name for c in one if c.look.cutout.kind == "person"}
        assert people
        assert people.isdisjoint(c.look.cutout.name for c in other)
    assert max(max(c.look.hues) for c in a) < min(min(c.look.hues) for c in b)


def test_halves_of_a_scene_have_different_casts() -> None:
    scene = SceneSpec(duration_s=200, cast="halves", bus_every_s=None)
    first, second = ({c.look.cutout.name for c in plan(scene) if (c.start_s >= 100) == late} for late in (False, True))
    assert first
    assert second
    assert first.isdisjoint(second)


def test_it_gets_dark_and_the_sensor_noisier() -> None:
    by_day, at_night = (Scene(spec(duration_s=40, fps=1, night=night)) for night in (None, (0.0, 1.0)))
    (day, _), (dark, _) = (list(scene)[20] for scene in (by_day, at_night))
    assert dark.mean() < 0.5 * day.mean()
    sky = (slice(0, 20), slice(0, 20))
    assert np.diff(dark[sky].astype(int), axis=1).std() > np.diff(day[sky] * 0.3, axis=1).std()


def test_light_drifts_within_its_bounds() -> None:
    means = [
        picture.mean() for picture in pictures(spec(duration_s=100, fps=0.5, arrivals_per_minute=0, bus_every_s=None))
    ]
    assert 0.03 < np.ptp(means) / np.mean(means) < 0.13


def test_folders_add_things_with_transparency_and_plain_crops(tmp_path: Path) -> None:
    people = tmp_path / "person"
    people.mkdir()
    man = street.people()[0].pixels
    cv2.imwrite(str(people / "cut.png"), man)
    cv2.imwrite(str(people / "plain.png"), cv2.imread(str(people / "cut.png"))[:, :, :3])
    cut, plain = read_folder(people)
    assert abs(cut.pixels.shape[0] - man.shape[0]) < 4
    area = (plain.pixels[..., 3] > 127).mean()
    assert 0.2 < area < 0.95
    seen = {c.look.cutout.name for c in plan(SceneSpec(duration_s=300, folders=(people,)))}
    assert {cut.name, plain.name} < seen


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"width": 333}, "333x288; both must be even"),
        ({"height": 10}, "height is 10"),
        ({"fps": 0.0}, "fps is 0"),
        ({"quiet_share": 1.5}, "quiet_share is 1.5"),
        ({"night": (0.5, 0.2)}, "night is"),
        ({"cast": "c"}, "one of all, a, b, halves"),
    ],
)
def test_an_impossible_spec_says_what_is_wrong(change: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        spec(**change)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("cats", None, "must be named after what it holds"),
        ("person", None, "holds no pictures"),
        ("person", b"no picture", "is no 8-bit colour picture"),
    ],
)
def test_an_unfit_folder_says_what_is_wrong(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    if content is not None:
        (folder / "a.png").write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        plan(SceneSpec(folders=(folder,)))


def test_the_command_line_writes_and_complains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "street.mp4"
    assert main([str(path), "--seconds", "1", "--size", "192x144", "--night", "0", "1"]) == 0
    assert "10 pictures" in capsys.readouterr().out
    assert path.stat().st_size > 1000
    assert main([str(tmp_path / "no" / "street.mp4"), "--seconds", "1"]) == 2
    assert "cannot write" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(path), "--size", "large"])


# To a real detector


@pytest.mark.footage
def test_a_real_detector_finds_the_people_and_nothing_else(assets: Path) -> None:
    import openvino

    model = openvino.Core().compile_model(assets / "models" / "person-vehicle-bike-detection-2000.xml", "CPU")
    found = people = false = empty = 0
    for index, (picture, boxes) in enumerate(Scene(SceneSpec(duration_s=40, seed=1))):
        if index % 5:
            continue
        blob = cv2.resize(picture, (256, 256)).transpose(2, 0, 1)[None].astype(np.float32)
        rows = model(blob)[0].reshape(-1, 7)
        detected = rows[rows[:, 2] > 0.4, 3:] * ([768, 576] * 2)
        clear = [box for box in boxes if box.kind == "person" and box.visibility > 0.6]
        people += len(clear)
        found += sum(any(_iou(box.xyxy, other) > 0.5 for other in detected) for box in clear)
        empty += not boxes
        false += 0 if boxes else len(detected)
    assert people > 40
    assert found / people > 0.85
    assert empty > 10
    assert false == 0


def _iou(a: tuple[int, int, int, int], b: np.ndarray) -> float:
    x0, y0, x1, y1 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    overlap = max(0.0, x1 - x0) * max(0.0, y1 - y0)
    return overlap / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap)
