"""Standbys of devices. What must hold: one takes over only while it is there, the dead one stands by in its turn."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from ray.exceptions import RayActorError

from vidpipe.runtime.ray import standby
from vidpipe.runtime.ray.standby import Standbys


class Actor:
    """Answers calls when it is told to."""

    def __init__(self) -> None:
        self.calls: list[Future[None]] = []

    @property
    def word(self) -> Actor:
        return self

    def remote(self) -> Actor:
        self.calls.append(Future())
        return self

    def future(self) -> Future[None]:
        return self.calls[-1]


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch):
    monkeypatch.setattr(standby, "LOOK_EVERY_S", -1.0)


def test_one_that_is_not_there_yet_takes_nobodys_place():
    standbys, first, other = Standbys(wanted=True), Actor(), Actor()
    assert standbys.in_place_of(first, ["edge"], "north") == (first, ["edge"])
    standbys.put_device("north", other, ["edge 1"])
    assert standbys.in_place_of(first, ["edge"], "north") == (first, ["edge"])
    other.calls[-1].set_result(None)
    assert standbys.in_place_of(first, ["edge"], "south") == (first, ["edge"])  # a site's is for that site
    assert standbys.in_place_of(first, ["edge"], "north") == (other, ["edge 1"])


def test_the_dead_one_stands_by_once_it_is_there_again():
    standbys, first, other = Standbys(wanted=True), Actor(), Actor()
    standbys.put_device("north", other, ["edge 1"])
    other.calls[-1].set_result(None)
    assert standbys.in_place_of(first, ["edge"], "north") == (other, ["edge 1"])
    first.calls[-1].set_exception(RayActorError())
    assert standbys.in_place_of(other, ["edge 1"], "north") == (other, ["edge 1"])  # both are dead
    standbys.is_due()
    standbys.is_due()
    assert len(first.calls) == 2  # it is called again once a call has failed, and not while one is out
    first.calls[-1].set_result(None)
    assert standbys.in_place_of(other, ["edge 1"], "north") == (first, ["edge"])


def test_nobody_stands_by_where_nobody_is_wanted():
    standbys = Standbys(wanted=False)
    standbys.begin()
    assert not standbys.is_due()
    assert standbys.name("edge") == ""
