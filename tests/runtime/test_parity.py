"""A stage cannot tell the engines apart. What must hold, for stages of a stream's own and shared ones:

- every callback comes as often, for the same streams and under the same settings; `close` once and in order;
- whatever is raised in whichever callback costs its frame at most: the run ends, the ledger adds up, and it is told;
- settings of any kind may differ from stream to stream.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests import clips
from tests.models.bright import bright_network
from tests.runtime import recording
from tests.runtime.conftest import BY_INLINE, Runner

FRAMES = 30  # six seconds: once, states are taken
STREAMS = ("a", "b")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("clips") / "clip.mp4", frames=FRAMES, fps=5)


def pipeline(runner, stages, streams, **more):
    """Stages in a pipeline beside their file; `streams` are settings of stages by stream and stage id."""
    (runner.folder / "recording.py").write_text(Path(recording.__file__).read_text())
    return json.dumps(
        {
            "classes": {"even": "even", "odd": "odd"},
            "stages": stages,
            "streams": {name: {"url": str(url), "stages": own} for name, (url, own) in streams.items()},
            "audit": {"rate": 0},
            **more,
        }
    )


def placed(id, kind, on, **config):
    return {"id": id, "type": f"recording:{kind}", "on": on, **config}


def written(log):
    return [tuple(json.loads(line)) for line in Path(log).read_text().splitlines()]


def assert_adds_up(ran, streams, frames=FRAMES):
    assert len(ran.lines) == frames * len(streams)
    for stream in streams:
        assert [line["seq"] for line in ran.of(stream)] == list(range(frames))
        ledger = ran.report["streams"][stream]
        assert ledger["frames_in"] == frames == sum(ledger["how"].values()) == sum(ledger["by"].values())


def recorded(runner, clip, **more):
    """The run of a stage of either kind on each tier, of which the last fails on frame 7; and what they wrote down."""
    log = runner.folder / f"{runner.engine}.log"
    stages = [
        placed("own", "Recording", "device", log=str(log)),
        placed("local", "SharedRecording", "device", log=str(log)),
        placed("far", "SharedRecording", "edge", log=str(log)),
        placed("last", "Last", "cloud", log=str(log), at=7),
    ]
    streams = {name: (clip, {stage["id"]: {"tag": name} for stage in stages}) for name in STREAMS}
    ran = runner(pipeline(runner, stages, streams, **more), {})
    return ran, written(log)


@pytest.fixture(scope="module")
def both(tmp_path_factory, cluster, clip):
    """The same pipeline on each engine."""
    links = {"device-edge": {"codec": "raw"}, "edge-cloud": {"codec": "jpeg"}}
    folder = tmp_path_factory.mktemp("parity")
    engines = {"inline": None, "ray": cluster}
    return {name: recorded(Runner(folder, name, at), clip, links=links) for name, at in engines.items()}


@pytest.mark.ray
def test_every_callback_comes_as_often_on_both_engines(both):
    counted = {}
    for engine, (ran, calls) in both.items():
        assert_adds_up(ran, STREAMS)
        failed = [(line["stream"], line["seq"]) for line in ran.lines if line["how"] == "failed"]
        assert sorted(failed) == [("a", 7), ("b", 7)]
        counted[engine] = Counter(call[:3] for call in calls if call[:2] not in SHARED_CLOSES)
    assert counted["inline"] == counted["ray"]
    for stage in ("own", "local", "far"):
        for stream in STREAMS:
            assert counted["ray"][stage, "answer", stream] == FRAMES
            assert counted["ray"][stage, "learn", stream] == FRAMES - 1
            assert counted["ray"][stage, "forget", stream] == 1
            assert counted["ray"][stage, "snapshot" if stage == "own" else "snapshot_stream", stream] == 1
    assert [counted["ray"]["own", call, stream] for call in ("open", "close") for stream in STREAMS] == [1] * 4


SHARED_CLOSES = {(stage, "close") for stage in ("local", "far", "last")}


@pytest.mark.ray
@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_shared_stages_are_closed_once_and_in_order(both, engine):
    _, calls = both[engine]
    assert [call[:2] for call in calls if call[:2] in SHARED_CLOSES] == [
        ("local", "close"),
        ("far", "close"),
        ("last", "close"),
    ]
    assert {call[0] for call in calls[-3:]} == {"local", "far", "last"}  # nothing comes behind that


@pytest.mark.ray
@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_every_call_runs_under_the_settings_of_its_stream(both, engine):
    _, calls = both[engine]
    for stage, callback, stream, tag in calls:
        assert tag == (stream or ""), (stage, callback)


ERRORS = ("ValueError", "SystemExit", "KeyboardInterrupt", "GeneratorExit")
CALLBACKS = {
    "Recording": ("learn", "forget", "snapshot", "counts", "close"),
    "SharedRecording": ("learn", "forget", "snapshot_stream", "counts", "close"),
}


def test_what_callbacks_raise_is_told_and_costs_nobody_an_answer(runner, clip):
    """A stage for each callback and each error, all in one cascade; only what `answer` raises costs a frame."""
    stages = []
    failing = range(10, 10 + 2 * len(ERRORS))
    places = iter(failing)
    expected = {}
    for kind, on in (("Recording", "device"), ("SharedRecording", "edge")):
        for error in ERRORS:
            for callback in CALLBACKS[kind]:
                stages.append(placed(f"{error}-{callback}-{on}".lower(), kind, on, raises=callback, error=error))
                if callback != "close" or kind == "Recording":  # those that are shared close when all is counted
                    expected[stages[-1]["id"]] = f"in {callback}: {error}: no {callback} (recording.py:"
            at = next(places)
            stages.append(placed(f"{error}-answer-{on}".lower(), kind, on, raises="answer", error=error, at=at))
            expected[stages[-1]["id"]] = f"{error}: no answer (recording.py:"
    stages.append(placed("last", "Last", "cloud"))
    ran = runner(pipeline(runner, stages, {name: (clip, {}) for name in STREAMS}), {})
    assert_adds_up(ran, STREAMS)
    failed = {line["seq"]: line for line in ran.of("a") if line["how"] == "failed"}
    assert sorted(failed) == list(failing)
    assert [line["by"].split("-")[0] for _, line in sorted(failed.items())] == [error.lower() for error in ERRORS] * 2
    assert {line["how"] for line in ran.lines} == {"failed", "measured"}
    told = {line.split()[1]: line.partition("once: ")[2] or line.partition("first: ")[2] for line in ran.outcome.errors}
    assert told.keys() == expected.keys()
    for stage, message in expected.items():
        assert told[stage].startswith(message)
        assert list(ran.report["stages"][stage]["errors_in"]) == [stage.split("-")[1]]
    assert ran.outcome.exit_status == 1


@BY_INLINE
def test_what_cover_raises_is_told(runner, clip):
    stages = [
        placed("own", "Recording", "device", raises="fallback", error="SystemExit"),
        placed("local", "SharedRecording", "device", raises="fallback", error="GeneratorExit"),
        placed("last", "Last", "cloud"),
    ]
    ran = runner(pipeline(runner, stages, {"a": (clip, {})}, late="detour"), {})
    assert_adds_up(ran, "a")
    assert {line["how"] for line in ran.lines} <= {"reused", "dropped"}
    assert len(ran.outcome.errors) == 2
    assert all("in fallback: " in error for error in ran.outcome.errors)


@pytest.mark.long
@pytest.mark.ray
def test_a_stage_that_cannot_take_up_its_state_begins_anew(on_ray, clip):
    """Both actors die once, when what was kept at second 5 has come to the driver."""
    folder = on_ray.folder
    results = str(folder / "ray.jsonl")
    stages = [
        placed("own", "Recording", "device", raises="restore", error="SystemExit"),
        placed("dies", "DiesOnce", "device", once=str(folder / "one"), at=29, results=results),
        placed("far", "SharedRecording", "edge", raises="restore_stream", error="KeyError"),
        placed("ends", "SharedDiesOnce", "edge", once=str(folder / "other"), at=28, results=results),
        placed("last", "Last", "edge"),
    ]
    ran = on_ray(pipeline(on_ray, stages, {"a": (clip, {})}, ahead=0), {})
    assert_adds_up(ran, "a")
    assert {line["how"] for line in ran.lines} == {"measured"}
    far, own = sorted(ran.outcome.errors)
    assert "stage own raised once: in restore: SystemExit: no restore (" in own
    assert "stage far raised once: in restore_stream: KeyError: 'no restore_stream' (" in far


@BY_INLINE
def test_lists_and_mappings_may_be_settings_of_what_streams_share(runner, clip):
    """Accepting by class is one; streams that differ in them came together in one call, and all failed."""
    network = bright_network(runner.folder / "bright.onnx", ("even", "odd"))
    stages = [
        placed("far", "SharedRecording", "edge", log=str(runner.folder / "log"), listed=["x"], mapped={"x": 0.5}),
        {"id": "pick", "type": "select", "on": "edge", "models": ["bright", "again"], "agreement": 0.9},
        {"id": "little", "type": "detect", "on": "edge", "model": "bright", "accept": {"even": 0.99, "odd": 0.99}},
        placed("last", "Last", "cloud"),
    ]
    own = {"a": {"listed": ["x"]}, "b": {"listed": ["y"]}, "c": {"mapped": {"x": 0.5}}, "d": {"mapped": {"y": 1}}}
    streams = {
        name: (clip, {"far": {"tag": name, **mine}, "little": {"accept": {"even": 0.9}}}) for name, mine in own.items()
    }
    models = {"bright": {"path": str(network)}, "again": {"path": str(network)}}
    ran = runner(pipeline(runner, stages, streams, models=models), {})
    assert_adds_up(ran, own)
    assert ran.outcome.errors == []
    assert {line["how"] for line in ran.lines} == {"measured"}
    assert all(stream == tag for _, callback, stream, tag in written(runner.folder / "log") if callback == "answer")
