"""Micro-benchmarks: what runs per frame, against a yardstick timed in the same test.

Absolute times are the machine's; only ratios are asserted, with room for a noisy one. `pytest tests/speed` prints the
table of times.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import av
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from vidpipe.frame import Frame
from vidpipe.picture import YuvPicture

SIZES = {"320x240": (320, 240), "768x576": (768, 576), "1920x1080": (1920, 1080)}


@pytest.fixture(params=list(SIZES))
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    """Width and height, each in turn."""
    return SIZES[request.param]


@pytest.fixture
def picture(size: tuple[int, int]) -> YuvPicture:
    """Noise, as a decoder would hand it over."""
    return noise(*size)


def noise(width: int, height: int, seed: int = 0) -> YuvPicture:
    rng = np.random.default_rng(seed)
    planes = rng.integers(90, 110, (height * 3 // 2, width), np.uint8)
    return YuvPicture(av.VideoFrame.from_ndarray(planes, format="yuv420p"))


def fresh(picture: YuvPicture, seq: int = 0) -> Frame:
    """A frame of the picture that nobody has asked for a preview yet."""
    width, height = picture.frame.width, picture.frame.height
    return Frame("cam", seq, seq / 25, picture, width, height, since=1.0)


class Ratio:
    """Times a function with pytest-benchmark and another one beside it, in turns."""

    def __init__(self, benchmark: BenchmarkFixture) -> None:
        self._benchmark = benchmark

    def __call__(self, measured: Callable[[], Any], yardstick: Callable[[], Any], *, rounds: int = 30) -> float:
        """Median of the one over median of the other; each round is as many calls as fill a millisecond."""
        calls = _calls(yardstick)
        yardstick_s: list[float] = []

        def other() -> None:
            began = time.perf_counter()
            for _ in range(calls):
                yardstick()
            yardstick_s.append((time.perf_counter() - began) / calls)

        iterations = _calls(measured)
        for _ in range(3):
            other()
        # No set-up by pedantic where a round is many calls: so the yardstick goes before and after.
        self._benchmark.pedantic(measured, rounds=rounds, iterations=iterations, warmup_rounds=1)
        for _ in range(rounds):
            other()
        ratio = self._benchmark.stats.stats.median / statistics.median(yardstick_s)
        self._benchmark.extra_info["ratio"] = round(ratio, 3)
        return float(ratio)


def _calls(function: Callable[[], Any]) -> int:
    function()
    began = time.perf_counter()
    function()
    return max(1, round(1e-3 / (time.perf_counter() - began)))


@pytest.fixture
def ratio(benchmark: BenchmarkFixture) -> Ratio:
    return Ratio(benchmark)
