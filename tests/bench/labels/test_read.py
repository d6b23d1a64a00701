"""Labels that people made: both forms, what they are refused for, and real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bench.builders import at, series
from vidpipe.accuracy.scores.box_score import count
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.labels.read import read_labels
from vidpipe.core.errors import ConfigError
from vidpipe.models.base import Classes
from vidpipe.testing.scene import CLASSES, COUNTS_FROM, Scene, SceneSpec, write

STREET = Classes({"person": ["person"], "vehicle": ["car", "bus"], "bike": ["bicycle", "motorcycle"]})
CLIP = series(5, classes=STREET.names, size=(640, 480))
PERSON, VEHICLE, BIKE = 0, 1, 2


def mot(folder: Path, *lines: str, name: str = "truth.txt") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def rows(boxes: Boxes) -> list[tuple[Any, ...]]:
    """frame, x0, y0, x1, y1, label, track, ignored"""
    columns = (boxes.frame, *boxes.xyxy.T, boxes.label, boxes.track, boxes.ignored)
    return list(zip(*(column.tolist() for column in columns), strict=True))


# MOT


@pytest.mark.parametrize(
    ("line", "box"),
    [
        pytest.param("1,7,10,20,30,40,1,1,1", (0, 10, 20, 40, 60, PERSON, 7, False), id="pedestrian"),
        pytest.param("5,7,10.5,20.25,30,40,1,3,0.5", (4, 10.5, 20.25, 40.5, 60.25, VEHICLE, 7, False), id="car"),
        pytest.param("1,7,10,20,30,40,1,4,1", (0, 10, 20, 40, 60, BIKE, 7, False), id="bicycle"),
        pytest.param("1,7,10,20,30,40,1,5,1", (0, 10, 20, 40, 60, BIKE, 7, False), id="motorbike"),
        pytest.param("1,7,10,20,30,40,0,1,1", (0, 10, 20, 40, 60, PERSON, 7, True), id="conf 0"),
        pytest.param("1, 7, 10, 20, 30, 40, 1, 1, 1", (0, 10, 20, 40, 60, PERSON, 7, False), id="spaces"),
        *(
            pytest.param(f"1,7,10,20,30,40,1,{kind},1", (0, 10, 20, 40, 60, PERSON, 7, True), id=f"like one: {kind}")
            for kind in (2, 7, 8, 12)
        ),
        *(pytest.param(f"1,7,10,20,30,40,1,{kind},1", None, id=f"left out: {kind}") for kind in (0, 6, 9, 10, 11, 13)),
    ],
)
def test_mot16(tmp_path: Path, line: str, box: tuple[Any, ...] | None) -> None:
    """Beside a pedestrian in the last frame, as a file that is of none of the classes would be refused."""
    read = read_labels(mot(tmp_path, line, "5,9,0,0,9,9,1,1,1"), STREET, CLIP).series
    assert rows(read.boxes)[:-1] == ([] if box is None else [box])
    assert rows(read.boxes)[-1] == (4, 0, 0, 9, 9, PERSON, 9, False)
    assert read.known.all()
    assert (read.frames, read.classes, read.boxes.score.tolist()) == (5, STREET.names, [1] * len(read.boxes))


@pytest.mark.parametrize("tail", ["", ",4.5,-2,0", ",-1,-1,-1"])
@pytest.mark.parametrize(
    ("classes", "predictions", "class_name", "label", "why"),
    [
        pytest.param(STREET, [], "vehicle", VEHICLE, "taken as vehicle, as was asked", id="asked"),
        pytest.param(Classes({"bike": []}), [], None, 0, "taken as bike, the only one", id="the only one"),
        pytest.param(
            STREET,
            [at(0, 10, label=VEHICLE), at(1, 10, label=PERSON), at(2, 10, label=VEHICLE)],
            None,
            VEHICLE,
            "taken as vehicle, with which the reference agrees best (box F1 1.00)",
            id="the reference's",
        ),
        pytest.param(
            STREET,
            [at(0, 10, label=PERSON), *(at(f, 10 + 50 * n, label=VEHICLE) for f in (0, 2) for n in range(9))],
            None,
            PERSON,
            "taken as person",
            id="not that of which it sees the most",
        ),
    ],
)
def test_mot15(
    tmp_path: Path, tail: str, classes: Classes, predictions: Any, class_name: str | None, label: int, why: str
) -> None:
    path = mot(tmp_path, f"1,7,10,10,20,40,1{tail}", f"3,8,10,10,20,40,0{tail}")
    if predictions and label == VEHICLE:
        path = mot(tmp_path, f"1,7,10,10,20,40,1{tail}", f"3,8,10,10,20,40,1{tail}")
    read = read_labels(path, classes, series(5, *predictions, classes=classes.names), class_name)
    assert read.series.boxes.label.tolist() == [label, label]
    assert any(why in note for note in read.notes)
    assert read.labelled == (classes.names[label],)


def test_labels_without_class_where_the_reference_sees_nothing(tmp_path: Path) -> None:
    path = mot(tmp_path, "1,7,10,10,20,40,1")
    with pytest.raises(ConfigError, match=r"name no class, and the reference sees none of .*--truth-class"):
        read_labels(path, STREET, series(5, at(0, 300), classes=STREET.names))
    with pytest.raises(ConfigError, match="shall be of cow: the pipeline's classes are person, vehicle, bike"):
        read_labels(path, STREET, CLIP, "cow")
    read_labels(path, STREET, CLIP)  # nobody has looked yet: only what does not fit the clip can be told


@pytest.mark.parametrize("names", ["truth.labels.txt", "labels.txt"])
def test_names_of_classes_beside_the_file(tmp_path: Path, names: str) -> None:
    """As CVAT exports them: without their names, its class numbers would pass for MOT16's."""
    mot(tmp_path, "Car", "dog", "Person", name=names)
    read = read_labels(mot(tmp_path, *(f"5,{n},10,20,30,40,1,{n},1" for n in (1, 2, 3))), STREET, CLIP)
    assert read.series.boxes.label.tolist() == [VEHICLE, PERSON]
    assert read.notes == [
        f"names of classes from {names}",
        "boxes left out, as the pipeline has no such class: 1 of dog",
        "nobody labelled bike: what is found of it is not held against labels",
    ]


def test_a_generated_scene_is_read_as_what_it_is(tmp_path: Path) -> None:
    spec = SceneSpec(width=384, height=288, duration_s=4, quiet_share=0, bus_every_s=1, arrivals_per_minute=40)
    files = write(spec, tmp_path / "street.mp4")
    boxes = [(frame, box) for frame, (_, boxes) in enumerate(Scene(spec)) for box in boxes]
    clip = series(spec.frames, classes=STREET.names, size=(384, 288))
    read = read_labels(files.truth, STREET, clip)
    assert rows(read.series.boxes) == [
        (frame, *box.xyxy, CLASSES.index(box.kind), box.id, box.visibility < COUNTS_FROM) for frame, box in boxes
    ]
    assert {box.kind for _, box in boxes} == {"person", "vehicle"}
    assert (read.series.boxes.track >= 0).all()
    assert read.labelled == STREET.names


def test_frames_after_the_last_label_are_empty_and_that_is_noted(tmp_path: Path) -> None:
    read = read_labels(mot(tmp_path, "3,7,10,20,30,40,1"), STREET, CLIP, "person")
    assert read.series.known.all()
    assert "the last label is of frame 3 of 5: the rest counts as empty" in read.notes


@pytest.mark.parametrize(
    ("lines", "has_tracks", "note"),
    [
        pytest.param(["1,7,0,0,9,9,1", "2,7,0,0,9,9,1"], True, None, id="all"),
        pytest.param(["1,0,0,0,9,9,1"], True, None, id="0 is an identity"),
        pytest.param(["1,-1,0,0,9,9,1"], False, None, id="none"),
        pytest.param(["1,7,0,0,9,9,1", "2,-1,0,0,9,9,1"], False, "1 labels have no identity", id="not all"),
        pytest.param(["1,7,0,0,9,9,1", "2,-1,0,0,9,9,0"], True, None, id="all that count"),
        pytest.param(["2,7,0,0,9,9,1", "2,7,50,0,9,9,1"], False, "identity 7 is twice in frame 2", id="twice"),
    ],
)
def test_tracks(tmp_path: Path, lines: list[str], has_tracks: bool, note: str | None) -> None:
    read = read_labels(mot(tmp_path, *lines, "5,9,0,0,9,9,1" if has_tracks else "5,-1,0,0,9,9,0"), STREET, CLIP, "bike")
    assert (read.series.boxes.track >= 0).any() == has_tracks
    assert any("tracks are not scored" in text for text in read.notes) == (note is not None)
    assert note is None or any(note in text for text in read.notes)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param(["1,7,10,20,30,40,1", "1,7,ten,20,30,40,1"], "truth.txt:2: not numbers", id="no number"),
        pytest.param(["1 7 10 20 30 40 1"], "truth.txt:1: not numbers with commas", id="no commas"),
        pytest.param(["", "1,7,10,20,30"], "truth.txt:2: 5 columns, where MOT has 7, 9 or 10", id="columns"),
        pytest.param(
            ["1,7,10,20,30,40,1", "1,7,10,20,30,40,1,1,1"], "truth.txt:2: 9 columns, where the first", id="mixed"
        ),
        pytest.param(["0,7,10,20,30,40,1"], "truth.txt:1: frames count from 1", id="frame 0"),
        pytest.param(["1.5,7,10,20,30,40,1"], "truth.txt:1: frames count from 1", id="half a frame"),
        pytest.param(["1,7.5,10,20,30,40,1"], "truth.txt:1: the id is no whole", id="half an id"),
        pytest.param(["1,7,10,20,0,40,1"], "truth.txt:1: a box without area", id="no area"),
        pytest.param(["1,7,10,nan,30,40,1"], "truth.txt:1: a number is not finite", id="nan"),
        pytest.param(["1,7,10,20,30,40,1,1.5,1"], "truth.txt:1: the class is no whole", id="half a class"),
        pytest.param([], "truth.txt: no label in it", id="empty"),
        pytest.param(["1,7,0,0,9,9,1", "1200,7,0,0,9,9,1"], "reach to frame 1200, the clip has 5", id="beyond the end"),
        pytest.param(
            ["2,7,10,20,30,40,1", "3,7,1850,1000,60,70,1"],
            "reach from 10 x 20 to 1910 x 1070, the picture is 640 x 480, and 1 lie wholly outside, first in frame 3",
            id="outside",
        ),
        pytest.param(["1,7,-50,20,30,40,1"], "reach from -50 x 20 to -20 x 60", id="outside, to the left"),
    ],
)
def test_mot_that_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match="labels ") as raised:
        read_labels(mot(tmp_path, *lines), STREET, CLIP, "person")
    assert message in str(raised.value)


def test_boxes_may_reach_out_of_the_picture_and_stay_as_they_are(tmp_path: Path) -> None:
    read = read_labels(mot(tmp_path, "5,7,-10,470,30,40,1"), STREET, CLIP, "person")
    assert rows(read.series.boxes) == [(4, -10, 470, 20, 510, PERSON, 7, False)]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("imWidth=640\nimHeight=480\nseqLength=5", None),
        ("name=yard", None),
        ("imWidth=1920\nimHeight=1080", "drawn on pictures of 1920 x 1080, the clip's are 640 x 480"),
        ("seqLength=1200", "of a sequence of 1200 frames, the clip has 5"),
        ("seqLength=many", "cannot be read"),
    ],
)
@pytest.mark.parametrize("truth", ["truth.txt", "gt/gt.txt"])
def test_sequence_information_must_fit(tmp_path: Path, truth: str, told: str, message: str | None) -> None:
    path = mot(tmp_path, "5,7,10,20,30,40,1", name=truth)
    mot(tmp_path, "[Sequence]", told, name="seqinfo.ini")
    if message is None:
        assert len(read_labels(path, STREET, CLIP, "person").series.boxes) == 1
    else:
        with pytest.raises(ConfigError, match=message):
            read_labels(path, STREET, CLIP, "person")


# COCO

IMAGES = [{"id": 10 + frame, "file_name": f"{frame:06d}.jpg", "width": 640, "height": 480} for frame in range(5)]
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}, {"id": 18, "name": "dog"}]


def drawn(image: int, category: int = 1, **columns: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": [10, 20, 30, 40], **columns}


def coco(folder: Path, *annotations: Mapping[str, Any], **parts: Any) -> Path:
    path = folder / "truth.json"
    content = {"images": IMAGES, "categories": CATEGORIES, "annotations": list(annotations)} | parts
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}, indent=1))
    return path


@pytest.mark.parametrize(
    ("annotation", "box"),
    [
        pytest.param(drawn(11), (1, 10, 20, 40, 60, PERSON, -1, False), id="person"),
        pytest.param(drawn(14, 3, track_id=6), (4, 10, 20, 40, 60, VEHICLE, 6, False), id="car, tracked"),
        pytest.param(
            drawn(14, attributes={"track_id": 4, "occluded": True}), (4, 10, 20, 40, 60, PERSON, 4, False), id="CVAT's"
        ),
        pytest.param(drawn(10, iscrowd=1), (0, 10, 20, 40, 60, PERSON, -1, True), id="crowd"),
        pytest.param(drawn(10, 18), None, id="not of the pipeline"),
    ],
)
def test_coco(tmp_path: Path, annotation: dict[str, Any], box: tuple[Any, ...] | None) -> None:
    read = read_labels(coco(tmp_path, annotation), STREET, CLIP)
    assert rows(read.series.boxes) == ([] if box is None else [box])
    assert read.series.boxes.crowd.tolist() == read.series.boxes.ignored.tolist()
    assert any("1 of dog" in note for note in read.notes) == (box is None)
    assert read.labelled == ("person", "vehicle")


@pytest.mark.parametrize(
    ("images", "frames"),
    [
        pytest.param([{"frame_id": 3}, {"frame_id": 0}], [3, 0], id="frame_id"),
        pytest.param([{"frame_index": 4}, {"frame_index": 2}], [4, 2], id="frame_index"),
        pytest.param([{"frame_id": 1}, {"frame_id": 2}], [1, 2], id="frame_id: from 0, as far as one can tell"),
        pytest.param([{"frame_id": 1}, {"frame_id": 5}], [0, 4], id="frame_id: reaches 5 of 5, so from 1"),
        pytest.param(
            [{"frame_id": 2, "file_name": "4.jpg"}, {"frame_id": 1, "file_name": "3.jpg"}], [2, 1], id="frame_id first"
        ),
        pytest.param([{"file_name": "a/f_000003.png"}, {"file_name": "a/f_000000.png"}], [3, 0], id="names from 0"),
        pytest.param([{"file_name": "img0001.png"}, {"file_name": "img0004.png"}], [0, 3], id="names from 1"),
        pytest.param([{"file_name": "3.png"}, {"file_name": "5.png"}], [2, 4], id="names that reach 5 of 5"),
        pytest.param([{"file_name": "2.png"}, {"file_name": "3.png"}], [2, 3], id="names: from 0 if nothing tells"),
        pytest.param([{"file_name": "0900.png"}, {"file_name": "0901.png"}], [0, 1], id="names that do not fit"),
        pytest.param([{"file_name": "x1/a.png"}, {"file_name": "x2/b.png"}], [0, 1], id="names without number"),
        pytest.param([{"file_name": "a/1.png"}, {"file_name": "b/1.png"}], [0, 1], id="names that repeat a number"),
        pytest.param([{"frame_id": 3}, {}], [0, 1], id="not all have one"),
    ],
)
def test_coco_frames_of_images(tmp_path: Path, images: list[dict[str, Any]], frames: list[int]) -> None:
    """Images 0 and 1 hold a box each, of a person and of a car; what is no image is not known."""
    path = coco(tmp_path, drawn(0), drawn(1, 3), images=[{"id": row, **image} for row, image in enumerate(images)])
    read = read_labels(path, STREET, CLIP)
    boxes = read.series.boxes
    assert [boxes.frame[boxes.label == label].tolist() for label in (PERSON, VEHICLE)] == [[frame] for frame in frames]
    assert np.flatnonzero(read.series.known).tolist() == sorted(frames)


@pytest.mark.parametrize(
    ("annotations", "parts", "message"),
    [
        pytest.param(
            [],
            {"images": [{"id": 1, "width": 1920, "height": 1080}]},
            "drawn on pictures of 1920 x 1080, the clip's are 640 x 480",
            id="size",
        ),
        pytest.param([], {"images": [{"id": 1, "frame_id": 1199}]}, "reach to frame 1200, the clip has 5", id="beyond"),
        pytest.param(
            [], {"images": [{"id": n} for n in range(1200)]}, "reach to frame 1200, the clip has 5", id="more"
        ),
        pytest.param([], {"images": [{"id": 1}, {"id": 1}]}, "two images have the same id", id="same image"),
        pytest.param([], {"images": [{"id": n, "frame_id": 2} for n in (1, 2)]}, "frame_id is negative, or", id="same"),
        pytest.param([], {"images": []}, "no images in it", id="no images"),
        pytest.param([], {"images": None}, "not COCO: images: Field required", id="no COCO"),
        pytest.param([], {"categories": CATEGORIES[2:]}, "are of dog, none of which is a class", id="nothing maps"),
        pytest.param([drawn(99)], {}, "annotations.0 is of image 99 and category 1", id="no such image"),
        pytest.param([drawn(10), drawn(10, 99)], {}, "annotations.1 is of image 10 and category 99", id="no category"),
        pytest.param([drawn(10, bbox=[1, 2, 3])], {}, "annotations.0.bbox.3: Field required", id="three numbers"),
        pytest.param([drawn(10, bbox=[1, 2, 0, 3])], {}, "annotations.0.bbox.2: Input should be greater", id="no area"),
        pytest.param([drawn(10, bbox=[700, 2, 9, 9])], {}, "the picture is 640 x 480, and 1 lie", id="outside"),
    ],
)
def test_coco_that_is_refused(tmp_path: Path, annotations: Any, parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match="labels ") as raised:
        read_labels(coco(tmp_path, *annotations, **parts), STREET, CLIP)
    assert message in str(raised.value)


def test_json_cut_off_is_told_with_its_line(tmp_path: Path) -> None:
    path = coco(tmp_path, drawn(10))
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(ConfigError, match=rf"truth.json:{len(path.read_text().splitlines())}: no JSON"):
        read_labels(path, STREET, CLIP)


# Classes


@pytest.mark.parametrize(
    ("classes", "word", "label"),
    [
        ({"person": []}, "person", 0),
        ({"person": []}, "Pedestrian", 0),
        ({"walker": ["pedestrian"], "person": []}, "pedestrian", 0),
        ({"human": ["person"]}, "pedestrian", 0),
        ({"vehicle": ["vehicle"]}, "truck", 0),
        ({"vehicle": ["vehicle"], "lorry": ["truck"]}, "truck", 1),
        ({"bike": ["bicycle", "motorcycle"]}, "motorbike", 0),
        ({"bike": []}, "motorcycle", 0),
        ({"cat": ["person"], "person": ["cat"]}, "person", 0),
    ],
)
def test_words_become_classes(tmp_path: Path, classes: dict[str, list[str]], word: str, label: int) -> None:
    clip = series(5, classes=tuple(classes))
    path = coco(tmp_path, drawn(10), categories=[{"id": 1, "name": word}])
    assert read_labels(path, Classes(classes), clip).series.boxes.label.tolist() == [label]


def test_a_pipeline_that_lists_no_classes_knows_its_models(tmp_path: Path) -> None:
    clip = series(5, classes=("dog", "car"))
    read = read_labels(coco(tmp_path, drawn(10, 3)), Classes({}), clip)
    assert read.series.boxes.label.tolist() == [1]


def test_mot16_of_pedestrians_alone_is_nothing_to_a_pipeline_of_vehicles(tmp_path: Path) -> None:
    path = mot(tmp_path, "1,7,10,20,30,40,1,1,1")
    with pytest.raises(ConfigError, match=r"are of pedestrian, none of which is a class of the pipeline \(vehicle\)"):
        read_labels(path, Classes({"vehicle": ["car"]}), series(5, classes=("vehicle",)))


def test_what_nobody_labelled_is_not_held_against_a_pipeline(tmp_path: Path) -> None:
    """MOT15 knows people alone: the cars that a pipeline finds there are neither right nor wrong."""
    labels = read_labels(mot(tmp_path, "1,7,10,10,20,40,1"), STREET, CLIP, "person")
    found = series(5, at(0, 10), at(1, 90), at(0, 200, label=VEHICLE), classes=STREET.names)
    assert labels.labelled == ("person",)
    counts = count(labels.comparable(found), labels.series)
    assert [int(part.sum()) for part in counts] == [1, 1, 0]


def test_mot16_vehicles_that_are_never_counted_are_not_labelled(tmp_path: Path) -> None:
    """MOT16 and after draw some vehicles, all with conf 0: as what hides people, not to be found."""
    read = read_labels(mot(tmp_path, "1,7,10,10,20,40,1,1,1", "1,8,90,10,20,40,0,3,1"), STREET, CLIP)
    assert read.series.boxes.ignored.tolist() == [False, True]
    assert read.labelled == ("person",)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.txt cannot be read"):
        read_labels(tmp_path / "nowhere.txt", STREET, CLIP)


# Real labels


@pytest.mark.footage
@pytest.mark.parametrize(
    ("truth", "frames", "size", "of", "boxes", "tracks", "labelled_frames"),
    [
        ("vtest.txt", 795, (768, 576), "person", 4650, 19, 795),
        ("TUD-Stadtmitte.txt", 179, (640, 480), "person", 1156, 10, 179),
        ("car-detection.txt", 377, (768, 432), "vehicle", 184, 4, 143),
    ],
)
def test_real_labels(
    assets: Path,
    truth: str,
    frames: int,
    size: tuple[int, int],
    of: str,
    boxes: int,
    tracks: int,
    labelled_frames: int,
) -> None:
    clip = series(frames, classes=STREET.names, size=size)
    read = read_labels(assets / "truth" / truth, STREET, clip, of)
    there = read.series.boxes
    assert len(there) == boxes
    assert set(there.label.tolist()) == {STREET.names.index(of)}
    assert len(np.unique(there.track)) == tracks
    assert len(np.unique(there.frame)) == labelled_frames
    assert (read.series.boxes.track >= 0).all()
    assert read.labelled == (of,)


@pytest.mark.footage
@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (series(179, classes=STREET.names, size=(768, 576)), "reach to frame 795, the clip has 179"),
        (series(795, classes=STREET.names, size=(320, 240)), "the picture is 320 x 240"),
    ],
)
def test_real_labels_of_another_clip(assets: Path, clip: Series, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_labels(assets / "truth" / "vtest.txt", STREET, clip, "person")
