"""Both engines run the same cascades. What must hold:

- one answer for every picture, `seq` without a gap, whatever raises or dies;
- the same file gives equal results on both engines, at any depth of `ahead`;
- a stage stands where the pipeline puts it.
"""

import os
import time
from collections import Counter

import pytest

from tests import clips
from tests.runtime.conftest import Runner

CLASSES = "classes: {even: even, odd: odd}\n"

CASCADES = {
    "three tiers": """
stages:
  - {id: sample, type: sample, fps: 20, on: device}
  - {id: third, type: mystages:Third, on: device}
  - {id: read, type: mystages:Read, on: cloud}
""",
    "learners on two tiers": """
stages:
  - {id: difference, type: difference, threshold: 300, on: device}
  - {id: third, type: mystages:Third, on: edge}
  - {id: read, type: mystages:Read, on: cloud}
""",
    "lossy link": """
stages:
  - {id: third, type: mystages:Third, on: device}
  - {id: read, type: mystages:Read, on: edge}
links: {device-edge: {codec: jpeg, quality: 70, width: 128}}
""",
    "coded, then raw, and less credit than is asked ahead": """
stages:
  - {id: third, type: mystages:Third, on: device}
  - {id: counts, type: mystages:Counts, on: edge}
  - {id: read, type: mystages:Read, on: cloud}
links: {device-edge: {codec: jpeg, width: 128, credit_mb: 0.05}, edge-cloud: {credit_frames: 5}}
""",
    "isolated": """
stages:
  - {id: third, type: mystages:Third, isolate: true}
  - {id: read, type: mystages:Read, isolate: true}
""",
    "tracked": """
stages:
  - {id: track, type: track, refresh_s: 0.3, agreement: 0.9, on: device}
  - {id: read, type: mystages:Read, on: cloud}
""",
    "tracked by vectors": """
stages:
  - {id: track, type: track, refresh_s: 1, change: 1, motion: codec, on: device}
  - {id: read, type: mystages:Read, on: cloud}
""",
    "tracked by what looks bear out": """
stages:
  - {id: track, type: track, refresh_s: 0.2, change: 1, motion: auto, on: device}
  - {id: read, type: mystages:Read, on: cloud}
""",
    "vectors do not cross a link": """
stages:
  - {id: counts, type: mystages:Counts, on: device}
  - {id: track, type: track, refresh_s: 1, change: 1, motion: codec, on: edge}
  - {id: read, type: mystages:Read, on: cloud}
""",
    "free": """
stages:
  - {id: sample, type: sample, fps: 12, on: device}
  - {id: read, type: mystages:Read, on: edge}
""",
}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two clips that differ in length, size and codec."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        "a": clips.encode(folder / "a.mp4", frames=60, b_frames=2),
        "b": clips.encode(folder / "b.avi", codec="mpeg4", frames=45, size=(192, 128)),
    }


@pytest.mark.ray
@pytest.mark.parametrize(
    ("cascade", "ahead"),
    [
        ("three tiers", 3),
        ("learners on two tiers", 3),
        ("learners on two tiers", 0),
        ("coded, then raw, and less credit than is asked ahead", 3),
        ("isolated", 3),
        ("tracked", 0),
        ("tracked by vectors", 0),
        ("tracked by what looks bear out", 0),
        ("tracked by what looks bear out", 3),
        ("vectors do not cross a link", 0),
    ],
)
def test_equal_results_on_both_engines(tmp_path, cluster, two, cascade, ahead):
    pipeline = f"{CLASSES}{CASCADES[cascade]}\nahead: {ahead}\naudit: {{rate: 0.1, max_unchecked_s: 1}}\n"
    ran = [Runner(tmp_path, engine, address)(pipeline, two) for engine, address in (("inline", None), ("ray", cluster))]
    for stream, lines in ran[0].comparable().items():
        for one, other in zip(lines, ran[1].comparable()[stream], strict=True):
            assert one == other
    assert ran[0].outcome.exit_status == ran[1].outcome.exit_status == 0
    for one in ran:
        assert [line["seq"] for line in one.of("a")] == list(range(60))
        assert [line["seq"] for line in one.of("b")] == list(range(45))
    for stream in two:
        reports = [one.report["streams"][stream] for one in ran]
        assert reports[0] == reports[1]
        assert reports[0]["frames_in"] == sum(reports[0]["by"].values()) == sum(reports[0]["how"].values())
        assert reports[0]["accuracy"]["looks"] == sum(each["audited"] for each in reports[0]["audits"].values()) > 0
    assert {name: link["frames"] for name, link in ran[0].report["links"].items()} == {
        name: link["frames"] for name, link in ran[1].report["links"].items()
    }
    counted = [{k: (v["asked"], v["answered"]) for k, v in one.report["stages"].items()} for one in ran]
    assert counted[0] == counted[1]


CACHED = """
stages:
  - {id: cache, type: cache, agreement: 0.5, on: edge}
  - {id: read, type: mystages:Read, on: cloud}
ahead: 2
audit: {rate: 0.1}
"""


@pytest.mark.long
@pytest.mark.ray
def test_what_a_stream_reuses_does_not_depend_on_the_order_in_which_streams_come(tmp_path, cluster):
    """Recordings of one scene, each of which would find its answers in what the others have just learnt."""
    tapes = {
        f"tape{size}": clips.encode(tmp_path / f"{size}.mp4", frames=100, period=20 + size, size=(160 + 16 * size, 120))
        for size in range(4)
    }
    inline, on_ray = (
        Runner(tmp_path, *engine)(CLASSES + CACHED, tapes) for engine in (("inline", None), ("ray", cluster))
    )
    assert inline.comparable() == on_ray.comparable()
    answered = [{line["by"] for line in inline.of(tape)} for tape in tapes]
    assert answered == [{"cache", "read"}] * 4


CALIBRATED = """
classes: {person: person, vehicle: vehicle, bike: bike}
streams: {a: {url: ASSETS/videos/vtest.avi, end_s: 7}}
models:
  little: {path: ASSETS/models/person-vehicle-bike-detection-2000.xml}
  middle: {path: ASSETS/models/person-vehicle-bike-detection-2001.xml}
  big: {path: ASSETS/models/person-vehicle-bike-detection-2002.xml}
stages:
  - {id: track, type: track, refresh_s: 0.2, on: device}
  - {id: pick, type: select, models: [little, middle], agreement: 0.5, on: edge}
  - {id: part, type: regions, model: middle, on: edge}
  - {id: little, type: detect, model: middle, agreement: 0.5, budget: 0.6, least_f1: 0.5, on: edge}
  - {id: big, type: detect, model: big, on: cloud}
audit: {rate: 0.1}
"""


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.footage
def test_what_is_learnt_of_models_is_the_same_on_both_engines(tmp_path, cluster, assets):
    pipeline = CALIBRATED.replace("ASSETS", str(assets))
    inline, on_ray = (Runner(tmp_path, engine, at)(pipeline, {}) for engine, at in (("inline", None), ("ray", cluster)))
    assert inline.outcome.exit_status == on_ray.outcome.exit_status == 0
    for one, other in zip(inline.of("a"), on_ray.of("a"), strict=True):
        assert (one["how"], one["by"], one["as_of"]) == (other["how"], other["by"], other["as_of"])
        assert len(one["detections"]) == len(other["detections"])
        for box, same in zip(one["detections"], other["detections"], strict=True):
            assert box["xyxy"] == pytest.approx(same["xyxy"], abs=0.01)
            assert (box["class"], box.get("track_id")) == (same["class"], same.get("track_id"))
    assert len({line["by"] for line in inline.of("a")}) >= 3
    counts = [{k: v.get("counts") for k, v in ran.report["stages"].items()} for ran in (inline, on_ray)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("ahead", [0, 1, 4])
def test_learning_comes_after_as_many_frames_as_are_asked_ahead(inline, two, ahead):
    """Frame 0 is learnt after frame `ahead` was asked: the frames up to it have nothing to go by, and are passed on."""
    pipeline = (
        CLASSES + CASCADES["three tiers"].replace("fps: 20", "fps: 1000") + f"\nahead: {ahead}\naudit: {{rate: 0}}"
    )
    lines = inline(pipeline, {"a": two["a"]}).lines
    assert [line["by"] for line in lines[: ahead + 1]] == ["read"] * (ahead + 1)
    assert lines[ahead + 1]["by"] == ("third" if (ahead + 1) % 3 else "read")


def test_stages_read_the_right_pictures_and_carry_what_was_last(inline, two):
    ran = inline(CLASSES + CASCADES["free"] + "\naudit: {rate: 0, max_unchecked_s: null}", {"a": two["a"]})
    for line in ran.lines:
        (box,) = line["detections"]
        assert box["xyxy"][0] == line["as_of"]  # the number in the picture that was measured
        assert line["as_of"] == line["seq"] or line["how"] == "skipped"
    assert Counter(line["how"] for line in ran.lines)["skipped"] == 31  # 25 frames a second, 12 are looked at


def test_answers_are_completed_on_the_way_up(inline, two):
    """Audits aside: a frame that the first stage was audited on never came to the second."""
    ran = inline(CLASSES + CASCADES["three tiers"] + "\naudit: {rate: 0}", {"a": two["a"]})
    measured = [line for line in ran.lines if line["by"] == "read"]
    assert measured
    assert all(line["detections"][0]["track_id"] == line["seq"] for line in measured)


@pytest.mark.ray
def test_a_segment_is_an_actor_and_an_isolated_stage_has_its_own(on_ray, two):
    """One process for the device, one for each segment behind it; the driver runs no stage."""
    pipeline = """
stages:
  - {id: first, type: mystages:Where, at: 0, on: device}
  - {id: below, type: mystages:Where, at: 1, on: edge}
  - {id: alone, type: mystages:Where, at: 2, on: edge, isolate: true}
audit: {rate: 0}
"""
    ran = on_ray(pipeline, {"a": two["a"]})
    said = {(line["by"], line["reason"].split()[0]) for line in ran.lines}
    assert sorted(stage for stage, _ in said) == ["alone", "below", "first"]
    assert len({process for _, process in said} | {str(os.getpid())}) == 4


def test_a_raising_stage_costs_its_frames_only(inline, two):
    pipeline = (
        """
stages:
  - {id: raises, type: mystages:Raises, on: device, at: 7}
  - {id: read, type: mystages:Read, on: edge}
"""
        + CLASSES
    )
    ran = inline(pipeline, two)
    failed = [(line["stream"], line["seq"]) for line in ran.lines if line["how"] == "failed"]
    assert failed == [("a", 7), ("b", 7)] or failed == [("b", 7), ("a", 7)]
    (line,) = [line for line in ran.of("a") if line["seq"] == 7]
    assert line["by"] == "raises"
    assert line["as_of"] == 6
    assert line["reason"].startswith("ValueError: this frame again (mystages.py:")
    assert ran.outcome.exit_status == 1
    assert len(ran.outcome.errors) == 1
    assert "stage raises raised 2 times, first: ValueError: this frame again" in ran.outcome.errors[0]


def test_accuracy_is_that_of_the_cascade_whatever_transforms_leave_of_it(inline, two):
    pipeline = CLASSES + CASCADES["three tiers"] + "\naudit: {rate: 0.2}\n"
    nowhere = "transforms: [{id: there, type: region, polygon: [[0, 0.9], [0.1, 0.9], [0.1, 1]]}]\n"
    plain, emptied = inline(pipeline, {"a": two["a"]}), inline(pipeline + nowhere, {"a": two["a"]})
    assert not any(line["detections"] for line in emptied.lines)
    assert emptied.report["streams"]["a"]["accuracy"] == plain.report["streams"]["a"]["accuracy"]
    assert plain.report["streams"]["a"]["accuracy"]["f1"] < 1


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.parametrize(
    ("on", "stage", "once"),
    [
        ("device", "mystages:Dies", True),
        ("edge", "mystages:SharedDies", True),
        ("cloud", "mystages:SharedDies", False),
    ],
)
def test_a_killed_actor_loses_no_frame(on_ray, two, tmp_path, on, stage, once):
    """It comes back: a frame that killed it once is answered, one that kills it each time is given up."""
    flag = tmp_path / "died"
    pipeline = (
        f"""
stages:
  - {{id: third, type: mystages:Third, on: device}}
  - {{id: dies, type: "{stage}", on: {on}, at: 18, once: "{flag if once else ""}"}}
  - {{id: read, type: mystages:Read, on: cloud}}
audit: {{rate: 0.3, max_unchecked_s: null}}
"""
        + CLASSES
    )
    ran = on_ray(pipeline, {"a": two["a"]})
    assert [line["seq"] for line in ran.lines] == list(range(60))
    failed = [line["seq"] for line in ran.lines if line["how"] == "failed"]
    assert failed == ([] if once else [18])
    for line in ran.lines:
        assert line["how"] in ("failed", "tracked") or line["detections"][0]["xyxy"][0] == line["seq"]
    assert ran.outcome.exit_status == (0 if once else 1)
    told = ran.report["streams"]["a"]["accuracy"]
    assert told["looks"] == sum(line["reason"] == "audit of third" for line in ran.lines) > 0
    assert told["looked"] == sum(line["by"] == "read" for line in ran.lines)
    assert told["by_stage"]["third"]["frames"] == sum(line["by"] == "third" for line in ran.lines)
    assert told["unmeasured"] == len(failed)


@pytest.mark.long
@pytest.mark.ray
def test_one_frame_that_kills_the_device_costs_one_answer(on_ray, two):
    """Though both streams are asked far ahead; what the dead had counted stands in the report, and that they died."""
    pipeline = """
stages:
  - {id: dies, type: mystages:Dies, on: device, at: 50}
  - {id: read, type: mystages:Read, on: edge}
audit: {rate: 0, max_unchecked_s: null}
"""
    began = time.time()
    ran = on_ray(CLASSES + pipeline, two)
    assert [line["seq"] for line in ran.of("a")] == list(range(60))
    assert [line["seq"] for line in ran.of("b")] == list(range(45))
    assert [(line["stream"], line["seq"]) for line in ran.lines if line["how"] == "failed"] == [("a", 50)]
    deaths = ran.report["deaths"]
    assert list(deaths) == ["device"]
    assert len(deaths["device"]) >= 3
    assert all(began < at < time.time() for at in deaths["device"])


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.parametrize("on", ["device", "cloud"])
def test_what_a_shared_stage_keeps_of_a_stream_survives_a_killed_actor(on_ray, tmp_path, on):
    """Its actor dies at second 8: what was kept after 5 s of media time is known again, of each stream its own."""
    stages = {
        tier: [f"{{id: pass-{tier}, type: mystages:SharedDies, on: {tier}, at: -1}}"]
        for tier in ("device", "edge", "cloud")
    }
    stages[on].append(f"{{id: counts, type: mystages:Counts, on: {on}}}")
    stages[on].append(f'{{id: dies, type: mystages:SharedDies, on: {on}, at: 40, once: "{tmp_path / "died"}"}}')
    listed = [stage for tier in stages.values() for stage in tier]
    listed.append("{id: read, type: mystages:Read, on: cloud}")
    pipeline = f"{CLASSES}stages: [{', '.join(listed)}]\naudit: {{rate: 0}}"
    slow = {name: clips.encode(tmp_path / f"{name}.mp4", frames=60, fps=5) for name in "ab"}
    ran = on_ray(pipeline, slow)
    for stream in slow:
        learnt = [int(line["reason"]) for line in ran.of(stream)]
        assert learnt[:25] == list(range(1, 26))
        # What was learnt since the last snapshot may be lost; a frame that is asked again may be learnt twice.
        assert 60 - 16 <= learnt[-1] <= 60 + 2


@pytest.mark.long
@pytest.mark.ray
def test_a_shaped_link_changes_when_not_what(tmp_path, cluster, two):
    """20 ms of delay on each of 60 frames, one open at a time, is more than a second; the answers stay the same."""
    pipeline = CLASSES + CASCADES["lossy link"].replace("width: 128", "width: 128, shaper: {delay_ms: 40, loss: 0.1}")
    shaped = Runner(tmp_path, "ray", cluster)(pipeline, {"a": two["a"]})
    plain = Runner(tmp_path, "inline", None)(pipeline, {"a": two["a"]})
    assert shaped.comparable() == plain.comparable()
    assert shaped.report["wall_s"] > 0.8


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.timed  # beside others all pictures may be over before the first look has come
def test_late_answers_are_covered_now_and_learnt_later(on_ray, two):
    """With `late: detour` a frame that is open below is answered with what is known, and the answer is learnt."""
    audits = "late: detour\naudit: {rate: 0.5, max_unchecked_s: null}\n"
    pipeline = CLASSES + CASCADES["three tiers"].replace("fps: 20", "fps: 1000") + audits
    ran = on_ray(pipeline, {"a": two["a"]})
    assert [line["seq"] for line in ran.lines] == list(range(60))
    assert {line["by"] for line in ran.lines} <= {"engine", "third"}
    assert ran.report["stages"]["read"]["asked"] > 0
    # What was audited stood, and its audit came behind it.
    told = ran.report["streams"]["a"]["accuracy"]
    assert told["looks"] == ran.report["streams"]["a"]["audits"]["third"]["audited"] > 0
    assert told["looked"] == 0
    third = told["by_stage"]["third"]["frames"]
    # One whose audit was refused for overload stood as well, and nobody knows whether it was right.
    assert 0 < third <= sum(line["by"] == "third" for line in ran.lines)
    assert third + told["looked_late"] + told["unmeasured"] == 60, "each frame is of one kind"
    assert told["looked_late"] > 0
    assert told["low"] <= told["f1"] <= told["high"]


@pytest.mark.long
@pytest.mark.ray
def test_live_nobody_waits_for_a_slow_link(on_ray, two):
    """By default a live stream detours: answers are prompt although looks take 400 ms, and late ones are built on."""
    pipeline = CLASSES + CASCADES["tracked"] + "\nlinks: {device-cloud: {shaper: {delay_ms: 400}}}\n"
    ran = on_ray(pipeline, {"a": f"live+file:{two['a']}"})
    assert [line["seq"] for line in ran.lines] == list(range(60))
    assert all(line["how"] != "measured" for line in ran.lines)
    assert max(line["as_of"] for line in ran.lines) > 20
    assert ran.report["stages"]["read"]["asked"] > 2
    assert ran.report["latency_ms"]["p50"] < 300


@pytest.mark.long
@pytest.mark.ray
def test_live_one_may_wait_all_the_same(on_ray, two):
    """Then pictures are dropped while it waits, the newest win, and each has its answer."""
    pipeline = CLASSES + CASCADES["tracked"] + "\nlinks: {device-cloud: {shaper: {delay_ms: 400}}}\nlate: wait\n"
    ran = on_ray(pipeline, {"a": f"live+file:{two['a']}"})
    stream = ran.report["streams"]["a"]
    assert [line["seq"] for line in ran.lines] == list(range(60))
    assert stream["frames_in"] == sum(stream["how"].values()) == 60
    assert stream["dropped"]["overloaded"] > 10
    assert stream["how"]["measured"] > 1


def test_masked_parts_give_no_boxes(inline, two):
    """The box lies where the number is; where that part is hidden it is left out of the answer."""
    pipeline = CLASSES + "stages: [{id: read, type: mystages:Read}]"
    config = inline.folder / "config.yaml"
    config.write_text(
        "streams: {a: {mask: [[[0, 0.5], [1, 0.5], [1, 1], [0, 1]], [[0.9, 0], [1, 0], [1, 1], [0.9, 1]]]}}"
    )
    from vidpipe.pipeline.yaml.load import load
    from vidpipe.results.sinks.base import Sink
    from vidpipe.runtime.driver.run import run

    file = inline.folder / "pipeline.yaml"
    file.write_text(pipeline)
    loaded = load(file, config=config, sources={"a": str(two["a"])})

    class Kept(Sink):
        records = []

        def write(self, results, published_at):
            self.records += results

        def close(self):
            pass

    kept = Kept()
    kept.records = []
    run(loaded, engine="inline", sinks=[kept])
    assert all(len(record.answer.detections) == 1 for record in kept.records)  # centres at x < 70 of 160, y = 5
    config.write_text("streams: {a: {mask: [[[0, 0], [1, 0], [1, 0.09], [0, 0.09]]]}}")
    kept.records = []
    run(load(file, config=config, sources={"a": str(two["a"])}), engine="inline", sinks=[kept])
    assert all(len(record.answer.detections) == 0 for record in kept.records)


SAYING = (
    CLASSES
    + """
stages:
  - {id: above, type: mystages:Warns, at: 3, on: device}
  - {id: below, type: mystages:SharedWarns, at: 44, on: edge}
  - {id: read, type: mystages:Read, on: cloud}
"""
)


def test_what_is_logged_where_the_streams_are_is_logged_once_where_the_run_is(runner, two, caplog):
    runner(SAYING, {"b": two["b"]})
    said = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    told = [("vidpipe.mystages", "WARNING", f"stage {stage}: 50% of something") for stage in ("above", "below")]
    assert sorted(one for one in said if one in told) == told, "which actor is heard first is nobody's promise"
