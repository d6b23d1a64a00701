"""A version of a pipeline that takes the place of another one. What must hold:

- results of a stream go on without a picture that nobody has answered, and without one that both have told;
- what does not load, or does not answer, changes nothing;
- every frame of either is in its ledger, and whoever stops the whole stops both.
"""

from __future__ import annotations

import threading

import pytest

from tests import clips
from tests.builders import answer
from tests.runtime.conftest import LIVE_FPS, Runner
from tests.waiting import until
from vidpipe.core.errors import ConfigError, RunError, VidpipeError
from vidpipe.core.event import Event, Phase
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.results.writer import Writer
from vidpipe.runtime.driver import versions as module
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.driver.states import RunState
from vidpipe.runtime.driver.versions import Versions

PIPELINE = """
name: NAME
classes: {even: even, odd: odd}
stages: [{id: read, type: "mystages:TYPE"}]
"""
MORE = """

class Other(Read):
    pass


class DoesNotOpen(Read):
    def open(self, context):
        raise OSError("no licence for this machine")


class Fails(Read):
    def answer(self, frames):
        raise ValueError("never")
"""


class Kept(Sink):
    """What came, with the head that it came under."""

    kept: list = []

    def begin(self, provenance):
        self.head = provenance

    def write(self, results, published_at):
        type(self).kept += [(self.head, result) for result in results]


@pytest.fixture
def make(tmp_path, monkeypatch):
    runner = Runner(tmp_path, "inline", None)
    stages = runner.folder / "mystages.py"
    stages.write_text(stages.read_text() + MORE)
    clip = clips.encode(tmp_path / "clip.mp4", frames=60 * LIVE_FPS)
    monkeypatch.setattr(Kept, "kept", [])

    def version(kind, *, held=True, live=True):
        file = runner.folder / f"{kind}.yaml"
        file.write_text(PIPELINE.replace("NAME", kind).replace("TYPE", kind))
        pipeline = load(file, sources={"cam": f"live+file:{clip}" if live else str(clip)})
        return Run(pipeline, engine="inline", sinks=[Kept()], results=False, held=held)

    return version


def test_results_go_on_without_a_gap_or_a_picture_twice(make):
    with Versions(make("Read", held=False), make) as versions:
        until(lambda: len(Kept.kept) > LIVE_FPS, 20)
        first = versions.current
        versions.replace("Other")
        assert versions.current is not first
        until(lambda: Kept.kept[-1][0]["pipeline"] == "Other", 20)
        before = len(Kept.kept)
        until(lambda: len(Kept.kept) > before + 5, 20)
        versions.stop()
        outcome = versions.join()
    old = [result for head, result in Kept.kept if head["pipeline"] == "Read"]
    new = [result for head, result in Kept.kept if head["pipeline"] == "Other"]
    assert Kept.kept[-1][0]["follows"] == Kept.kept[0][0]["start"]
    for results in (old, new):
        seqs = [result.seq for result in results]
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
    gap_s = new[0].captured_at - old[-1].captured_at
    assert 0 < gap_s < 3 / LIVE_FPS
    (replaced,) = outcome.report["replaced"]
    assert replaced["streams"]["cam"]["frames_in"] == len(old)
    told = outcome.report["streams"]["cam"]
    assert told["frames_in"] == sum(told["how"].values()) == new[-1].seq + 1


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("DoesNotOpen", "no licence for this machine"),
        ("Fails", "the new version has not answered cam within 0.5 s; nothing has changed"),
        ("Nowhere", "Nowhere"),
    ],
)
def test_what_does_not_load_or_answer_changes_nothing(make, monkeypatch, kind, message):
    monkeypatch.setattr(module, "ANSWER_S", 0.5)
    with Versions(make("Read", held=False), make) as versions:
        until(lambda: len(Kept.kept) > 5, 20)
        first = versions.current
        with pytest.raises(VidpipeError, match=message):
            versions.replace(kind)
        assert versions.current is first
        before = len(Kept.kept)
        until(lambda: len(Kept.kept) > before + 5, 20)
        versions.stop()
        outcome = versions.join()
    assert "replaced" not in outcome.report
    assert outcome.errors == []
    assert {head["pipeline"] for head, _ in Kept.kept} == {"Read"}


def test_where_a_sink_does_not_open_for_the_new_one_the_run_ends_with_that_error(make, monkeypatch):
    """A service is begun again then; it must not look as if somebody had stopped it."""
    usual = Kept.begin

    def begin(self, provenance):
        if provenance["pipeline"] == "Other":
            raise ConfigError("the broker is gone")
        usual(self, provenance)

    monkeypatch.setattr(Kept, "begin", begin)
    with Versions(make("Read", held=False), make) as versions:
        until(lambda: len(Kept.kept) > 2, 20)
        with pytest.raises(ConfigError, match="the broker is gone"):
            versions.replace("Other")
        outcome = versions.join()
    assert outcome.errors == ["another version could not take over: the broker is gone"]
    assert outcome.exit_status == 1
    assert outcome.report["replaced"][0]["streams"]["cam"]["frames_in"] == len(Kept.kept)


def test_one_that_breaks_down_when_the_new_one_is_there_does_not_take_it_along(make, monkeypatch):
    with Versions(make("Read", held=False), make) as versions:
        until(lambda: len(Kept.kept) > 2, 20)
        old = versions.current
        usual = old.stop

        def stop():
            usual()
            until(lambda: old.state is RunState.ENDED, 20)
            monkeypatch.setattr(old, "_outcome", None)  # as where the engine could not go on
            monkeypatch.setattr(old, "_error", RunError("Ray is gone"))

        monkeypatch.setattr(old, "stop", stop)
        versions.replace("Other")
        until(lambda: Kept.kept[-1][0]["pipeline"] == "Other", 20)
        versions.stop()
        assert versions.join().report["run"]["pipeline"] == "Other"


def test_recordings_are_run_again_in_place_of_that(make):
    with Versions(make("Read", held=False, live=False), make) as versions:
        with pytest.raises(ConfigError, match="stream cam is a recording: a pipeline is replaced on cameras alone"):
            versions.replace("Other")
        versions.join()


def test_who_stops_meanwhile_stops_both(make, monkeypatch):
    made = []
    with Versions(make("Read", held=False), lambda name: made.append(make(name)) or made[0]) as versions:
        until(lambda: len(Kept.kept) > 2, 20)
        failed = []

        def replace():
            try:
                versions.replace("Fails")
            except RunError as error:
                failed.append(str(error))

        replacing = threading.Thread(target=replace)
        replacing.start()
        until(lambda: made and made[0].state is RunState.RUNNING, 20)
        with pytest.raises(RunError, match="another version is just taking over"):
            versions.replace("Other")
        versions.stop()
        versions.join()
        replacing.join(20)
    assert failed
    assert made[0].state is RunState.ENDED


def test_of_events_that_were_held_those_are_told_that_are_new_or_still_last():
    told = []

    class Events(Sink):
        def write(self, results, published_at):
            pass

        def tell(self, events):
            told.extend((event.id, event.phase) for event in events)

    def event(seq, id, kind="presence", phase=Phase.BEGIN):
        return Event(kind, "cam", seq, seq / 10, float(seq), "rule", id, phase=phase)

    writer = Writer([Events()], held=True)
    writer.begin({"start": "b"})
    held = {
        1: [event(1, "lasts"), event(1, "is over"), event(1, "crossed", "line.cross")],
        2: [event(2, "is over", phase=Phase.END)],
        3: [event(3, "lasts", phase=Phase.END), event(3, "new", "line.cross")],
    }
    for seq in range(4):
        writer.write([Result("cam", seq, seq / 10, float(seq), 0.0, 0, answer("big"))], 0.0, held.get(seq, ()))
    writer.release("a", {"cam": 2.0})
    writer.close()
    assert told == [("lasts", Phase.BEGIN), ("lasts", Phase.END), ("new", Phase.BEGIN)]


def test_what_is_held_reaches_nobody_where_its_run_ends():
    class Nothing(Sink):
        def begin(self, provenance):
            raise AssertionError

        write = begin

    writer = Writer([Nothing()], held=True)
    writer.begin({"start": "b"})
    writer.write([Result("cam", 0, 0.0, 0.0, 0.0, 0, answer("big"))], 0.0)
    writer.close()
