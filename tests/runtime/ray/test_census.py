"""The census: what actors have counted outlives them."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from ray.exceptions import RayActorError

from vidpipe.cascade.cascade import Away
from vidpipe.results.records import Counts
from vidpipe.runtime.ray import census as census_module
from vidpipe.runtime.ray.actors import Word
from vidpipe.runtime.ray.census import Census
from vidpipe.runtime.ray.warnings import Latest


class Answers:
    """An actor that says these things, one after the other, of itself; None: it never says."""

    def __init__(self, *words: Word | RayActorError | None) -> None:
        self._words = list(words)
        self.fresh: list[bool] = []

    @property
    def word(self) -> Answers:
        return self

    def remote(self, fresh: bool) -> Answers:
        self.fresh.append(fresh)
        return self

    def future(self) -> Future[Word]:
        answer: Future[Word] = Future()
        said = self._words.pop(0)
        if isinstance(said, RayActorError):
            answer.set_exception(said)
        elif said is not None:
            answer.set_result(said)
        return answer


def word(instance: str, cpu_s: float) -> Word:
    return Word(instance, Counts({}, {}, {}), cpu_s, {}, Latest(0, ()))


def test_one_that_came_back_just_before_the_end_is_counted() -> None:
    census = Census()
    actor: Any = Answers(word("first", 1.0), RayActorError(), word("second", 2.0))
    census.add("device", actor)
    census.ask_all()
    census.ask_all()
    assert census.cpu_s() == 1.0
    census.ask_all()
    assert census.cpu_s() == 3.0
    assert len(census.counts().deaths["device"]) == 1


def test_deaths_that_somebody_saw_are_all_counted() -> None:
    """Two within a second, which the next word could not tell from one."""
    census = Census()
    actor: Any = Answers(word("first", 1.0), word("third", 2.0))
    census.add("device", actor, watched=True)
    census.ask_all()
    census.died(actor)
    census.died(actor)
    census.ask_all()
    assert len(census.counts().deaths["device"]) == 2


def test_what_somebody_waits_for_may_be_heard_by_another() -> None:
    """The report of a run that goes on is made aside, while the run itself hears actors: one of the two found None."""
    census = Census()

    class Heard(Future[Word]):
        def exception(self, timeout: float | None = None) -> BaseException | None:
            raised = super().exception(timeout)
            census.go_on()
            return raised

    class Actor(Answers):
        def future(self) -> Future[Word]:
            answer = Heard()
            answer.set_result(super().future().result())
            return answer

    actor: Any = Actor(word("first", 1.0), word("first", 2.0), word("first", 3.0))
    census.add("device", actor)
    census.go_on()
    census.ask_all()
    assert census.cpu_s() == 2.0


def test_an_actor_is_not_heard_while_it_cannot_be_reached_or_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census_module, "LAST_WORD_S", 0.0)
    monkeypatch.setattr(census_module, "ANSWER_S", -1.0)
    census = Census()
    dead: Any = Answers(word("first", 1.0), RayActorError(), word("second", 1.0))
    mute: Any = Answers(word("first", 1.0), None)
    census.add("device", dead)
    census.add("edge", mute)
    heard = []
    for _ in range(3):
        census.ask_all()
        heard.append((census.hears(dead), census.hears(mute)))
    assert heard == [(True, True), (False, False), (True, False)]


def test_who_is_asked_every_second_is_not_asked_to_wait() -> None:
    census = Census()
    actor: Any = Answers(word("first", 1.0), word("first", 2.0))
    census.add("device", actor)
    census.go_on()
    census.ask_all()
    assert actor.fresh == [False, True]


def test_who_was_ended_on_purpose_has_not_died() -> None:
    census = Census()
    actor: Any = Answers(word("first", 1.0), RayActorError())
    census.add("edge", actor)
    census.ask_all()
    census.leave(actor)
    census.go_on()
    census.ask_all()
    assert census.counts().deaths == {}
    assert census.cpu_s() == 1.0


def test_who_is_away_is_told_of_whoever_needs_him() -> None:
    """Two sites, of which one does not reach its edge."""
    census = Census()
    north: Any = Answers(
        Word("n", Counts({}, {}, {}), 0.0, {"north/edge": Away("north/edge", 1.0)}, Latest(0, ())), None
    )
    south: Any = Answers(word("s", 0.0), None)
    census.add("north/device", north)
    census.add("south/device", south)
    census.ask_all()
    census.go_on()
    assert list(census.away([north])) == ["north/edge"]
    assert census.away([south]) == {}
