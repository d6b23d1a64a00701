"""A little model answers where it is sure of every box, the last one always; unsure answers wait in the notes."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import supervision as sv

from tests.stages.conftest import ask, frame, grey, opened
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame, Image
from vidpipe.core.picture import BgrPicture
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.library import Library
from vidpipe.stages.detect.detect import IDLE, VARIANTS, Detect, DetectConfig

CLASSES = ("person", "vehicle")


@dataclass
class Scripted:
    """A detector that finds what it is told, as (class, score), down to `threshold` or the floor that is asked for."""

    boxes: Sequence[tuple[int, float]]
    threshold: float = 0.4
    floors: list[float | None] = field(default_factory=list)

    def detect(self, images: Sequence[Image], floor: float | None = None) -> list[sv.Detections]:
        self.floors.append(floor)
        return [self.found(self.threshold if floor is None else floor) for _ in images]

    def keep_sure(self, detections: sv.Detections) -> sv.Detections:
        return detections[detections.confidence >= self.threshold]

    def margins(self, detections: sv.Detections) -> np.ndarray:
        return np.abs(detections.confidence - self.threshold)

    def found(self, least: float) -> sv.Detections:
        found = [(number, score) for number, score in self.boxes if score >= least]
        numbers = np.array([number for number, _ in found], int)
        return sv.Detections(
            xyxy=np.array([[10, 20, 30, 60]] * len(found), np.float32).reshape(-1, 4),
            confidence=np.array([score for _, score in found], np.float32),
            class_id=numbers,
            data={"class_name": np.array(CLASSES)[numbers]},
        )

    def detector(self, name: str, *variant: object) -> Scripted:
        """It is its own library of models, of one called little."""
        assert name == "little"
        return self


def detect(model, *, last=False, classes=CLASSES, **config):
    """A stage of this model, or of one that finds these boxes."""
    model = model if isinstance(model, Scripted) else Scripted(model)
    return opened(Detect, model, last=last, classes=classes, model="little", **config)


def scores(answer):
    return answer.detections.confidence.tolist()


SURE, UNSURE = True, False


@pytest.mark.parametrize(
    ("boxes", "config", "sure"),
    [
        ([], {"accept": 0.6}, SURE),
        ([(0, 0.9), (1, 0.7)], {"accept": 0.6}, SURE),
        ([(0, 0.9), (1, 0.5)], {"accept": 0.6}, UNSURE),
        ([(0, 0.9), (1, 0.3)], {"accept": 0.6}, SURE),  # under the model's threshold: background
        ([(0, 0.9), (1, 0.3)], {"accept": 0.6, "reject": 0.2}, UNSURE),
        ([(0, 0.9), (1, 0.1)], {"accept": 0.6, "reject": 0.2}, SURE),
        ([(0, 0.5)], {"accept": {"person": 0.4, "vehicle": 0.8}}, SURE),
        ([(1, 0.5)], {"accept": {"person": 0.4, "vehicle": 0.8}}, UNSURE),
        ([(1, 0.5)], {"accept": {"person": 0.8}}, SURE),  # a class that is not named is taken as it is
        ([(0, 0.5)], {"accept": {"person": 0.8}}, UNSURE),
        ([(0, 0.41)], {}, SURE),
    ],
)
@pytest.mark.parametrize("classes", [CLASSES, ()], ids=["own classes", "the model's"])
def test_the_band_between_reject_and_accept(boxes, config, sure, classes):
    """Without classes of the pipeline's own, nobody has listed the model's: they are in its answers."""
    answer = ask(detect(boxes, classes=classes, **config), frame(grey(), 4))
    assert (answer is not None) == sure
    if answer is not None:
        assert (answer.how, answer.by, answer.as_of) == (How.MEASURED, "detect", 4)
        assert scores(answer) == pytest.approx([score for _, score in boxes if score >= 0.4])


@pytest.mark.parametrize("boxes", [[], [(0, 0.45)], [(0, 0.45), (1, 0.9)]])
def test_the_last_stage_answers_every_frame(boxes):
    model = Scripted(boxes)
    answer = ask(detect(model, last=True, accept=0.8, reject=0.1), frame(grey(), 2))
    assert scores(answer) == pytest.approx([score for _, score in boxes])
    assert model.floors == [None]  # doubtful boxes are of no use where nobody comes after


def test_an_unsure_answer_is_kept_for_those_below_and_for_cover():
    """It has the boxes that the model's own threshold lets through, not the doubtful ones."""
    stage = detect([(0, 0.9), (1, 0.5), (1, 0.3)], accept=0.6, reject=0.2)
    asked = frame(grey(), 3)
    assert ask(stage, asked) is None
    noted = asked.features["detect"].answer
    assert stage.fallback(asked) is noted
    assert (noted.how, noted.by, noted.as_of, noted.reason) == (How.MEASURED, "detect", 3, "unsure of 2 boxes")
    assert scores(noted) == pytest.approx([0.9, 0.5])


def test_no_cover_for_a_frame_that_it_never_saw():
    assert detect([], accept=0.6).fallback(frame(grey())) is None


def test_a_batch_of_several_streams():
    stage = detect([(0, 0.9)], accept=0.6)
    answers = stage.answer([frame(grey(), seq) for seq in (3, 8, 2)])
    assert [answer.as_of for answer in answers] == [3, 8, 2]


@pytest.mark.parametrize("accept", [None, 0.5])
def test_boxes_are_in_pixels_of_the_source(accept):
    """A link has scaled a picture of 640 x 360 down to 160 x 120; the note of an unsure answer too."""
    picture = BgrPicture(np.zeros((120, 160, 3), np.uint8))
    small = Frame("cam", 0, 0.0, picture, 640, 360)
    answer = ask(detect([(0, 0.9)], accept=accept), small)
    np.testing.assert_allclose(answer.detections.xyxy, [[40, 60, 120, 180]])
    assert ask(detect([(0, 0.45)], accept=0.5), small) is None
    np.testing.assert_allclose(small.features["detect"].answer.detections.xyxy, [[40, 60, 120, 180]])


def learn_from(stage, says, frames):
    """Answers to frames 0.25 s apart; what is passed on is told what `says` finds in it. How many were passed on."""
    passed = 0
    for seq in range(frames):
        asked = frame(grey(), seq, pts=seq / 4)
        if ask(stage, asked) is None:
            passed += 1
            stage.learn(asked, Answer(says.found(0.4), How.MEASURED, "big", seq))
    return passed


def test_agreement_is_learnt_from_the_stages_below():
    """Closed until there is evidence, then open but for exploration; closed where the big model says otherwise."""
    assert learn_from(detect([(0, 0.9)], agreement=0.9), Scripted([(0, 0.8)]), 600) < 300
    assert learn_from(detect([(0, 0.9)], agreement=0.9), Scripted([(1, 0.8)]), 200) == 200


def test_streams_are_calibrated_apart_and_survive_a_restart():
    stage = detect([(0, 0.9)], agreement=0.9, explore=0)
    learn_from(stage, Scripted([(0, 0.8)]), 100)
    fresh = detect([(0, 0.9)], agreement=0.9, explore=0)
    assert fresh.snapshot_stream("cam") is None
    fresh.restore_stream("cam", pickle.loads(pickle.dumps(stage.snapshot_stream("cam"))))
    assert ask(fresh, frame(grey(), 200, pts=50)) is not None
    other = Frame("other", 0, 0.0, BgrPicture(np.zeros((120, 160, 3), np.uint8)), 160, 120)
    assert ask(fresh, other) is None


def test_a_class_that_was_never_seen_is_not_trusted():
    model = Scripted([(0, 0.9)])
    stage = detect(model, agreement=0.9, explore=0)
    learn_from(stage, Scripted([(0, 0.8)]), 100)
    model.boxes = [(0, 0.9), (1, 0.95)]
    assert ask(stage, frame(grey(), 200, pts=50)) is None


@pytest.mark.parametrize("answer", [{"how": How.TRACKED}, {"as_of": 3}, {"partial": True}])
def test_only_a_whole_look_at_this_very_frame_is_evidence(answer):
    stage = detect([(0, 0.9)], agreement=0.9)
    for seq in range(100, 200):
        asked = frame(grey(), seq, pts=seq / 4)
        assert ask(stage, asked) is None
        said = Answer(Scripted([(0, 0.8)]).found(0.4), How.MEASURED, "big", seq)
        stage.learn(asked, replace(said, **answer))


def test_a_budget_caps_what_is_passed_on():
    model = Scripted([(0, 0.45)])
    stage = detect(model, budget=0.1)
    rng = np.random.default_rng(0)
    passed = 0
    for seq in range(600):
        model.boxes = [(0, float(rng.uniform(0.1, 0.9))) for _ in range(3)]
        passed += ask(stage, frame(grey(), seq, pts=seq / 10)) is None
    assert 30 <= passed <= 60


BIG = Scripted([(0, 0.9), (1, 0.9)])


def looks(model, stage, frames, first=0, big=BIG, stream="cam"):
    """How often the stage's model looked at these frames; the big one then found `big`."""
    before = len(model.floors)
    for seq in range(first, first + frames):
        asked = frame(grey(), seq, pts=seq / 4, stream=stream)
        if ask(stage, asked) is None:
            stage.learn(asked, Answer(big.found(0.4), How.MEASURED, "big", seq))
    return len(model.floors) - before


def test_a_model_that_sees_too_little_is_hardly_asked():
    """Unsure of a thing that is not there, blind to those that are; what it says later is heard all the same."""
    model = Scripted([(1, 0.45)] * 4)
    stage = detect(model, accept=0.5, least_f1=0.8)
    assert looks(model, stage, 3) == 3
    assert 4 <= looks(model, stage, 160, first=3) <= 25
    state = pickle.loads(pickle.dumps(stage.snapshot_stream("cam")))
    better = Scripted([(0, 0.9), (1, 0.45)])
    again = detect(better, accept=0.5, least_f1=0.8)
    again.restore_stream("cam", state)
    assert looks(better, again, 1600, first=200) > 200  # it has become better: it is asked again


def test_the_first_answer_of_a_stream_is_the_better_models():
    """What a little model sees of a stream is held against the big one's view before it is believed."""
    stage = detect([(0, 0.9), (1, 0.9)], least_f1=0.8)
    first, second = (frame(grey(), seq, pts=seq) for seq in range(2))
    assert ask(stage, first) is None
    stage.learn(first, Answer(BIG.found(0.4), How.MEASURED, "big", 0))
    assert ask(stage, second) is not None


def test_what_a_model_that_sees_too_little_is_sure_of_is_not_published():
    stage = detect([(0, 0.9)], least_f1=0.8)
    crowd = Scripted([(0, 0.9)] * 30)
    for seq in range(200):
        asked = frame(grey(), seq, pts=seq / 4)
        assert ask(stage, asked) is None
        stage.learn(asked, Answer(crowd.found(0.4), How.MEASURED, "big", seq))


def test_where_nothing_is_found_the_little_model_is_believed():
    model = Scripted([])
    stage = detect(model, least_f1=0.8)
    assert looks(model, stage, 50, big=Scripted([])) == 50
    assert ask(stage, frame(grey(), 50, pts=50)) is not None


def test_a_model_that_is_good_where_it_is_unsure_is_always_asked():
    model = Scripted([(0, 0.45), (1, 0.9)])
    assert looks(model, detect(model, accept=0.5, least_f1=0.8), 100) == 100


def test_a_model_that_is_not_asked_keeps_the_order_of_a_batch():
    model = Scripted([(0, 0.9), (1, 0.45)])
    stage = detect(model, accept=0.5, least_f1=0.8)
    looks(model, stage, 10, big=Scripted([]))
    looks(model, stage, 1, big=BIG, stream="new")
    asked = [Frame(stream, 50, 9.0, BgrPicture(np.zeros((48, 64, 3), np.uint8)), 64, 48) for stream in ("cam", "new")]
    model.boxes = [(0, 0.9)]
    assert [answer is None for answer in stage.answer(asked)] == [True, False]


@pytest.mark.parametrize("boxes", [[], [(0, 0.5)] * 300])
@pytest.mark.parametrize("config", [{"agreement": 0.9}, {"budget": 0.5}, {"agreement": 0.9, "budget": 0.5}])
def test_empty_and_crowded_frames_of_changing_size(boxes, config):
    stage = detect(boxes, **config)
    for seq, size in enumerate([(160, 120), (64, 48), (320, 240), (160, 120)] * 20):
        asked = frame(grey(size=size), seq, pts=seq / 4)
        if (answer := ask(stage, asked)) is None:
            stage.learn(asked, Answer(Scripted(boxes).found(0.4), How.MEASURED, "big", seq))
        else:
            assert (answer.as_of, bool(answer.reason)) == (seq, True)


@pytest.mark.parametrize("other", [{"agreement": 0.9}, {"budget": 0.1}])
def test_one_rule_only(other):
    with pytest.raises(ValueError, match=r"accept and .* both say which frames are answered"):
        DetectConfig(model="little", accept=0.5, **other)


def test_only_agreement_and_worth_are_learnt():
    """A pipeline without them is pipelined freely, as before."""
    assert Detect.learns(DetectConfig(model="little", agreement=0.9))
    assert Detect.learns(DetectConfig(model="little", accept=0.5, least_f1=0.8))
    assert not Detect.learns(DetectConfig(model="little", accept=0.5))
    assert not Detect.learns(DetectConfig(model="little", budget=0.5))


@pytest.fixture
def library(assets):
    path = assets / "models" / "person-vehicle-bike-detection-2000.xml"
    spec = ModelSpec(path=str(path), threshold=0.4)
    return Library({"little": spec}, Classes({"person": ["person"], "vehicle": ["vehicle"]}), threads=2)


@pytest.mark.long
@pytest.mark.footage
def test_real_frames(assets, library):
    """What it is sure of it answers as without `accept`; the others it passes on, with what it saw in the notes."""
    from vidpipe.core.settings import Knobs
    from vidpipe.sources.base import StreamSpec
    from vidpipe.sources.files.file import FileSource

    config = {"models": library, "classes": CLASSES, "model": "little"}
    always, little = opened(Detect, **config), opened(Detect, **config, accept=0.5, reject=0.3)
    source = FileSource("cam", StreamSpec(url=str(assets / "videos" / "vtest.avi"), end_s=10), knobs=Knobs())
    sure = 0
    for asked in source:
        full, answer = ask(always, asked), ask(little, asked)
        said = answer or asked.features["detect"].answer
        np.testing.assert_array_equal(said.detections.xyxy, full.detections.xyxy)
        assert set(said.detections.data["class_name"].tolist()) <= set(CLASSES)
        sure += answer is not None
        if answer is not None:
            assert all(score >= 0.5 for score in scores(answer))
        x, y = asked.width, asked.height
        assert (said.detections.xyxy <= [x, y, x, y]).all()
    assert 0 < sure < 100


class Numbered:
    """A library that counts how often each variant is loaded."""

    def __init__(self):
        self.loaded = Counter()

    def detector(self, *variant):
        self.loaded[variant] += 1
        return Scripted([])


def test_int8_networks_of_many_streams_stay_while_they_are_in_use_and_go_when_they_are_not():
    """With as many streams as it likes: else every frame would wait for a network to be loaded."""
    models = Numbered()
    stage = opened(Detect, models, model="little")

    def look(folder):
        stage.config = DetectConfig(model="little", precision="int8", calibrated=folder)
        ask(stage, frame(grey()))

    streams = [f"stream {number}" for number in range(3 * VARIANTS)]
    for _ in range(3):
        for stream in streams:
            look(stream)
    assert set(models.loaded.values()) == {1}
    for _ in range(IDLE):
        look(streams[0])
    look("another")
    look(streams[-1])  # among the newest few that are kept in any case
    assert set(models.loaded.values()) == {1}
    look(streams[1])
    assert models.loaded["little", None, "int8", streams[1]] == 2
