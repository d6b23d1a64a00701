"""Pictures that show nothing."""

import numpy as np

from vidpipe.sources.cameras.anomaly import AnomalyDetector

NOISE = np.random.default_rng(0)


def noisy(level=40):
    return np.clip(NOISE.normal(level, 5, (36, 48)), 0, 255).astype(np.uint8)


def test_a_live_picture_is_nothing_special_also_at_night():
    anomalies = AnomalyDetector()
    assert {anomalies.see(noisy(level), at) for level in (40, 8) for at in range(200)} == {""}


def test_a_frozen_picture_is_told_after_its_time_and_no_longer_than_it_lasts():
    anomalies = AnomalyDetector(frozen_s=60)
    picture = noisy()
    said = [anomalies.see(picture.copy(), at) for at in range(100)]
    assert said.index("the picture is frozen: it has not changed at all for 60 s") == 60
    assert anomalies.see(noisy(), 100) == ""


def test_one_grey_is_a_placeholder():
    anomalies = AnomalyDetector(flat_s=10)
    said = [anomalies.see(np.full((36, 48), 16 + at % 2, np.uint8), at) for at in range(20)]
    assert [bool(text) for text in said] == [False] * 10 + [True] * 10
    assert "placeholder" in said[-1]
    assert anomalies.see(noisy(), 20) == ""
