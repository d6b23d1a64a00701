"""A link to a server whose network, or whose server, goes away. What must hold:

- however often the connection is cut, and wherever: each frame has one answer, and it is that of an undisturbed run;
- a network that lets nothing through any more is found out;
- a server that was started anew is told what stages had kept, and asked again what the one before it held;
- one that stays away is waited for once by recordings, and not at all by live streams;
- settings that change meanwhile are those of the first frame after it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests import clips
from tests.builders import answer
from tests.runtime import linked
from tests.runtime.linked import pipeline
from tests.runtime.remote.conftest import FRAMES, QUICK, STAGES
from tests.runtime.remote.test_server import answered
from tests.waiting import until
from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import How
from vidpipe.core.settings import Knob, StageConfig
from vidpipe.pipeline.spec import LinkSpec, Tier
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.links import link as module
from vidpipe.runtime.remote import caller, peer
from vidpipe.testing.clock import HandClock


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(peer, "TIMING", QUICK)
    monkeypatch.setattr(caller, "_FIRST_S", 0.02)
    monkeypatch.setattr(caller, "_MOST_S", 0.1)
    linked.restored.clear()
    linked.on_frame.clear()
    yield
    linked.on_frame.clear()


def cascade(clip, **options):
    links = {"device-cloud": LinkSpec(codec="jpeg", batch_frames=2)}
    return pipeline({"a": clip, "b": clip}, STAGES, links=links, **options)


class Undisturbed(dict):
    """Results and report by `ahead`; Hypothesis writes out what a test is given."""

    def __repr__(self) -> str:
        return "undisturbed"


@pytest.fixture(scope="module")
def undisturbed(clip):
    return Undisturbed({ahead: answered(cascade(clip, ahead=ahead)) for ahead in (0, 3)})


@pytest.mark.long
@pytest.mark.parametrize("ahead", [0, 3])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(cuts=[17217, 1280])  # what had come before the second one and not had its turn was lost
@given(cuts=st.lists(st.integers(500, 40_000), min_size=1, max_size=5))
def test_a_cut_costs_no_frame_and_changes_no_answer(clip, serve, reaching, network, undisturbed, ahead, cuts):
    network.to = serve(cascade(clip, ahead=ahead)).port
    at = iter(cuts)

    def next_cut() -> None:
        network.after = network.passed + next(at, 10**9)

    next_cut()
    network.on_cut = next_cut
    results, report = answered(reaching(cascade(clip, ahead=ahead), network.port))
    expected, report_alone = undisturbed[ahead]
    assert results == expected
    for stream in ("a", "b"):
        ledger = report["streams"][stream]
        assert ledger["frames_in"] == FRAMES == sum(ledger["how"].values())
    assert report["stages"]["s4"]["asked"] == report_alone["stages"]["s4"]["asked"]  # nobody was asked twice


@pytest.mark.long
def test_a_network_that_lets_nothing_through_is_found_out(clip, serve, reaching, network, undisturbed, monkeypatch):
    silent_s = 0.8
    monkeypatch.setattr(peer, "TIMING", QUICK._replace(silent_s=silent_s))
    network.to = serve(cascade(clip)).port

    def stall() -> None:
        if network.connections == 1:
            network.stalled.set()
            threading.Timer(2 * silent_s, network.stalled.clear).start()

    linked.on_frame["a", 15] = stall
    results, _ = answered(reaching(cascade(clip), network.port))
    assert results == undisturbed[0][0]
    assert network.connections > 1


def test_a_server_that_was_started_anew_is_told_what_stages_had_kept(clip, serve, reaching, network):
    served = cascade(clip, ahead=3)
    servers = [serve(served)]
    network.to = servers[0].port
    restarted = threading.Event()

    def restart() -> None:
        if not restarted.is_set():
            restarted.set()
            network.cut()
            threading.Thread(target=anew).start()

    def anew() -> None:
        servers[0].close()
        servers.append(serve(served, port=servers[0].port))
        network.mend()

    linked.on_frame["a", 33] = restart
    results, _ = answered(reaching(served, network.port))
    assert restarted.is_set()
    assert linked.restored["a"] == linked.restored["b"] == 1
    for stream in ("a", "b"):
        assert Counter(how for _, how, *_ in results[stream])[How.FAILED] == 0
        assert [seq for seq, *_ in results[stream]] == list(range(FRAMES))


def test_a_recording_waits_once_for_a_server_that_stays_away(clip, serve, reaching, network, monkeypatch):
    monkeypatch.setattr(module, "REVIVE_S", 0.5)
    monkeypatch.setattr(module, "PING_EVERY_S", 0.1)
    network.to = serve(cascade(clip)).port
    linked.on_frame["a", 15] = network.cut
    away: list[Any] = []
    with Run(reaching(cascade(clip), network.port), engine="inline") as run:
        results = []
        for result in run:
            results.append(result)
            away += [run._engine.away()]  # noqa: SLF001
        report = run.join().report
    failed = [result for result in results if result.how is How.FAILED]
    assert failed
    assert all("cloud is away: 127.0.0.1:" in result.answer.reason for result in failed)
    assert any("cloud" in each.get("a", {}) for each in away)
    assert {name: each["frames_in"] for name, each in report["streams"].items()} == {"a": FRAMES, "b": FRAMES}


class Said(StageConfig):
    word: str = Knob("before")


class Says(Stage[Said]):
    """Answers every frame with the word that it goes by."""

    Config = Said
    shared = True

    def answer(self, frames):
        return [replace(answer(self.id, as_of=frame.seq), reason=self.config.word) for frame in frames]


class Shows(Stage[StageConfig]):
    """Asks every third frame, and repeats what it learnt last."""

    known = None

    def answer(self, frames):
        (frame,) = frames
        return [None if frame.seq % 3 == 0 else self.known]

    def learn(self, frame, given):
        self.known = replace(given, by=self.id)


class Differs(Says):
    """Another stage in the place of that one."""


SPACING_S = 20.0


class Minutes:
    """A watcher that turns a clock on by some seconds, once a picture was answered, and does things at some of them."""

    def __init__(self, clock: HandClock, does: dict[int, Callable[[], None]]) -> None:
        self.clock, self.does, self.at = clock, does, 0

    def started(self, infos) -> None: ...

    def progressed(self, collector) -> None:
        frames = collector.ledgers["gate"].frames_in
        if frames > self.at:
            self.at = frames
            self.does.get(frames, lambda: None)()
            self.clock.turn(SPACING_S)


@pytest.mark.long
@pytest.mark.parametrize("restarted", [False, True])
def test_a_site_goes_on_for_ten_minutes_without_its_server(serve, reaching, network, tmp_path, monkeypatch, restarted):
    """Settings that changed here meanwhile are in force there from the first frame on, also where the server was
    started anew meanwhile, with other ones of its own."""
    monkeypatch.setattr(module, "PING_EVERY_S", 0.02)
    frames, gone, back = 56, range(8, 39), 39
    clip = clips.encode(tmp_path / "clip.mp4", frames=frames, size=(64, 48), fps=Fraction(1, int(SPACING_S)))
    stages = [(Shows, Tier.DEVICE), (Says, Tier.CLOUD)]
    alone = pipeline({"gate": f"live+file:{clip}"}, stages, links={"device-cloud": LinkSpec(codec="jpeg")})
    server = serve(alone)
    network.to = server.port
    clock = HandClock()
    states: set[str] = set()

    def restart() -> None:
        if restarted:
            server.close()
            word = replace(alone.stages[1], config=Said(word="the server's own"))
            network.to = serve(replace(alone, stages=(alone.stages[0], word))).port

    def mend() -> None:
        states.add(run.status().streams["gate"].state)
        network.mend()
        until(lambda: not run._engine._link.absent)  # noqa: SLF001

    does = {
        gone[0]: lambda: (network.cut(), until(lambda: run._engine._link.absent)),  # noqa: SLF001
        gone[10]: restart,
        gone[15]: lambda: run.apply(stages={"s1": {"word": "after"}}),
        back: mend,
    }
    with Run(
        reaching(alone, network.port), engine="inline", clock=clock, watchers=[Minutes(clock, does)], results=True
    ) as run:
        results = list(run)
        report = run.join().report
    assert [result.seq for result in results] == list(range(frames))
    ledger = report["streams"]["gate"]
    assert ledger["frames_in"] == frames == sum(ledger["how"].values()) == sum(ledger["by"].values())
    assert "failed" not in ledger["how"]
    assert states == {"degraded"}
    asked = [result for result in results if result.seq % 3 == 0]
    assert {result.covered for result in asked} == {"late", "away"}
    shown = {result.seq: result.answer.reason for result in results if result.seq % 3}
    assert {shown[seq] for seq in gone if seq in shown} == {"before"}
    assert {shown[seq] for seq in range(back + 6, frames) if seq in shown} == {"after"}
    assert "the server's own" not in shown.values()
    assert max(result.answer.as_of for result in results) > back


def test_a_server_that_comes_back_as_another_one_is_not_used_and_the_site_goes_on(
    serve, reaching, network, tmp_path, monkeypatch, caplog
):
    """It runs another pipeline, or has another token: an operator has to hear of it, once."""
    monkeypatch.setattr(module, "PING_EVERY_S", 0.02)
    frames = 24
    clip = clips.encode(tmp_path / "clip.mp4", frames=frames, size=(64, 48), fps=Fraction(1, int(SPACING_S)))
    stages = [(Shows, Tier.DEVICE), (Says, Tier.CLOUD)]
    alone = pipeline({"gate": f"live+file:{clip}"}, stages, links={"device-cloud": LinkSpec(codec="jpeg")})
    server = serve(alone)
    network.to = server.port

    def refusals() -> list[str]:
        return [each.getMessage() for each in caplog.records if "different pipelines: stage s1" in each.getMessage()]

    def restart() -> None:
        network.cut()
        server.close()
        other = replace(alone.stages[1], type=Differs)
        network.to = serve(replace(alone, stages=(alone.stages[0], other))).port
        network.mend()
        before = network.connections
        until(lambda: network.connections > before + 2)  # it is tried again, as it may be put right

    does = {8: restart}
    with Run(
        reaching(alone, network.port), engine="inline", clock=(clock := HandClock()), watchers=[Minutes(clock, does)],
        results=True,
    ) as run:  # fmt: skip
        results = list(run)
        report = run.join().report
    assert [result.seq for result in results] == list(range(frames))
    assert report["streams"]["gate"]["frames_in"] == frames
    assert {result.covered for result in results[12:] if result.seq % 3 == 0} == {"away"}
    assert len([each for each in refusals() if "does not take this run" in each]) == 1
