"""Detector pools. What must hold:

- outputs are those of the network itself, whoever asks, however many pictures at a time, whatever size outputs have;
- under load a run of twice the weight is looked at twice as often, and what waits is bounded;
- who is silent is forgotten and may come back; a pool that nobody holds ends, once, and one that is held does not;
- a pool that dies is started again, and the pictures that it had are looked at; a run that is killed leaves none.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import clips
from tests.models.bright import bright_network
from tests.runtime.conftest import Runner
from tests.waiting import until
from vidpipe.models.runtimes import Output, Pixels
from vidpipe.models.runtimes.opening import NetworkFile
from vidpipe.runtime.links.shared_memory import SharedMemoryPool, Slot
from vidpipe.runtime.ray import pools
from vidpipe.runtime.ray.pool import AT_ONCE, LEASE_S, Pool, Ran, UnknownError
from vidpipe.testing.clock import HandClock

SIDE = 4
PIXELS = Pixels(rgb=False)


class Sums:
    """A network whose outputs tell a picture: its sum, and as many ones as its first pixel says.

    Attributes:
        gate: held, it looks at nothing.
        seen: first pixels, in the order of the looks.
        batches: how many pictures each call had.
    """

    size = (SIDE, SIDE)
    outputs = (Output(("sum",), (1, 1)), Output(("ones",), (1, -1)))
    names = None

    def __init__(self, at_once: int = 1, *, varying: bool = True) -> None:
        self.pictures = np.zeros((at_once, SIDE, SIDE, 3), np.uint8)
        self.varying = varying
        self.fails = False
        self.gate = threading.Lock()
        self.seen: list[int] = []
        self.batches: list[int] = []

    def compile(self, _: Pixels) -> Sums:
        return self

    def run(self, count: int) -> list[np.ndarray]:
        with self.gate:
            if self.fails:
                raise ValueError("the network cannot")
            firsts = self.pictures[:, 0, 0, 0]
            self.seen += firsts[:count].tolist()
            self.batches.append(count)
            sums = self.pictures.sum(axis=(1, 2, 3)).astype(np.float32)[:, None]
            if not self.varying:
                return [sums]
            return [sums, np.ones((1, int(firsts[0])), np.int64)]

    def clone(self) -> Sums:
        return self


class Asks:
    """Whoever asks a pool, with its memory."""

    def __init__(self, pool: Pool, name: str, room: int = 4096) -> None:
        self.pool, self.name = pool, name
        self.memory = SharedMemoryPool(1 << 16)
        pictures, outputs = self.memory.take(AT_ONCE * SIDE * SIDE * 3), self.memory.take(room)
        assert pictures is not None
        assert outputs is not None
        self.places: tuple[Slot, Slot] = pictures, outputs
        self.join()

    def join(self) -> None:
        self.pool.join(self.name, PIXELS, self.memory.address)

    def __call__(self, firsts: Sequence[int], weight: float = 1.0) -> list[list[np.ndarray]]:
        pictures = self.memory.view(self.places[0]).reshape(AT_ONCE, SIDE, SIDE, 3)
        for picture, first in zip(pictures, firsts, strict=False):
            picture[:] = 0
            picture[0, 0, 0] = first
        ran = self.pool.run(self.name, self.places[0], len(firsts), self.places[1], weight)
        assert isinstance(ran, Ran)
        assert ran.cpu_ns >= 0
        if ran.outputs is not None:
            return ran.outputs
        return pools.read(self.memory.view(self.places[1]), len(firsts), ran.kinds)


Made = Callable[..., Pool]


@pytest.fixture
def ended() -> list[bool]:
    return []


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, ended: list[bool]) -> Iterator[Made]:
    all_of_them: list[Pool] = []

    def make(network: Any, clock: HandClock | None = None) -> Pool:
        monkeypatch.setattr(NetworkFile, "open", lambda _: network)
        file = NetworkFile(Path("sums.onnx"), None, None, "auto", "openvino")
        all_of_them.append(Pool(file, lambda: ended.append(True), clock or HandClock()))
        return all_of_them[-1]

    yield make
    for pool in all_of_them:
        pool.stop()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 255), min_size=1, max_size=AT_ONCE), min_size=1, max_size=4),
    st.integers(1, 3),
    st.sampled_from([0, 64, 4096]),
)
def test_each_picture_has_its_own_outputs_whoever_asks(asked: list[list[int]], at_once: int, room: int) -> None:
    network = Sums(at_once, varying=at_once == 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetworkFile, "open", lambda _: network)
        pool = Pool(NetworkFile(Path("sums.onnx"), None, None, "auto", "openvino"), lambda: None, HandClock())
        asks = [Asks(pool, str(number), room) for number in range(len(asked))]
        with ThreadPoolExecutor(len(asked)) as threads:
            told = list(threads.map(lambda pair: pair[0](pair[1]), zip(asks, asked, strict=True)))
        pool.stop()
    for firsts, outputs in zip(asked, told, strict=True):
        assert [int(arrays[0].item()) for arrays in outputs] == firsts
        if network.varying:
            assert [arrays[1].shape for arrays in outputs] == [(1, first) for first in firsts]
    assert sorted(network.seen) == sorted(first for firsts in asked for first in firsts)


def test_a_run_of_twice_the_weight_is_looked_at_twice_as_often(made: Made) -> None:
    network = Sums()
    pool = made(network)
    light, heavy, first = (Asks(pool, name) for name in ("light", "heavy", "first"))
    with ThreadPoolExecutor(3) as threads:
        network.gate.acquire()
        threads.submit(first, [9])
        until(lambda: pool.at_work)
        asked = [threads.submit(light, [1] * AT_ONCE, 1.0), threads.submit(heavy, [2] * AT_ONCE, 2.0)]
        until(lambda: pool.waiting == 2 * AT_ONCE)
        network.gate.release()
        for each in asked:
            each.result(10)
    order = network.seen[1:]
    assert sorted(order[: AT_ONCE // 2 * 3]) == [1] * (AT_ONCE // 2) + [2] * AT_ONCE


def test_a_batch_is_what_waits_and_never_waited_for(made: Made) -> None:
    network = Sums(3, varying=False)
    pool = made(network)
    asks, first = Asks(pool, "a"), Asks(pool, "b")
    with ThreadPoolExecutor(2) as threads:
        network.gate.acquire()
        threads.submit(first, [9])
        until(lambda: pool.at_work)
        waits = threads.submit(asks, [1, 2, 3, 4])
        until(lambda: pool.waiting == 4)
        network.gate.release()
        assert [int(arrays[0].item()) for arrays in waits.result(10)] == [1, 2, 3, 4]
    assert network.batches == [1, 3, 1]


def test_a_network_that_fails_fails_for_who_asked_and_goes_on(made: Made) -> None:
    network = Sums()
    asks = Asks(made(network), "a")
    network.fails = True
    with pytest.raises(ValueError, match="cannot"):
        asks([1])
    network.fails = False
    assert int(asks([7])[0][0].item()) == 7


def test_who_is_silent_is_forgotten_and_may_come_back(made: Made, ended: list[bool]) -> None:
    clock = HandClock()
    pool = made(Sums(), clock)
    silent, renewed = Asks(pool, "silent"), Asks(pool, "renewed")
    for _ in range(3):
        clock.turn(LEASE_S / 2)
        pool.renew(["renewed"])
        pool.tend()
    with pytest.raises(UnknownError):
        silent([1])
    assert not ended
    assert int(renewed([3])[0][0].item()) == 3
    silent.join()
    assert int(silent([4])[0][0].item()) == 4


def test_a_pool_ends_when_nobody_holds_it_and_not_before(made: Made, ended: list[bool]) -> None:
    clock = HandClock()
    pool = made(Sums(), clock)
    clock.turn(LEASE_S - 1)
    pool.tend()
    assert not ended  # the one that it was started for may still be on its way
    Asks(pool, "a")
    asks = Asks(pool, "b")
    pool.leave("a")
    pool.tend()
    assert not ended
    clock.turn(LEASE_S + 1)  # that run was killed
    pool.tend()
    pool.tend()
    assert ended == [True]
    with pytest.raises(UnknownError):
        asks([1])


def test_a_pool_that_nobody_came_to_ends(made: Made, ended: list[bool]) -> None:
    clock = HandClock()
    pool = made(Sums(), clock)
    clock.turn(LEASE_S + 1)
    pool.tend()
    assert ended == [True]


PIPELINE = """
classes: {thing: thing}
models: {bright: {path: bright.onnx}}
stages:
  - {id: little, type: detect, model: bright, on: edge, at_least: 1}
  - {id: big, type: detect, model: bright, on: edge, isolate: true}
audit: {rate: 0.2, max_unchecked_s: null}
"""


@pytest.mark.long
@pytest.mark.ray
def test_answers_are_the_same_and_a_pool_that_is_killed_loses_none(
    tmp_path: Path, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two actors of a machine ask the same network."""
    clip = clips.encode(tmp_path / "clip.mp4", frames=20)
    bright_network(tmp_path / "bright.onnx", above=0.5)
    alone = Runner(tmp_path, "inline", None)(PIPELINE, {"a": clip})
    pooled = Runner(tmp_path, "ray", cluster)
    killed: list[int] = []

    class Kills:
        """Kills the pool after the first answers."""

        def started(self, infos: object) -> None: ...

        def progressed(self, collector: Any) -> None:
            import ray

            if killed or collector.ledgers["a"].frames_in < 3:
                return
            for name in ray.util.list_named_actors(all_namespaces=True):
                if name["namespace"] == pools.NAMESPACE:
                    actor = ray.get_actor(name["name"], namespace=pools.NAMESPACE)
                    killed.append(ray.get(actor.__ray_call__.remote(lambda _: os.getpid())))
                    os.kill(killed[-1], signal.SIGKILL)

    ran = pooled(PIPELINE, {"a": clip}, sets=["tiers.edge.pool=true"], watchers=[Kills()])
    assert len(killed) == 1
    assert ran.comparable() == alone.comparable()
    assert ran.report["models"]["bright"]["calls"] == alone.report["models"]["bright"]["calls"]
