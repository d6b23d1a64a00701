"""A run that is held: iterated over, changed, asked and stopped, on both engines. What must hold:

- iterating gives every result, each stream's in order, and ends when the streams do;
- a change of settings is an epoch: from some frame on every result names it, and results of other streams do not;
- what cannot be changed is said, and changes nothing;
- however a block is left, everything has ended behind it, and the ledger adds up.
"""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests import clips
from tests.runtime.conftest import BY_INLINE, LIVE_FPS
from tests.waiting import until
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.accuracy import Evidence
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.driver.states import NEXT, RunState
from vidpipe.testing.clock import HandClock

PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: says, type: mystages:Says, word: first}
  - {id: read, type: mystages:Read, on: edge}
"""

SAYS = '''

from vidpipe.core.settings import Knob


class SaysConfig(StageConfig):
    word: str = Knob("", max_length=20)
    tag: str = Knob("")
    fixed: int = 0


class Says(Stage):
    """Passes frames on, and completes answers with the word that is in force for the frame."""

    Config = SaysConfig

    def answer(self, frames):
        return [None] * len(frames)

    def learn(self, frame, answer):
        return replace(answer, reason=self.config.word)


class SharedSays(Says):
    shared = True
'''


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("session") / "clip.mp4", frames=100)


@pytest.fixture
def pipeline(runner):
    """Loads the pipeline with streams of these names, replayed or live."""
    stages = runner.folder / "mystages.py"
    stages.write_text(stages.read_text() + SAYS)
    (runner.folder / "pipeline.yaml").write_text(PIPELINE)

    def of(clip, *names, live=False, sets=()):
        urls = {name: f"live+file:{clip}" if live else str(clip) for name in names}
        return load(runner.folder / "pipeline.yaml", sources=urls, sets=sets)

    return of


@pytest.fixture
def begin(runner):
    """Makes a run on the engine under test."""
    return lambda pipeline, **options: Run(pipeline, engine=runner.engine, address=runner.address, **options)


@BY_INLINE
def test_iterating_gives_every_result_in_order_and_ends(begin, pipeline, clip):
    with begin(pipeline(clip, "one", "two")) as run:
        results = list(run)
        outcome = run.join()
    for stream in ("one", "two"):
        assert [result.seq for result in results if result.stream == stream] == list(range(100))
    assert run.state is RunState.ENDED
    assert outcome.exit_status == 0
    assert {stream["frames_in"] for stream in outcome.report["streams"].values()} == {100}


@pytest.mark.long
def test_a_change_of_settings_is_an_epoch_of_its_stream(begin, pipeline, live, tmp_path):
    epochs, results = [], []
    first, second = live.frames // 5, live.frames // 2
    clip = clips.encode(tmp_path / "clip.mp4", frames=live.frames, fps=LIVE_FPS)
    with begin(pipeline(clip, "one", "two", live=True), **live.options()) as run:
        for result in live.results(run, streams=2):
            results.append(result)
            if result.stream == "one" and result.seq in (first, second):
                word = f"at {result.seq}"
                epochs.append(run.apply(stages={"says": {"word": word}}, streams=["one"], reason="a test"))
                if len(epochs) == 2:
                    run.apply(stages={"says": {"word": "all"}})
        report = run.join().report["streams"]
    words = {0: "first", 1: f"at {first}", 2: f"at {second}", 3: "all"}
    for stream, expected in (("one", [0, 1, 2, 3]), ("two", [0, 3])):
        own = [result for result in results if result.stream == stream]
        seen = [result.epoch for result in own]
        assert seen == sorted(seen)
        # Two changes may follow each other before the next frame.
        assert {*seen} <= {*expected}
        assert (seen[0], seen[-1]) == (0, 3)
        measured = [result for result in own if result.answer.how == "measured"]
        assert all(result.answer.reason == words[result.epoch] for result in measured)
    timeline = report["one"]["settings"]
    assert [entry["epoch"] for entry in timeline] == [1, 2, 3]
    assert timeline[0]["reason"] == "a test"
    assert timeline[0]["by"] == "user"
    assert timeline[0]["changes"] == {"says": {"word": f"at {first}"}}
    assert [entry["epoch"] for entry in report["two"]["settings"]] == [3]


@pytest.mark.long
def test_a_configuration_that_is_read_again_is_an_epoch(begin, pipeline, clip, runner):
    """What was applied before stays, but for what the configuration says anew; a stream whose source changes begins
    anew."""
    first = pipeline(clip, "a", "b", "c", live=True)
    word = pipeline(clip, "a", "b", "c", live=True, sets=["stages.says.word=second"])
    ended = dict.fromkeys("abc", f"live+file:{clip}") | {"c": str(clip)}
    source = load(runner.folder / "pipeline.yaml", sources=ended, sets=["stages.says.word=second"])
    fresh = []
    with begin(first, reload=lambda: fresh.pop() if fresh else None) as run:
        run.apply(stages={"says": {"tag": "mine"}}, streams=["a"], reason="mine")
        epochs = {name: [] for name in "abc"}
        for result in run:
            seen = epochs[result.stream]
            if not seen or seen[-1] != result.epoch:
                seen.append(result.epoch)
            if result.seq == 10 and result.stream == "a":
                fresh.append(word)
            if result.seq == 30 and result.stream == "b":
                fresh.append(source)
        assert run.status().streams["a"].epoch == 2
    report = run.join().report["streams"]
    assert epochs["a"][-1] == epochs["b"][-1] == 2
    assert epochs["c"][-1] == 3
    told = {name: [(each["by"], each["changes"]) for each in report[name]["settings"]] for name in "abc"}
    reloaded = ("reload", {"says": {"word": "second"}})
    assert told == {
        "a": [("user", {"says": {"tag": "mine"}}), reloaded],
        "b": [reloaded],
        "c": [reloaded, ("reload", {})],
    }


@pytest.mark.long
@BY_INLINE
def test_another_floor_that_is_read_again_begins_nothing_anew(begin, pipeline, clip, live, runner):
    """What was applied before stays; the accuracy is that of all frames, held against the new floor."""
    urls = {"a": f"live+file:{clip}", "b": f"live+file:{clip}"}
    strict = load(runner.folder / "pipeline.yaml", sources=urls, sets=["streams.a.floor=0.9", "streams.a.want=count"])
    fresh = []
    first = pipeline(clip, "a", "b", live=True)
    with begin(first, reload=lambda: fresh.pop() if fresh else None, **live.options()) as run:
        run.apply(stages={"says": {"tag": "mine"}}, streams=["a"])
        for result in live.results(run, streams=2):
            if result.stream == "a" and result.seq == 10:
                fresh.append(strict)
        status = run.status().streams
        report = run.join().report["streams"]
    assert [each["by"] for each in report["a"]["settings"]] == ["user"]
    assert report["b"]["settings"] == []
    promised = {name: (told["accuracy"]["floor"], told["accuracy"]["want"]) for name, told in report.items()}
    assert promised == {"a": (0.9, "count"), "b": (None, "boxes")}
    told = report["a"]["accuracy"]
    assert told["looked_late"] + told["unmeasured"] == 100  # the model is on a slower tier
    assert (told["held"], told["f1"]) == (True, pytest.approx(1, abs=0.05))  # one box in each picture, and one is said
    assert status["a"].accuracy.items() <= told.items()
    # Evidence of epochs adds up to that of all.
    assert sum(status["a"].evidence.values(), Evidence()).report("count")["looked_late"] == told["looked_late"] > 0


@BY_INLINE
def test_a_shared_stage_goes_by_the_settings_of_each_frame(begin, pipeline, clip, runner):
    text = PIPELINE.replace("mystages:Says, word: first", "mystages:SharedSays, word: first, on: edge")
    (runner.folder / "pipeline.yaml").write_text(text)
    loaded = load(runner.folder / "pipeline.yaml", sources={"one": str(clip), "two": str(clip)})
    with begin(loaded) as run:
        run.apply(stages={"says": {"word": "other"}}, streams=["two"])
        results = list(run)
    reasons = {(result.stream, result.epoch, result.answer.reason) for result in results}
    assert reasons <= {("one", 0, "first"), ("two", 0, "first"), ("two", 1, "other")}
    assert ("two", 1, "other") in reasons


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": {}}, "nothing to change"),
        ({"stages": {"say": {"word": "x"}}}, "there is no stage 'say'; did you mean 'says'?"),
        ({"stages": {"says": {"wort": "x"}}}, "stages.says: there is no setting 'wort'; did you mean 'word'?"),
        ({"stages": {"says": {"word": "x" * 21}}}, "stages.says.word: String should have at most 20 characters"),
        (
            {"stages": {"says": {"fixed": 1}}},
            "stages.says.fixed is fixed while it runs; what can change there: word, tag",
        ),
        ({"stages": {"says": {"word": "x"}}, "streams": ["tow"]}, "there is no stream 'tow'; did you mean 'two'?"),
    ],
)
def test_what_cannot_be_changed_is_said_and_changes_nothing(inline_run, change, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        inline_run.apply(**change)
    assert inline_run.status().epochs == ()


OWN = """
from dataclasses import replace

import supervision as sv

from vidpipe import Answer, How, Stage, StageConfig
"""

LAST = '''

class Nothing(Stage):
    """Finds nothing in any frame."""

    shared = True

    def answer(self, frames):
        return [Answer(sv.Detections.empty(), How.MEASURED, self.id, frame.seq) for frame in frames]
'''


@pytest.fixture(scope="module")
def inline_run(tmp_path_factory):
    """One live run for all who only look at messages; it stands still at its first picture."""
    folder = tmp_path_factory.mktemp("stages")
    (folder / "saying.py").write_text(OWN + SAYS + LAST)
    (folder / "pipeline.yaml").write_text(
        "classes: {even: even}\nstages:\n  - {id: says, type: 'saying:Says'}\n  - {id: last, type: 'saying:Nothing'}\n"
    )
    clip = clips.encode(folder / "clip.mp4", frames=10)
    loaded = load(folder / "pipeline.yaml", sources={"two": f"live+file:{clip}"})
    with Run(loaded, engine="inline", clock=HandClock()) as run:
        yield run


@BY_INLINE
def test_stopped_from_another_thread_it_ends_in_order(begin, pipeline, clip):
    with begin(pipeline(clip, "one", live=True)) as run:
        threading.Timer(0.5, run.stop).start()
        results = list(run)
        outcome = run.join()
    assert outcome.interrupted
    assert 0 < len(results) < 100
    assert outcome.report["streams"]["one"]["frames_in"] == len(results)
    with pytest.raises(RunError, match="the run is ended"):
        run.apply(stages={"says": {"word": "late"}})


@BY_INLINE
def test_an_exception_in_the_block_ends_everything_and_comes_through(begin, pipeline, clip):
    run = begin(pipeline(clip, "one", live=True))

    def fail_at(seq):
        with run:
            for result in run:
                1 / (result.seq - seq)

    with pytest.raises(ZeroDivisionError):
        fail_at(5)
    assert run.state is RunState.ENDED
    assert not [thread for thread in threading.enumerate() if thread.name == "vidpipe-one"]


@BY_INLINE
def test_what_does_not_open_is_raised_by_entering(begin, pipeline, clip, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    run = begin(pipeline(broken, "one"))
    with pytest.raises(ConfigError, match=r"broken\.mp4"), run:
        pass
    assert run.state is RunState.FAILED


def test_who_iterates_slowly_holds_a_recording_up(begin, pipeline, clip):
    with begin(pipeline(clip, "one"), pictures=True) as run:  # of which fewer wait
        first = next(iter(run))
        while not run.status().is_held:
            threading.Event().wait(0.01)
        held = run.status()
        rest = list(run)
    assert held.streams["one"].frames_in < 90
    assert [first.seq, *(result.seq for result in rest)] == list(range(100))
    assert run.status().lost == 0


def test_results_bring_their_pictures_where_that_is_asked_for(begin, pipeline, clip):
    with begin(pipeline(clip, "one"), pictures=True) as run:
        for result in run:
            assert clips.number(result.picture[..., 1]) == result.seq


@BY_INLINE
def test_results_bring_no_pictures_where_nobody_asks(begin, pipeline, clip):
    with begin(pipeline(clip, "one")) as run:
        assert next(iter(run)).picture is None


@BY_INLINE
def test_under_asyncio(begin, pipeline, clip):
    async def consume():
        run = begin(pipeline(clip, "one"))
        with run:
            results = [result async for result in run]
            outcome = await run.stopped()
        return results, outcome

    results, outcome = asyncio.run(consume())
    assert [result.seq for result in results] == list(range(100))
    assert outcome.exit_status == 0


def test_two_runs_in_one_process(begin, pipeline, clip):
    with begin(pipeline(clip, "one")) as run, begin(pipeline(clip, "two")) as other:
        assert len(list(run)) == len(list(other)) == 100


@pytest.mark.long
def test_a_stream_that_is_paused_goes_on_where_it_stood(begin, pipeline, tmp_path):
    """No frame is told twice or left out, whatever stands still meanwhile; and the run waits for it."""
    frames = 400  # so many that it has not ended when it is paused
    clip = clips.encode(tmp_path / "long.mp4", frames=frames)
    with begin(pipeline(clip, "one", "two")) as run:
        results = iter(run)
        seen = [next(results)]
        run.pause("one")
        run.pause("one")
        assert run.states()["one"] == "paused"
        until(lambda: run.status().streams["one"].state == "ended", 30)
        assert run.status().streams["one"].paused
        assert run.state is RunState.RUNNING
        run.resume("one", reason="a test")
        run.resume("one")
        seen += results
        report = run.join().report["streams"]
    for stream in ("one", "two"):
        assert [result.seq for result in seen if result.stream == stream] == list(range(frames))
    (entry,) = report["one"]["settings"]
    assert (entry["by"], entry["reason"], entry["changes"]) == ("user", "a test", {})
    assert report["two"]["settings"] == []


@BY_INLINE
def test_a_run_waits_for_its_last_stream_and_can_be_stopped_meanwhile(begin, pipeline, clip):
    with begin(pipeline(clip, "one", live=True)) as run:
        run.pause("one")
        until(lambda: run.status().streams["one"].paused and run.states()["one"] == "paused")
        until(lambda: run.status().streams["one"].state == "stopped")
        assert run.state is RunState.RUNNING
    assert run.join().errors == []


@BY_INLINE
def test_a_stream_that_is_paused_stays_so_when_its_configuration_changes(begin, pipeline, clip, runner):
    first = pipeline(clip, "one", "two", live=True)
    urls = {"one": str(clip), "two": f"live+file:{clip}"}
    fresh = [load(runner.folder / "pipeline.yaml", sources=urls)]
    with begin(first, reload=lambda: fresh.pop() if fresh else None, results=False) as run:
        run.pause("one")
        until(lambda: not run.pipeline.streams["one"].spec.live)
        assert run.states()["one"] == "paused"
        run.resume("one")
        until(lambda: run.status().streams["one"].frames_in >= 100)


@BY_INLINE
def test_another_floor_is_asked_of_a_stream(begin, pipeline, clip, runner):
    """And stays so when a configuration is read again that says nothing new of it."""
    fresh = []
    loaded = pipeline(clip, "one", live=True, sets=["streams.one.floor=0.9"])
    with begin(loaded, reload=lambda: fresh.pop() if fresh else None, results=False) as run:
        run.ask_floor("one", 0.8)
        assert run.status().streams["one"].accuracy["floor"] == 0.8
        fresh.append(pipeline(clip, "one", live=True, sets=["streams.one.floor=0.9", "stages.says.word=other"]))
        until(lambda: run.status().epochs)
        assert run.status().streams["one"].accuracy["floor"] == run.pipeline.streams["one"].spec.floor == 0.8
        with pytest.raises(ConfigError, match=r"streams.one.floor: Input should be less than 1, not 1.5"):
            run.ask_floor("one", 1.5)


@pytest.mark.parametrize("call", ["pause", "resume", "ask_floor"])
def test_what_is_asked_of_a_stream_that_is_not_there(inline_run, call):
    with pytest.raises(ConfigError, match=r"there is no stream 'tow'; did you mean 'two'\?"):
        getattr(inline_run, call)("tow", *([0.5] if call == "ask_floor" else []))


def test_every_state_leads_to_an_end():
    for state in RunState:
        reached, todo = set(), {state}
        while todo:
            reached |= todo
            todo = {after for each in todo for after in NEXT[each]} - reached
        assert reached & {RunState.ENDED, RunState.FAILED}
    assert not NEXT[RunState.ENDED] | NEXT[RunState.FAILED]
