"""Axes: where values lie, and which ticks are round."""

import pytest

from vidpipe.bench.report.html.scales import Scale


@pytest.mark.parametrize(
    ("scale", "value", "pixel"),
    [
        (Scale(0, 10, 100, 200), 5, 150),
        (Scale(0, 10, 200, 100), 1, 190),
        (Scale(0.01, 1, 0, 100, log=True), 0.1, 50),
        (Scale(0, 10, 100, 200), 12, 200),
        (Scale(0, 10, 100, 200), -1, 100),
    ],
)
def test_pixels(scale, value, pixel):
    assert scale(value) == pytest.approx(pixel)


@pytest.mark.parametrize(
    ("scale", "most", "ticks"),
    [
        (Scale(0.87, 1.0, 0, 1), 6, [0.9, 0.95, 1.0]),
        (Scale(31.8, 79.5, 0, 1), 10, [35, 40, 45, 50, 55, 60, 65, 70, 75]),
        (Scale(0, 0.4, 0, 1), 4, [0, 0.1, 0.2, 0.3, 0.4]),
        (Scale(0.08, 1.2, 0, 1, log=True), 9, [0.1, 0.2, 0.5, 1]),
        (Scale(0.001, 10, 0, 1, log=True), 6, [0.001, 0.01, 0.1, 1, 10]),
    ],
)
def test_ticks(scale, most, ticks):
    assert scale.ticks(most) == pytest.approx(ticks)
