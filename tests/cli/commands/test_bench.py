"""`vidpipe bench`: figures that can be worked out by hand, what it leaves, and what it refuses."""

from __future__ import annotations

import re
import shutil
import signal
from collections import Counter

import pytest

from tests import clips
from tests.cli.conftest import PAIR as CHECKED_PAIR
from tests.cli.conftest import Shell
from tests.lines import answers
from tests.models.networks import constant_network, following_network, ssd_table
from tests.waiting import until
from vidpipe.bench.figures import Bench
from vidpipe.bench.profile import Profiles

pytestmark = pytest.mark.timeout(250)  # a bench starts a dozen processes

FRAMES, FPS, FIT = 300, 25, 0.45
SCORED = 165

PAIR = CHECKED_PAIR.replace("max_unchecked_s: 1", "max_unchecked_s: null")  # audits alone, which are a random sample

BEHIND = """
name: {name}
classes: {{person: person, car: car}}
models: {{big: {{path: net.onnx, family: yolo}}}}
stages:
  - {{id: first, type: "mystages:{stage}"}}
  - {{id: big, type: detect, model: big}}
audit: {{rate: 0.05, max_unchecked_s: null}}
sinks: [{{type: results, path: told.jsonl}}]
"""

VEHICLE, PERSON = (20, 20, 16, 16, 0, 0.9), (50, 50, 8, 16, 1, 0.8)
OBJECTS = [(16, 20, 8, 8, 0, 0.9), (28, 40, 12, 16, 1, 0.6)]


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """Twelve seconds of video, models that always see the same, and one that follows the picture."""
    folder = tmp_path_factory.mktemp("stock")
    constant_network(folder / "little.onnx", {"out": ssd_table([VEHICLE])})
    constant_network(folder / "big.onnx", {"out": ssd_table([VEHICLE, PERSON])})
    following_network(folder / "net.onnx", OBJECTS, ["person", "car"])
    clips.encode(folder / "yard.mp4", frames=FRAMES, fps=FPS)
    (folder / "pair.yaml").write_text(PAIR)
    return folder


@pytest.fixture
def yard(shell, stock):
    """A user with all that."""
    shutil.copytree(stock, shell.folder, dirs_exist_ok=True)
    return shell


def bench(shell, *arguments, pipeline="pair.yaml", source="yard.mp4"):
    return shell.vidpipe("bench", pipeline, "--source", source, "--repeats", 1, "--fit", FIT, *arguments)


def figures(shell):
    return Bench.model_validate_json((shell.folder / "bench-output/bench.json").read_text())


def lines(shell, name):
    return answers(shell.folder / f"bench-output/yard/{name}.jsonl")


@pytest.fixture(scope="module")
def compared(stock, tmp_path_factory):
    """A bench against everybody but Ray, which has a test of its own; and how it ended.

    Labels have the person alone, drawn where the models put it: 160/64 times as far right, 120/64 down.
    """
    shell = Shell(shutil.copytree(stock, tmp_path_factory.mktemp("compared"), dirs_exist_ok=True))
    rows = [f"{frame},1,115,78.75,20,30,1,-1,-1,-1" for frame in range(1, FRAMES + 1)]
    shell.write("yard.txt", "\n".join(rows))
    baselines = "big,little,static,tuned,uniform,motion,without,ultralytics"
    labels = ("--truth", "yard.txt", "--truth-class", "person")
    yield shell, bench(shell, "--baselines", baselines, "--profile", "profile.json", "--floor", 0.9, *labels)
    shell.clean_up()


def test_every_figure_can_be_worked_out_from_what_it_leaves(compared):
    """Two boxes are wanted in every frame; little finds one of them."""
    yard, ended = compared
    assert ended.status == 0, ended.err
    (clip,) = figures(yard).clips
    candidates = {candidate.name: candidate for candidate in clip.candidates}

    assert (clip.fitted.start, clip.fitted.stop, clip.scored.start, clip.scored.stop) == (0, 135, 135, 300)
    assert [len(lines(yard, name)) for name in ("reference", "pair", "big-every-frame")] == [SCORED] * 3
    assert all(len(line["detections"]) == 2 for line in lines(yard, "reference"))

    big, little = candidates["big every frame"], candidates["little every frame"]
    assert (big.agreement.boxes.f1, big.agreement.presence_all.f1, big.staleness.max_s) == (1.0, 1.0, 0.0)
    score = little.agreement.boxes
    assert (score.tp, score.fp, score.fn, score.recall) == (SCORED, 0, SCORED, 0.5)
    assert score.f1 == pytest.approx(2 / 3)
    assert little.agreement.by_class["vehicle"].f1 == 1.0
    assert little.agreement.by_class["person"].f1 == 0.0
    assert little.agreement.presence["person"].missed == 1
    assert big.cost.models["big"].asked == little.cost.models["little"].asked == SCORED
    assert big.cost.links["device-cloud"].frames == SCORED

    own, published = candidates["pair"], lines(yard, "pair")
    seen = sum(len(line["detections"]) for line in published)
    assert (own.agreement.boxes.tp, own.agreement.boxes.fn) == (seen, 2 * SCORED - seen)
    assert own.by == Counter(line["by"] for line in published)
    assert sum(own.how.values()) == SCORED
    assert own.cost.cpu.median > 0
    assert own.cost.peak_pss_mb.median > 50
    assert own.agreement.moving.tp + own.agreement.moving.fn == 0, "nothing moves"
    assert own.agreement.moving.f1 is None

    (audited,) = [told for told in clip.coverage if told.stage == "little"]
    alone = [line for line in published if line["by"] == "little"]
    assert (audited.answered, audited.missed) == (len(alone), len(alone)), "little misses the person in every frame"
    assert audited.covered
    assert not any("void" in warning for warning in clip.warnings)

    assert {"motion gate", "without difference", "without little", "without big"} <= set(candidates)
    # So small a network costs less than the noise: what its rate would be is another matter each time.
    assert ("uniform sampling" in candidates) != any("uniform sampling" in note for note in clip.notes)
    assert any(name.startswith("static") for name in candidates)
    # Five seconds prove nothing but a look at every frame, and little, which misses the person, is no looker. How far
    # between looks a tracker that adapts begins hangs on prices, which are noise here.
    assert candidates["static at the floor"].what == "the last stage looks at every frame, boxes held between"
    for name in ("tuned", "static at the floor"):
        assert candidates[name].what.startswith("the last stage looks ")
        assert candidates[name].agreement.boxes.f1 == 1.0
        assert "little" not in candidates[name].by
    assert {choice.model for choice in clip.grid} == {"little", "big"}
    assert any("Ultralytics" in note for note in clip.notes)
    for name in candidates:
        assert name in ended.out
    page = (yard.folder / "bench-output/bench.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")

    (kept,) = Profiles.model_validate_json((yard.folder / "profile.json").read_text()).clips
    assert {model.model: model.f1["1"] for model in kept.models} == {"big": 1.0, "little": pytest.approx(2 / 3)}
    assert [stage.id for stage in kept.stages] == ["difference", "little", "big"]


def test_labels_are_held_against_everybody_the_reference_included(compared):
    yard, ended = compared
    (clip,) = figures(yard).clips
    candidates = {candidate.name: candidate for candidate in clip.candidates}
    assert clip.reference.labels.boxes.f1 == 1.0
    assert clip.reference.labels.ap50 == {"vehicle": None, "person": pytest.approx(1.0)}
    assert candidates["little every frame"].labels.boxes.f1 == 0.0
    assert "against labels" in ended.out


@pytest.mark.long
@pytest.mark.ray
def test_the_same_pipeline_on_ray_answers_the_same(yard):
    assert bench(yard, "--baselines", "ray").status == 0
    (clip,) = figures(yard).clips
    inline, on_ray = clip.candidates
    assert (inline.kind, on_ray.kind) == ("pipeline", "ray")
    assert inline.agreement == on_ray.agreement
    assert on_ray.cost.start_up_cpu_s.median > 1  # its processes are on the bill, though tests fork them
    assert on_ray.cost.peak_pss_mb.median > 200


@pytest.mark.long
def test_a_clip_too_short_to_be_split_is_fitted_on_another(yard):
    """A model's own size is tried there, whatever the pipeline sets."""
    clips.encode(yard.folder / "short.mp4", frames=130, fps=FPS)
    refused = bench(yard, source="short.mp4")
    assert refused.status == 2
    assert "short is too short to split" in refused.err
    other = ("--fit-on", "yard.mp4", "--set", "models.little.size=32")
    assert bench(yard, *other, "--baselines", "static", source="short.mp4").status == 0
    (clip,) = figures(yard).clips
    assert (clip.fitted, clip.fitted_on, clip.scored.stop - clip.scored.start) == (None, ["yard"], 130)
    assert any(candidate.kind == "static" for candidate in clip.candidates)
    assert {(64, 64), (32, 32)} <= {choice.size for choice in clip.grid if choice.model == "little"}


@pytest.mark.long
def test_a_pipeline_that_always_says_empty_scores_nothing_and_one_that_returns_the_reference_is_found_out(yard):
    """That has read last time's reference: perfect, nearly free, and void."""
    yard.write("empty.yaml", BEHIND.format(name="empty", stage="SaysEmpty").replace("0.05", "0"))
    assert bench(yard, "--baselines", "none", pipeline="empty.yaml").status == 0
    (clip,) = figures(yard).clips
    assert clip.candidates[0].agreement.boxes.f1 == 0.0
    assert clip.candidates[0].agreement.presence_all.f1 == 0.0
    assert not (yard.folder / "told.jsonl").exists()  # who is measured tells nobody
    shutil.copy(yard.folder / "bench-output/yard/reference.jsonl", yard.folder / "cheat.jsonl")

    yard.write("cheat.yaml", BEHIND.format(name="cheat", stage="Cheats"))
    ended = bench(yard, "--baselines", "none", "--fit", FIT, pipeline="cheat.yaml")
    assert ended.status == 0, ended.err
    (clip,) = figures(yard).clips
    assert clip.candidates[0].agreement.boxes.f1 == 1.0
    (warning,) = [warning for warning in clip.warnings if "void" in warning]
    assert "a stage sees the reference" in warning
    assert warning in ended.out


OTHER = PAIR.replace("person: person}", "person: person, dog: dog}").replace(
    "little: {path: little.onnx, family: ssd, names: [vehicle, person]",
    "little: {path: little.onnx, family: ssd, names: [vehicle, dog]",
)
NO_MODEL = 'classes: {even: even, odd: odd}\nstages: [{id: read, type: "mystages:Read"}]'


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--truth", "late.txt"], "labels .*late.txt.* 412.* 300"),
        (["--truth", "large.txt"], "labels .*large.txt.* 1920 x 1080.* 160 x 120"),
        (["--truth", "none.txt"], "--truth none.txt: no file none.txt"),
        (["--truth-class", "dog"], "--truth-class dog: the pipeline's classes are vehicle, person"),
        (["--baselines", "big,litle"], "--baselines litle: there are big, little, static"),
        (["--fit-on", "none.mp4"], "no file none.mp4"),
        (["--reference", "none.xml"], "none.xml"),
        (["--out", "pair.yaml/there"], "folder pair.yaml/there cannot be made"),
    ],
)
def test_what_cannot_be_is_told_in_a_line_before_anything_runs(yard, arguments, says):
    yard.write("late.txt", "412,1,10,10,5,5,1,-1,-1,-1\n")
    yard.write("large.txt", "1,1,1900,1060,20,20,1,-1,-1,-1\n")
    ended = bench(yard, *arguments)
    assert ended.status == 2
    assert "reference" not in ended.err.split("vidpipe:")[0]
    assert re.search(says, ended.err), ended.err


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        (OTHER, r"reference big does not know dog \(dog\)"),
        (NO_MODEL, "the last stage, read, names no model: say with --reference"),
    ],
)
def test_a_pipeline_that_the_reference_does_not_fit(yard, pipeline, says):
    yard.write("other.yaml", pipeline)
    ended = bench(yard, pipeline="other.yaml")
    assert ended.status == 2
    assert re.search(says, ended.err), ended.err


def test_without_a_clip(yard):
    ended = yard.vidpipe("bench", "pair.yaml")
    assert ended.status == 2
    assert "give a clip with --source" in ended.error


@pytest.mark.long
def test_ctrl_c_leaves_nothing_behind(yard):
    arguments = ("bench", "pair.yaml", "--source", "yard.mp4", "--fit", FIT, "--repeats", 50)
    command = yard.start(*arguments, fresh=True)  # all that it starts is its own
    until(lambda: (yard.folder / "bench-output/yard/pair.jsonl").exists(), 60)
    command.send(signal.SIGINT, to_group=True)
    ended = command.end(30)
    assert ended.status == 130
    assert ended.err.endswith("vidpipe: interrupted\n")
    assert not command.processes()


@pytest.mark.long
def test_a_live_clip_is_played_at_its_own_speed_and_scored_against_all_of_it(yard):
    """The reference sees the recording behind it, picture by picture; only candidates are held to its pace."""
    clips.encode(yard.folder / "live.mp4", frames=150, fps=FPS)
    ended = bench(yard, "--baselines", "big,ultralytics,wait", "--fit", 0, source="cam=live+file:live.mp4")
    assert ended.status == 0, ended.err
    assert "streaming" in ended.out
    (clip,) = figures(yard).clips
    assert {candidate.kind for candidate in clip.candidates} >= {"pipeline", "big", "wait"}
    assert (clip.frames, clip.scored.start, clip.scored.stop) == (150, 0, 150)
    assert all(candidate.agreement.streaming is not None for candidate in clip.candidates)
    assert all(sum(candidate.how.values()) == 150 for candidate in clip.candidates)
    assert any("live" in note for note in clip.notes)
