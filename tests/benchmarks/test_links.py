"""How the price of a link's settings is judged."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.links.cascade import Scores
from benchmarks.links.quality import STANDARD, Price, Setting, cheapest, f1, settings, share
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.statistics.agreement import Matched

CHEAP = Setting("jpeg", 50, None)
CHEAPER = Setting("webp", 20, 480)


def prices(**right):
    """Clips on which three settings are told apart, and all others are dear and bad; right boxes of 100, by setting."""
    of = {setting: Price(9000.0, 1.0, Matched(0, 200)) for setting in settings()}
    of[STANDARD] = Price(1000.0, 1.0, Matched(right.get("standard", 100), 200))
    of[CHEAP] = Price(500.0, 1.0, Matched(right.get("cheap", 97), 200))
    of[CHEAPER] = Price(100.0, 1.0, Matched(right.get("cheaper", 80), 200))
    return of


def test_the_cheapest_that_holds_on_average_is_chosen_and_the_best_where_none_does():
    known = {"a": prices(), "b": prices(cheap=93)}
    assert f1(known, CHEAP) == pytest.approx(0.95)
    assert share(known, CHEAPER) == pytest.approx(0.1)
    assert cheapest(known, 0.99) == STANDARD
    assert cheapest(known, 0.95) == CHEAP
    assert cheapest(known, 0.8) == CHEAPER
    assert cheapest({"a": prices(standard=90, cheap=95)}, 0.99) == CHEAP


def test_a_clip_in_which_nothing_is_seen_says_nothing_of_accuracy():
    empty = {setting: price._replace(matched=Matched(0, 0)) for setting, price in prices().items()}
    assert f1({"a": prices(), "empty": empty}, CHEAP) == pytest.approx(0.97)


def test_presence_in_frames_counts_classes_that_people_labelled():
    def series(*rows):
        boxes = Boxes.of([row[0] for row in rows], [[0, 0, 9, 9]] * len(rows), label=[row[1] for row in rows])
        return Series(("car", "dog"), 100, 100, np.arange(10) / 10, np.ones(10, bool), boxes)

    truth = series((0, 0), (1, 0), (2, 0), (3, 0))
    scores = Scores.of(series((1, 0), (2, 0), (9, 0), (4, 1)), truth)
    assert scores.in_frames == pytest.approx(2 * 2 / (3 + 4))
