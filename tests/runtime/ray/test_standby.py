"""Standbys. What must hold:

- one takes over only while it is there, and the dead one stands by in its turn;
- whoever joins a run later gets one, too;
- one whose models are in other files than those of the run does not stand by, and that is told.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any
from unittest import mock

import pytest
from ray.exceptions import RayActorError, RayTaskError

from tests.runtime.linked import Measures, Passes, pipeline
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Tier
from vidpipe.runtime.ray import segment_actors, standby
from vidpipe.runtime.ray.census import Census
from vidpipe.runtime.ray.devices import Devices
from vidpipe.runtime.ray.machines import Machines
from vidpipe.runtime.ray.processes import Processes
from vidpipe.runtime.ray.segment_actors import SegmentActors
from vidpipe.runtime.ray.standby import Standbys


class Actor:
    """Answers calls when it is told to."""

    def __init__(self) -> None:
        self.calls: list[Future[None]] = []

    @property
    def check(self) -> Actor:
        return self

    def remote(self, _: object) -> Actor:
        self.calls.append(Future())
        return self

    def future(self) -> Future[None]:
        return self.calls[-1]


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch):
    monkeypatch.setattr(standby, "LOOK_EVERY_S", -1.0)


def standbys_of(left: list[Any]) -> Standbys:
    return Standbys(lambda: {"big": {"big.onnx": "0" * 64}}, left.append, wanted=True)


def test_one_that_is_not_there_yet_takes_nobodys_place():
    standbys, first, other = standbys_of([]), Actor(), Actor()
    assert standbys.in_place_of(first, ["edge"], "north") == (first, ["edge"])
    standbys.put_device("north", "north/device", other, ["edge 1"])
    assert standbys.in_place_of(first, ["edge"], "north") == (first, ["edge"])
    other.calls[-1].set_result(None)
    assert standbys.in_place_of(first, ["edge"], "south") == (first, ["edge"])  # a site's is for that site
    assert standbys.in_place_of(first, ["edge"], "north") == (other, ["edge 1"])


def test_the_dead_one_stands_by_once_it_is_there_again():
    standbys, first, other = standbys_of([]), Actor(), Actor()
    standbys.put_device("north", "north/device", other, ["edge 1"])
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
    standbys = Standbys(dict, lambda _: None, wanted=False)
    standbys.expect()
    assert not standbys.is_due()
    assert standbys.name("edge") == ""


def test_one_with_other_models_does_not_stand_by(monkeypatch, caplog):
    left, killed = [], []
    monkeypatch.setattr(standby.ray, "kill", killed.append)
    standbys, device, edge, alike = standbys_of(left), Actor(), Actor(), Actor()
    standbys.put_device("north", "north/device", device, [])
    standbys.put_segment("edge", edge)
    standbys.put_segment("cloud", alike)
    alike.calls[-1].set_result(None)
    for other in (device, edge):
        refused = ConfigError("model big: big.onnx on machine box is another file")
        other.calls[-1].set_exception(RayTaskError("check", "", refused))
    standbys.is_due()
    standbys.is_due()
    assert (standbys.devices, standbys.segments) == ([], [alike])
    assert killed == left == [edge, device]
    assert caplog.text.count("north/device has no standby: model big: big.onnx on machine box is another file") == 1
    assert standbys.has_device("north")  # nobody tries another one every few seconds
    assert standbys.in_place_of(alike, [], "north") == (alike, [])


def test_a_site_whose_first_stream_comes_later_has_standbys_too(monkeypatch):
    started: list[tuple[str, str]] = []

    def start(kind: type, place: str, options: dict[str, Any], packed: bytes) -> Actor:
        started.append((place, options.get("name", "")))
        return Actor()

    processes: Any = mock.create_autospec(Processes, instance=True)
    processes.start.side_effect = start
    monkeypatch.setattr(segment_actors, "pack_arguments", lambda *_: b"")
    monkeypatch.setattr(standby, "AFTER_S", -1.0)
    standbys = standbys_of([])
    machines: Any = mock.create_autospec(Machines, instance=True)
    machines.options.return_value, machines.count.return_value = ({}, None), 1
    segments = SegmentActors(machines, processes, standbys, one_machine=False, started=lambda _: None)
    of_run = Devices(machines, processes, segments, standbys, Census(), (), "10.0.0.5:6379")

    def laid(**sites: str) -> Any:
        streams = dict.fromkeys(sites, "live+file:clip.mp4")
        whole = pipeline(streams, [(Passes, Tier.EDGE), (Measures, Tier.CLOUD)])
        for name, stream in whole.streams.items():
            object.__setattr__(stream, "spec", stream.spec.model_copy(update={"at": sites[name]}))
        return plan(whole)

    def stood_by(now: Any) -> list[str]:
        before = len(started)
        standbys.expect()
        assert standbys.is_due()
        assert not standbys.is_due()
        of_run.stand_by(now)
        return sorted(name for name, _ in started[before:])

    first, later = laid(a="north"), laid(a="north", b="south")
    of_run.add(first, "north", ["a"])
    assert stood_by(first) == ["cloud", "north/device", "north/edge"]
    assert stood_by(first) == []
    device, is_new = of_run.with_room(later, "b")
    assert (device.site, is_new) == ("south", True)
    assert stood_by(later) == ["south/device", "south/edge"]
