"""Looks that queries share. What must hold:

- outputs are those of a network alone, to the byte, whoever asks first, and at one time or another;
- each picture is looked at once for all queries of a network; one query alone remembers nothing;
- what one raises keeps no other from an answer; what is remembered is bounded, and goes with the last who has it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.models import shared_looks
from vidpipe.models.runtimes import Output, Pixels
from vidpipe.models.runtimes.opening import NetworkFile
from vidpipe.models.shared_looks import SharedLooks

FILE = NetworkFile(Path("net.onnx"), (8, 8), 1, "auto", "onnxruntime")
PIXELS = Pixels(rgb=True)


class Counting:
    """A network that gives the sum of its pixels; it counts its looks and raises at a brightness of 255."""

    size = (8, 8)
    outputs = (Output(("sum",), (1,)),)
    names = None

    def __init__(self) -> None:
        self.looks: list[int] = []

    def compile(self, pixels: Pixels) -> _Session:
        return _Session(self)


class _Session:
    def __init__(self, network: Counting) -> None:
        self._network = network
        self._out = np.zeros(1, np.int64)
        self.pictures = np.zeros((1, 8, 8, 3), np.uint8)

    def run(self, count: int) -> Sequence[Any]:
        self._network.looks.append(int(self.pictures.sum()))
        if self.pictures[0, 0, 0, 0] == 255:
            raise RuntimeError("not this one")
        self._out[0] = self.pictures.sum()
        return [self._out]

    def clone(self) -> _Session:
        return _Session(self._network)


def asked(session: Any, level: int) -> int:
    session.pictures[:] = level
    return int(session.run(1)[0][0])


@given(asks=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=40))
def test_outputs_are_those_of_the_network_alone(asks):
    network = Counting()
    looks = SharedLooks(lambda _: network)
    sessions = {name: looks.open(name, FILE).compile(PIXELS) for name in "abc"}
    for name, level in asks:
        assert asked(sessions[name], level) == level * 192
    assert len(network.looks) <= len(asks)


def test_a_picture_is_looked_at_once_and_remembered_no_longer_than_needed():
    network = Counting()
    looks = SharedLooks(lambda _: network)
    alone = looks.open("a", FILE).compile(PIXELS)
    assert [asked(alone, level) for level in (1, 1)] == [192, 192]
    assert network.looks == [192, 192]  # nobody else would ask
    other = looks.open("b", FILE).compile(PIXELS)
    for level in (2, 3, 4):
        asked(alone, level)
    assert [asked(other, level) for level in (4, 2, 3)] == [768, 384, 576]
    assert network.looks[2:] == [384, 576, 768]
    assert looks.nbytes == {"net.onnx": 0}
    looks.leave("b")
    asked(alone, 5)
    assert looks.nbytes == {"net.onnx": 0}


def test_threads_of_one_query_are_one_query():
    network = Counting()
    looks = SharedLooks(lambda _: network)
    one = looks.open("a", FILE).compile(PIXELS)
    looks.open("b", FILE)
    asked(one, 1)
    assert asked(one.clone(), 1) == 192
    assert len(network.looks) == 1


def test_who_asks_meanwhile_waits_for_the_same_look():
    network, began, go = Counting(), threading.Event(), threading.Event()

    class Slow(_Session):
        def run(self, count: int) -> Sequence[Any]:
            began.set()
            assert go.wait(10)
            return super().run(count)

        def clone(self) -> Slow:
            return Slow(network)

    network.compile = lambda _: Slow(network)  # type: ignore[method-assign]
    looks = SharedLooks(lambda _: network)
    sessions = [looks.open(name, FILE).compile(PIXELS) for name in "ab"]
    said: list[int] = []
    threads = [threading.Thread(target=lambda each=each: said.append(asked(each, 7))) for each in sessions]
    threads[0].start()
    assert began.wait(10)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert said == [1344, 1344]
    assert len(network.looks) == 1


def test_what_one_raises_keeps_no_other_from_asking():
    network = Counting()
    looks = SharedLooks(lambda _: network)
    one, other = (looks.open(name, FILE).compile(PIXELS) for name in "ab")
    for session in (one, other, one):
        with pytest.raises(RuntimeError, match="not this one"):
            asked(session, 255)
    assert asked(other, 1) == 192


def test_what_is_remembered_is_bounded_and_goes_with_the_last(monkeypatch):
    monkeypatch.setattr(shared_looks, "KEPT_BYTES", 1000)
    opened = []
    looks = SharedLooks(lambda file: opened.append(file) or Counting())
    one, other = (looks.open(name, FILE).compile(PIXELS) for name in "ab")
    for level in range(50):
        asked(one, level)
    assert 0 < looks.nbytes["net.onnx"] <= 1000
    assert asked(other, 49) == 49 * 192
    del one, other
    gc.collect()
    assert looks.nbytes == {}
    looks.open("a", FILE)
    assert len(opened) == 2
